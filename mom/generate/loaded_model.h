// A run or model folder as generation uses it: the network with its weights, and the codecs around it.
#pragma once

#include "mom/generate/engine.h"
#include "mom/generate/model_codecs.h"

namespace mom::generate {

class LoadedModel {
 public:
  // `run`: a run folder (newest checkpoint, codecs of its data) or a model folder; `codecs`: a folder with one for each
  // modality, or empty; `device`: what computes (ops/device.h). InputError: files that cannot be used.
  LoadedModel(const Path& run, const Path& codecs, bool last_weights, const std::string& device = "cpu");

  const Path& folder() const { return folder_; }  // of the model
  const models::Model& model() const { return model_; }
  const models::ModelSpec& spec() const { return model_->spec(); }
  const ModelCodecs& codecs() const { return codecs_; }
  DocumentRules rules() const { return {codecs_.vocabulary(), spec().vocab_size}; }
  // `weights`: of single tokens; empty: as the folder stores them, where the network can decode so.
  Network network(const std::optional<std::string>& weights) const;

 private:
  Path folder_;
  models::Model model_;
  ModelCodecs codecs_;
};

}  // namespace mom::generate
