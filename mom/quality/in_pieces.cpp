#include "mom/quality/in_pieces.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "mom/ops/parallel.h"

namespace mom::quality {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What forward leaves to backward: each piece's own graph.
struct Pieces : torch::CustomClassHolder {
  std::vector<at::Tensor> inputs;
  std::vector<variable_list> outputs;
};

// body(i) for each piece, differentiable, each on a thread of its own.
void for_each_piece(size_t count, const std::function<void(size_t)>& body) {
  ops::parallel_shares(static_cast<int64_t>(count), [&](int64_t i) {
    const at::AutoGradMode with_gradients(true);
    body(static_cast<size_t>(i));
  });
}

// Output j of all pieces.
at::Tensor joined(const std::vector<variable_list>& pieces, size_t j) {
  std::vector<at::Tensor> parts;
  for (const variable_list& piece : pieces) parts.push_back(piece[j].detach());
  return at::cat(parts);
}

struct PiecesFunction : torch::autograd::Function<PiecesFunction> {
  static variable_list forward(AutogradContext* context, const ItemNetwork& network, int64_t num_pieces,
                               const at::Tensor& batch, const at::TensorList& parameters) {
    const auto pieces = c10::make_intrusive<Pieces>();
    for (const at::Tensor& items : batch.tensor_split(num_pieces))
      pieces->inputs.push_back(items.detach().requires_grad_(batch.requires_grad()));
    pieces->outputs.resize(pieces->inputs.size());
    for_each_piece(pieces->inputs.size(), [&](size_t i) { pieces->outputs[i] = network(pieces->inputs[i]); });
    context->saved_data["pieces"] = c10::IValue::make_capsule(pieces);
    context->save_for_backward(parameters.vec());
    variable_list outputs;
    for (size_t j = 0; j < pieces->outputs.front().size(); ++j) outputs.push_back(joined(pieces->outputs, j));
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const auto pieces = c10::static_intrusive_pointer_cast<Pieces>(context->saved_data["pieces"].toCapsule());
    const variable_list parameters = context->get_saved_variables();
    const bool of_batch = pieces->inputs.front().requires_grad();
    std::vector<variable_list> found(
        pieces->inputs.size());  // of the input, where asked for, and the parameters
    std::vector<std::vector<at::Tensor>> parts(grads.size());
    for (size_t j = 0; j < grads.size(); ++j) {
      std::vector<int64_t> sizes;
      for (const variable_list& outputs : pieces->outputs) sizes.push_back(outputs[j].size(0));
      if (grads[j].defined()) parts[j] = grads[j].split_with_sizes(sizes);
    }
    for_each_piece(found.size(), [&](size_t i) {
      variable_list roots, root_grads, leaves = parameters;
      if (of_batch) leaves.insert(leaves.begin(), pieces->inputs[i]);
      for (size_t j = 0; j < grads.size(); ++j) {
        if (parts[j].empty()) continue;
        roots.push_back(pieces->outputs[i][j]);
        root_grads.push_back(parts[j][i]);
      }
      found[i] = torch::autograd::grad(roots, leaves, root_grads, /*retain_graph=*/std::nullopt,
                                       /*create_graph=*/false, /*allow_unused=*/true);
    });
    variable_list result(3);  // none of the network and the number of pieces
    if (of_batch && found.front().front().defined()) result[2] = joined(found, 0);
    for (size_t p = of_batch ? 1 : 0; p < found.front().size(); ++p) {
      at::Tensor sum = found.front()[p];
      for (size_t i = 1; i < found.size(); ++i)
        if (sum.defined()) sum.add_(found[i][p]);
      result.push_back(sum);
    }
    return result;
  }
};

}  // namespace

std::vector<at::Tensor> in_pieces(const ItemNetwork& network, const std::vector<at::Tensor>& parameters,
                                  const at::Tensor& batch) {
  const int64_t num_pieces = std::min<int64_t>(at::get_num_threads(), batch.size(0));
  if (num_pieces <= 1 || !at::GradMode::is_enabled()) return network(batch);
  return PiecesFunction::apply(network, num_pieces, batch, at::TensorList(parameters));
}

}  // namespace mom::quality
