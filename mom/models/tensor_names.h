// How a model folder names its tensors: as our networks do (Hugging Face's Mamba), as Hugging Face's Llama (one layer is
// two of our blocks), as the authors' own package (state-spaces: backbone.embedding), each of them also as saved from
// the bare model: without the first part of every name, and without a head.
#pragma once

#include <string>
#include <vector>

namespace mom::models {

class TensorNames {
 public:
  // From all names in the folder's files.
  explicit TensorNames(const std::vector<std::string>& in_files);
  std::string ours(const std::string& theirs) const;
  std::string theirs(const std::string& ours) const;
  // A tensor that older folders hold and that follows from config.json: not a weight.
  bool is_buffer(const std::string& theirs) const;
  bool is_bare() const { return bare_; }
  // What the bare model lacks before every name: "backbone." or "model.".
  std::string prefix() const { return llama_ ? "model." : "backbone."; }
  // The class of transformers that has the head, too.
  std::string full_class() const { return llama_ ? "LlamaForCausalLM" : "MambaForCausalLM"; }

 private:
  bool llama_ = false, bare_ = false, state_spaces_ = false;
};

}  // namespace mom::models
