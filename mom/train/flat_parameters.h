// A model's weights in one row (row.h), which optimizer, gradients and their exchange between processes work on: a few
// long tensors in place of hundreds of short ones. f32. Weights without decay come first, then those outside the blocks,
// then the blocks in their order and what is behind them, so that forward reads the row from its begin and backward completes it
// from its end. Each begins at a multiple of 16
// numbers, so that vector instructions meet no rest inside; what is between and behind them is zero and stays so.
#pragma once

#include <ATen/core/Tensor.h>

#include <set>
#include <string>
#include <vector>

#include "mom/models/model.h"
#include "mom/train/row.h"

namespace mom::train {

class FlatParameters {
 public:
  // How long the layout of a model is, and where its second block begins.
  static int64_t length_of(models::ModelImpl& model);
  static int64_t edge_of(models::ModelImpl& model);
  // Moves the weights of `model` here, or makes zeros for one without memory (nn/parameter.h). The layout is `padded` long
  // at least, and on the model's device.
  explicit FlatParameters(models::Model model, int64_t padded = 0);
  FlatParameters(const FlatParameters&) = delete;
  FlatParameters& operator=(const FlatParameters&) = delete;

  const at::Tensor& values() const { return values_; }  // [length]
  c10::Device device() const { return values_.device(); }
  int64_t length() const { return values_.size(0); }
  int64_t decay_begin() const { return decay_begin_; }  // weights from it on take weight decay
  int64_t num_blocks() const { return static_cast<int64_t>(block_begins_.size()) - 2; }
  // Where the weights of a block begin; of the number of blocks: those behind them; of one more: the end.
  int64_t begin_of_block(int64_t block) const { return block_begins_.at(static_cast<size_t>(block)); }
  const std::vector<Range>& factors() const { return factors_; }  // weights that are (nn/parameter.h), joined
  at::Tensor zeros() const;                                       // a row of this layout

  const std::vector<std::string>& names() const { return names_; }
  Range range_of(size_t name) const;
  Range range_of(const at::Tensor& weight) const;  // of one that is here
  const std::vector<int64_t>& shape_of(size_t name) const { return shapes_[name]; }
  // One view for each name, of the weight's shape, into a tensor of this layout.
  std::vector<at::Tensor> views(const at::Tensor& flat) const;

  // Another model of the same spec computes with these weights from now on. Its own memory goes.
  void share_with(models::Model replica);
  // All models that share the weights compute with `flat` in their place, until told otherwise; no number is moved.
  void show(const at::Tensor& flat);
  // No gradients of these weights are computed from now on, by the models that share them.
  void freeze(const std::set<std::string>& names);
  // Backward of `model`, one of them, adds to `flat`.
  void collect_gradients(models::ModelImpl& model, const at::Tensor& flat) const;

 private:
  struct Member {
    models::Model model;
    std::vector<at::Tensor> parameters;  // in the order of names
  };
  std::vector<at::Tensor> parameters_of(models::ModelImpl& model) const;  // in the order of names
  std::vector<std::string> names_;
  std::vector<int64_t> begins_;
  std::vector<std::vector<int64_t>> shapes_;
  int64_t decay_begin_ = 0;
  std::vector<int64_t> block_begins_;
  std::vector<Range> factors_;
  at::Tensor values_;
  std::vector<Member> members_;  // the models that share the weights
};

}  // namespace mom::train
