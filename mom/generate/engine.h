// Generation: ids and latents in, ids and latents out. It knows no tokenizer and no file.
//
// Sequences join with add() and leave with cancel() or when they are done; step() advances all of them, each by what it
// needs: a piece of its prompt, a token, or a picture's patches at one noise level, in ragged batches (step.h). What may
// come next is document_cursor.h's, how it is drawn token_sampler.h's and diffusion_sampler.h's.
//
// Pictures as latents: the state after <boi> is kept; each denoising step runs all patches from a copy of it; the clean
// latent then runs once at t = 0 together with <eoi>, and gives the state for what follows. Guidance runs a second
// branch, the same document without its text (<bos> <boi> ...), in the same batch, and joins the two predictions, of
// noise or of codes, inside pictures.
//
// The same request gives the same answer, bit for bit, whatever other sequences there are or were: its random numbers
// come from its own key and positions alone (base/random.h), a product's rows do not know of each other (ops/rowwise.h),
// and the state of a prompt that was read before is used only where reading it again would give the same bits.
//
// One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mom/generate/document_cursor.h"
#include "mom/generate/network.h"
#include "mom/generate/prefix_cache.h"
#include "mom/generate/request.h"
#include "mom/generate/sequence.h"

namespace mom::generate {

struct EngineOptions {
  int64_t cache_bytes = int64_t{256} << 20;  // of states of prompts (prefix_cache.h)
};

// Called from within step(), which the functions must not call back into.
struct Listener : SequenceEvents {
  std::function<void(Answer)> done;
};

using SequenceId = uint64_t;

struct SequenceView {
  SequenceId id;
  int64_t prompt_tokens, read_tokens;  // of the prompt; tokens and pictures
  int64_t written_tokens;
};

// Since the engine was made.
struct EngineCounts {
  int64_t read_tokens = 0;    // of prompts
  int64_t reused_tokens = 0;  // of prompts, not read because their state was kept
  int64_t written_tokens = 0;
  int64_t steps = 0;
};

class Engine {
 public:
  Engine(Network network, const DocumentRules& rules, const EngineOptions& options = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  // UserError: a prompt that is empty or no beginning of a document, options out of range, no room to close what is
  // open. add() checks, too.
  void check(const Request& request) const;
  SequenceId add(Request request, Listener listener);
  void cancel(SequenceId id);  // one that is not there: nothing
  void cancel_all();
  // False: there is nothing to do. After an exception only cancel_all() is of use.
  bool step();

  size_t num_sequences() const { return running_.size(); }
  // Until all may be done, as far as can be foreseen.
  int64_t steps_to_come() const;
  std::vector<SequenceView> sequences() const;
  const EngineCounts& counts() const { return counts_; }
  const PrefixCache& cache() const { return cache_; }

 private:
  // What one branch is fed before its sequence goes on.
  struct Task {
    Sequence::Job job;          // its feed: what is left of it
    std::optional<Feed> whole;  // of a branch that had seen nothing, until it was read
    bool begun = false;
    at::Tensor predicted;
  };
  struct Running {
    SequenceId id;
    Listener listener;
    std::unique_ptr<Sequence> sequence;
    std::vector<Task> tasks;
    int64_t read_tokens = 0;  // of the prompt
  };
  struct Piece {
    Task* task;
    Feed feed;
    bool last;
  };

  void begin_tasks(Running& running);
  bool resume(Task& task);
  bool is_read_by_another(const Task& task) const;
  std::optional<Piece> next_piece(Task& task) const;
  void decode(const std::vector<Task*>& tasks);
  void read(const std::vector<Piece>& pieces);
  void keep(Task& task, const at::Tensor& logits_V);
  void leave(const std::function<bool(const Running&)>& leaves);

  Network network_;
  DocumentRules rules_;
  models::Schedules schedules_;
  PrefixCache cache_;
  std::vector<std::unique_ptr<Running>> running_;
  const DecodeState fresh_;  // of one that has seen nothing
  DecodeState state_;        // of all branches, by slot
  SequenceId next_id_ = 1;
  EngineCounts counts_;
};

// All of them to the end, side by side; answers in the order of requests. `token` is told of which request it is,
// `progress` of steps so far and with those that can be foreseen.
struct RunEvents {
  std::function<void(size_t request, int32_t token)> token;  // also kPicture
  std::function<void(int64_t done, int64_t total)> progress;
};
std::vector<Answer> run(Engine& engine, const std::vector<Request>& requests, const RunEvents& events = {});

}  // namespace mom::generate
