// Trades time for memory: a function's inner activations are not kept for backward, but computed again there.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include <functional>

namespace mom::nn {

using TensorFunction = std::function<torch::autograd::variable_list(const torch::autograd::variable_list&)>;

// f(inputs), with the same values and gradients. Only inputs and outputs are kept; gradients
// of parameters that f uses are added to their .grad during backward. f must do the same each time, and at
// least one input must need a gradient.
torch::autograd::variable_list recompute(const TensorFunction& f,
                                         const torch::autograd::variable_list& inputs);

}  // namespace mom::nn
