// A model as generation runs it: tokens alone, single ones and prompts, by mamba_decoder.h where the network has only such
// blocks; pictures, and all else, through the training kernels, in f32. Both multiply by one copy of the weights, in panels.
// A sequence's numbers have the same bits whatever other sequences are beside it. A network on another device than the CPU
// computes everything by the training kernels, its last bits depend on what is beside, and logits come back for every token.
#pragma once

#include <memory>
#include <string>

#include "mom/generate/mamba_decoder.h"
#include "mom/generate/step.h"

namespace mom::generate {

class Network {
 public:
  // `weights`, of single tokens: one of models::weight_types(). UserError where the network needs float32.
  Network(models::Model model, const std::string& weights = "float32");  // NOLINT: a model is a network
  const models::Model& model() const { return model_; }
  // Both advance `state`, one feed or token per sequence. decode() may use weights of fewer bits, so that a token is
  // always read by the same of the two.
  StepOutput read(DecodeState& state, const std::vector<Feed>& feeds_S);
  at::Tensor decode(DecodeState& state, const std::vector<int32_t>& tokens_S);  // logits [S, V]
  // Whether read() has the same bits wherever a document is cut.
  bool cuts_exactly() const { return cuts_exactly_; }

 private:
  models::Model model_;
  std::shared_ptr<const ops::PackedWeights> panels_;
  std::shared_ptr<const MambaDecoder> decoder_;  // of single tokens; null: every step is one of step.h
  std::shared_ptr<const MambaDecoder> reader_;   // of prompts, f32
  bool cuts_exactly_;
};

}  // namespace mom::generate
