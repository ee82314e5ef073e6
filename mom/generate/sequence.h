// One document while it is written: what its branches are fed next, and what becomes of the network's answer.
// The engine makes the batches.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "mom/generate/document_cursor.h"
#include "mom/generate/request.h"

namespace mom::generate {

// What is drawn for a picture: draw 0 is the noise it begins with, draw v + 1 belongs to visit v of the
// sampler. Standard normal, f32 of `shape`. `picture` counts those the sequence has painted.
at::Tensor picture_noise(uint64_t key, size_t picture, int64_t draw, const std::vector<int64_t>& shape);

// One of a sequence's states, and what it is still to be fed.
struct Branch {
  int64_t slot = 0;
  Feed pending;
};

// A picture on its way from noise.
struct Painting {
  const modality::Modality* modality = nullptr;
  at::Tensor latent_CHW;
  int64_t visit = 0;
};

// Predictions of a sequence's branches, of whatever is due; the second undefined without guidance.
struct Predictions {
  at::Tensor conditional, unconditional;
  at::Tensor joined(double guidance) const {
    return unconditional.defined() ? guide(conditional, unconditional, guidance) : conditional;
  }
};

// Told while a document is written.
struct SequenceEvents {
  std::function<void(int32_t token, double log_probability)> token;  // also kPicture, with 0
  std::function<void(const Picture&)> picture;                       // before its kPicture
  // The clean latent that a visit of the sampler predicts, but for the last one, which gives the picture.
  std::function<void(const at::Tensor& clean_CHW, int64_t visit, int64_t num_visits)> preview;
};

class Sequence {
 public:
  // Rules and spec must outlive it. The request was checked; a schedule of fewer steps than it asks for is visited whole.
  Sequence(Request request, const DocumentRules& rules, const models::Schedules& schedules,
           const models::ModelSpec& spec, SequenceEvents events);

  bool done() const { return done_; }
  const Request& request() const { return request_; }
  size_t num_written() const { return answer_.content.tokens.size(); }
  Answer take_answer() { return std::move(answer_); }
  std::vector<Branch*> branches();
  // Rounds until it is where it may end, as far as can be foreseen.
  int64_t rounds_to_come() const;

  // What its branches are fed in the next round, the conditional one first.
  struct Job {
    Branch* branch;
    Feed feed;
    bool commit;  // the state after it is kept
  };
  std::vector<Job> next_jobs();
  bool painting() const { return painting_.has_value(); }
  // What the round gave: the prediction [C, H, W] where it is painting, else logits [V], of which choose() draws the token
  // that receive() writes. choose() tells no listener, so that sequences may choose side by side.
  void choose(const Predictions& predictions);
  void receive(const Predictions& predictions);

 private:
  // A token or picture of the document: for the branches, and for the penalty. Without its text a document is
  // <bos> and what stands between brackets.
  void take_in(int32_t token, const Picture& picture);
  size_t painted() const;  // the number of its modality
  const DiffusionSampler& diffusion(const modality::Modality& latents) const;
  void put(int32_t token, const Picture& picture, int64_t num_positions, double log_probability);
  std::vector<TokenSpan> allowed() const;  // what may be drawn next
  SampledToken draw(const at::Tensor& logits_V);
  void write(const SampledToken& sampled);
  void write_what_is_certain();  // without waiting for logits
  bool ends_document(int32_t token) const;
  void finish(Stop stop);
  at::Tensor noise(int64_t draw) const;
  void denoise(const at::Tensor& predicted_CHW);

  const Request request_;
  const models::ModelSpec& spec_;
  SequenceEvents events_;
  DocumentCursor cursor_;
  std::vector<DiffusionSampler> diffusion_;  // by number of the modality of latents
  Branch conditional_;
  std::optional<Branch> unconditional_;  // with guidance
  std::optional<Painting> painting_;
  std::set<int64_t> seen_;  // in text, where repetition is penalised
  int64_t room_;            // positions that may still come
  uint64_t num_drawn_ = 0;
  std::optional<SampledToken> chosen_;
  bool done_ = false;
  Answer answer_;
};

}  // namespace mom::generate
