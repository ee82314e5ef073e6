// A model as generation runs it: blocks of positions and pictures through the training kernels, in f32;
// single tokens of a few sequences through mamba_decoder.h where the network has only such blocks.
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
  StepOutput step(DecodeState& state, const std::vector<Feed>& feeds_S);

 private:
  models::Model model_;
  std::shared_ptr<const MambaDecoder> decoder_;  // null: every step is one of step.h
};

}  // namespace mom::generate
