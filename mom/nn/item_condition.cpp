#include "mom/nn/item_condition.h"

#include <torch/nn/functional/activation.h>
#include <torch/types.h>

#include "mom/ops/rowwise.h"

namespace mom::nn {

ItemConditionImpl::ItemConditionImpl(int64_t width) : width_(width) {
  ModalityLinearOptions options{.in_features = width, .out_features = 2 * width, .bias = true, .groups = {}};
  options.weight = {.init = init_constant(0), .part = Part::kLatentAdapter};
  options.bias_traits = {.init = init_constant(0), .decay = false, .part = Part::kLatentAdapter};
  modulation_ = register_module("modulation", ModalityLinear(options));
}

void find_items(BlockContext& context) {
  const int64_t *rows = context.routing.order_T.const_data_ptr<int64_t>(),
                *offsets = context.routing.offsets_S1.const_data_ptr<int64_t>();
  for (const ItemGrid& grid : context.grids) {
    const int64_t length = grid.rows * grid.columns;
    for (int64_t s = 0; s < context.routing.num_sequences(); ++s)
      for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
        if (rows[t] < grid.begin || rows[t] >= grid.end || (rows[t] - grid.begin) % length != 0) continue;
        context.before_I.push_back(t > offsets[s] ? rows[t - 1] : -1);
        context.sequence_I.push_back(s);
      }
  }
}

at::Tensor rows_before_items(const at::Tensor& rows_TE, const BlockContext& context,
                             const at::Tensor& last_SE) {
  const auto on_device = [&](const at::Tensor& host) { return ops::on_device(host, rows_TE.device()); };
  const at::Tensor rows_I = torch::tensor(context.before_I, torch::kInt64), absent_I = rows_I.lt(0);
  const at::Tensor found_IE = rows_TE.index_select(0, on_device(rows_I.clamp_min(0)));
  if (!absent_I.any().item<bool>()) return found_IE;
  const at::Tensor other_IE =
      last_SE.defined() ? last_SE.index_select(0, on_device(torch::tensor(context.sequence_I, torch::kInt64)))
                        : torch::zeros_like(found_IE);
  return torch::where(on_device(absent_I).unsqueeze(1), other_IE.to(rows_TE.scalar_type()), found_IE);
}

at::Tensor ItemConditionImpl::forward(const at::Tensor& normed_TE, const at::Tensor& time_IE,
                                      const BlockContext& context, const at::Tensor& last_SE) {
  const auto num_items = static_cast<int64_t>(context.before_I.size());
  if (num_items == 0) return normed_TE;
  const int64_t width = normed_TE.size(1), num_tokens = normed_TE.size(0);
  const at::Tensor before_IE = rows_before_items(normed_TE, context, last_SE).to(torch::kFloat32);
  const at::Tensor modulation =
      modulation_->forward(ops::each_item(before_IE + time_IE, num_items, torch::silu), context.routing)
          .to(normed_TE.scalar_type())
          .view({num_items, 1, 2 * width});
  std::vector<at::Tensor> parts;
  int64_t row = 0, item = 0;  // that come next
  for (const ItemGrid& grid : context.grids) {
    const int64_t count = grid.num_items();
    if (count == 0) continue;
    const at::Tensor items = normed_TE.narrow(0, grid.begin, grid.end - grid.begin).view({count, -1, width});
    const at::Tensor own = modulation.narrow(0, item, count);
    const at::Tensor changed = items * (1 + own.narrow(2, 0, width)) + own.narrow(2, width, width);
    parts.push_back(normed_TE.narrow(0, row, grid.begin - row));
    parts.push_back(changed.reshape({-1, width}));
    row = grid.end, item += count;
  }
  parts.push_back(normed_TE.narrow(0, row, num_tokens - row));
  return torch::cat(parts);
}

}  // namespace mom::nn
