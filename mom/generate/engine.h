// Generation: ids and latents in, ids and latents out. It knows no tokenizer and no file.
//
// All sequences advance together, each by what it needs: a prompt, a token, or a picture's patches at one
// noise level, in one ragged batch (step.h). What may come next is document_cursor.h's, how it is drawn
// token_sampler.h's and diffusion_sampler.h's.
//
// Pictures as latents: the state after <boi> is kept; each denoising step runs all patches from a copy of it;
// the clean latent then runs once at t = 0 together with <eoi>, and gives the state for what follows.
// Guidance runs a second branch, the same document without its text (<bos> <boi> ...), in the same batch, and
// joins the two predictions, of noise or of codes, inside pictures.
//
// Random numbers of a sequence come from its own key and positions alone (base/random.h), so that they are
// the same whatever else is in the batch. Logits agree to f32 rounding (about 1e-6): a product of other size
// may sum in another order.
#pragma once

#include <functional>
#include <vector>

#include "mom/generate/diffusion_sampler.h"
#include "mom/generate/document_cursor.h"

namespace mom::generate {

struct PictureOptions {
  int64_t steps = 50;  // of denoising
  DiffusionMethod method = DiffusionMethod::kDdim;
  double guidance = 1;  // 1: off
};

enum class Until {
  kDocument,  // <eos>, or a stop token
  kText,      // the same, or the start of another modality, which is not part of the answer
  kSegment,   // the end of the segment that the prompt has opened
};

struct Request {
  Feed prompt;
  Until until = Until::kDocument;
  // Positions at most (tokens and patches). What is open is closed within them.
  int64_t max_positions = 256;
  std::vector<int64_t> stop_tokens;  // of a plain language model; part of the answer
  SamplingOptions sampling;          // the penalty concerns text
  PictureOptions picture;
  uint64_t key = 0;
};

enum class Stop { kEnd, kLength };  // what `until` asked for, or no room

struct Answer {
  Feed content;                           // what is new
  std::vector<double> log_probabilities;  // one a token (sample_token); pictures have none
  Stop stop = Stop::kEnd;
};

struct EngineEvents {
  std::function<void(size_t sequence, int32_t token)> token;  // also kPicture
  // Rounds of the network so far, and with those that can be foreseen.
  std::function<void(int64_t done, int64_t total)> progress;
};

class Engine {
 public:
  Engine(models::Model model, const DocumentRules& rules, EngineEvents events = {});
  // Answers in the order of requests. UserError: a prompt that is empty or no beginning of a document,
  // options out of range, no room to close what is open.
  std::vector<Answer> run(const std::vector<Request>& requests);
  void check(const Request& request) const;

 private:
  models::Model model_;
  DocumentRules rules_;
  models::CosineSchedule schedule_;
  EngineEvents events_;
};

}  // namespace mom::generate
