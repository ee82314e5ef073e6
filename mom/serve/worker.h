// The engine's thread: takes jobs from a bounded queue, runs as many answers side by side as it may, and tells each job
// what happens. It alone touches the model.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/serve/api_error.h"
#include "mom/serve/job.h"

namespace mom::serve {

// Who waits for a job; called from the engine's thread.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void event(Event event) = 0;
  virtual void done(const Usage& usage) = 0;
  virtual void failed(const ApiError& error) = 0;
  // Nobody waits any more: the job ends before the next step.
  virtual bool gone() const = 0;
};

struct WorkerOptions {
  Path run, codecs;
  std::optional<std::string> weights;
  bool last_weights = false;
  std::string device = "cpu";  // what computes: a recipe's train.device
  std::string model_id;        // empty: the folder's name
  int64_t parallel = 16;       // answers side by side
  size_t queue = 64;           // jobs that wait
  int64_t cache_bytes = int64_t{256} << 20;
  int64_t max_tokens = 4096;              // of an answer
  int64_t max_prompt_tokens = 32768;      // positions
  int64_t max_pixels = int64_t{1} << 24;  // of an image in a prompt
  int64_t max_sound_s = 120;
};

struct SlotView {
  uint64_t id;
  int64_t prompt_tokens, read_tokens, written_tokens;
};

struct WorkerStats {
  std::vector<SlotView> slots;
  size_t waiting = 0, jobs = 0;
  int64_t read_tokens = 0, reused_tokens = 0, written_tokens = 0, steps = 0;
  int64_t accepted = 0, refused = 0, finished = 0, abandoned = 0, failed = 0;
  size_t cached_prompts = 0;
  int64_t cached_bytes = 0;
};

class Worker {
 public:
  enum class State { kLoading, kReady, kFailed };

  explicit Worker(WorkerOptions options);  // begins to load
  ~Worker();                               // ends what runs
  State state() const;
  std::string failure() const;  // why it could not be loaded
  int failure_code() const;     // the exit code that says so
  // Once it is ready.
  const Card& card() const;
  const WorkerOptions& options() const;
  // False: the queue is full. Sinks are told of all else.
  bool submit(Wish wish, std::shared_ptr<Sink> sink);
  // {"tokens": [...]} or {"content": "..."}, told as the text of an event and done().
  bool submit_tokenize(std::string text, bool add_special, std::shared_ptr<Sink> sink);
  bool submit_detokenize(std::vector<int64_t> tokens, std::shared_ptr<Sink> sink);
  WorkerStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mom::serve
