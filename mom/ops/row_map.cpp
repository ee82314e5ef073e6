#include "mom/ops/row_map.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "mom/kernels/gather_rows.h"
#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/kernel_views.h"
#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

using torch::autograd::variable_list;

constexpr const char *kTake = "take_rows", *kAdd = "add_rows";

at::Tensor sources_tensor(const RowMap& map, const at::Tensor& like) {
  return torch::tensor(map.sources(), torch::kInt64).to(like.device());
}

// Slots without a source take row T: zeros when read, dropped when written.
at::Tensor padded_sources(const RowMap& map, const at::Tensor& like) {
  const at::Tensor sources = sources_tensor(map, like);
  return torch::where(sources.lt(0), torch::full_like(sources, map.num_sources()), sources);
}

at::Tensor take_reference(const at::Tensor& x, const RowMap& map) {
  return torch::cat({x, torch::zeros({1, x.size(1)}, x.options())}).index_select(0, padded_sources(map, x));
}

at::Tensor add_reference(const at::Tensor& x, const at::Tensor& weights, const RowMap& map) {
  const at::Tensor weighted = weights.defined() ? x * weights.unsqueeze(1).to(x.scalar_type()) : x;
  return torch::zeros({map.num_sources() + 1, x.size(1)}, x.options())
      .index_add(0, padded_sources(map, x), weighted)
      .narrow(0, 0, map.num_sources());
}

at::Tensor take_forward(const at::Tensor& x, const at::Tensor& weights, const RowMap& map) {
  const at::Tensor rows = with_dense_rows(x), w = as_f32(weights);
  const at::Tensor y = at::empty({map.num_slots(), x.size(1)}, x.options());
  kernels::gather_rows({map.num_slots(), x.size(1), nullptr, map.sources().data(), floats_of(w)},
                       rows_of(rows), mutable_rows_of(y), parallel_tiles);
  return y;
}

at::Tensor add_forward(const at::Tensor& x, const at::Tensor& weights, const RowMap& map) {
  // The kernel reads weights in the order of its sum.
  const at::Tensor rows = with_dense_rows(x);
  const at::Tensor w = weights.defined()
                           ? as_f32(weights).index_select(0, torch::tensor(map.slots(), torch::kInt64))
                           : weights;
  const at::Tensor y = at::empty({map.num_sources(), x.size(1)}, x.options());
  kernels::gather_rows({map.num_sources(), x.size(1), map.first().data(), map.slots().data(), floats_of(w)},
                       rows_of(rows), mutable_rows_of(y), parallel_tiles);
  return y;
}

RowMapPtr map_of(torch::autograd::AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<RowMap>(ctx->saved_data["map"].toCapsule());
}

void keep_map(torch::autograd::AutogradContext* ctx, const RowMapPtr& map) {
  ctx->saved_data["map"] = c10::IValue::make_capsule(map);
}

struct TakeFunction : torch::autograd::Function<TakeFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const RowMapPtr& map) {
    keep_map(ctx, map);
    return take_forward(x, {}, *map);
  }
  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kTake, "] has no second derivative: use backend reference");
    return {add_forward(grads[0], {}, *map_of(ctx)), {}};
  }
};

struct AddFunction : torch::autograd::Function<AddFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const std::optional<at::Tensor>& weights, const RowMapPtr& map) {
    keep_map(ctx, map);
    const bool for_weights = weights && weights->requires_grad();
    ctx->save_for_backward({for_weights ? x : at::Tensor(), or_undefined(weights)});
    return add_forward(x, or_undefined(weights), *map);
  }
  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kAdd, "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const RowMapPtr map = map_of(ctx);
    const at::Tensor dy = with_dense_rows(grads[0]);
    variable_list result(3);
    result[0] = take_forward(dy, saved[1], *map);
    if (saved[0].defined()) {
      const at::Tensor x = with_dense_rows(saved[0]);
      result[1] = at::empty({map->num_slots()}, dy.options().dtype(at::kFloat));
      kernels::row_dots(map->num_slots(), x.size(1), map->sources().data(), rows_of(dy), rows_of(x),
                        mutable_floats_of(result[1]), parallel_tiles);
    }
    return result;
  }
};

}  // namespace

RowMap::RowMap(std::vector<int64_t> sources_N, int64_t num_sources)
    : sources_(std::move(sources_N)), first_(static_cast<size_t>(num_sources) + 1, 0) {
  for (const int64_t source : sources_) {
    TORCH_CHECK(source >= -1 && source < num_sources, "[row_map] sources_N: expected -1 to ", num_sources - 1,
                ", got ", source);
    if (source >= 0) ++first_[static_cast<size_t>(source) + 1];
  }
  for (size_t t = 1; t < first_.size(); ++t) first_[t] += first_[t - 1];
  slots_.resize(static_cast<size_t>(first_.back()));
  std::vector<int64_t> next(first_.begin(), first_.end() - 1);
  for (size_t n = 0; n < sources_.size(); ++n)
    if (sources_[n] >= 0)
      slots_[static_cast<size_t>(next[static_cast<size_t>(sources_[n])]++)] = static_cast<int64_t>(n);
}

RowMapPtr make_row_map(std::vector<int64_t> sources_N, int64_t num_sources) {
  return c10::make_intrusive<RowMap>(std::move(sources_N), num_sources);
}

RowMapPtr make_row_map(const at::Tensor& sources_N, int64_t num_sources) {
  TORCH_CHECK(sources_N.dim() == 1 && sources_N.scalar_type() == at::kLong,
              "[row_map] sources_N: expected i64 [N], got ", describe(sources_N));
  const at::Tensor dense = sources_N.cpu().contiguous();
  const int64_t* data = dense.const_data_ptr<int64_t>();
  return make_row_map(std::vector<int64_t>(data, data + dense.size(0)), num_sources);
}

at::Tensor take_rows(const at::Tensor& x_TE, const RowMapPtr& map) {
  check_float(kTake, "x_TE", x_TE, {map->num_sources(), -1});
  const Backend backend = choose_backend(kTake, why_not_cpu({x_TE}));
  if (backend == Backend::kReference) return take_reference(x_TE, *map);
  const at::Tensor y =
      any_requires_grad({x_TE}) ? TakeFunction::apply(x_TE, map) : take_forward(x_TE, {}, *map);
  if (backend == Backend::kCheck)
    check_values(kTake, {"y_NE"}, {y}, [&](const auto& t) { return std::vector{take_reference(t[0], *map)}; },
                 {x_TE});
  return y;
}

at::Tensor add_rows(const at::Tensor& x_NE, const std::optional<at::Tensor>& weights_N,
                    const RowMapPtr& map) {
  check_float(kAdd, "x_NE", x_NE, {map->num_slots(), -1});
  check_float(kAdd, "weights_N", weights_N, {map->num_slots()});
  const std::vector<at::Tensor> floats{x_NE, or_undefined(weights_N)};
  const Backend backend = choose_backend(kAdd, why_not_cpu(floats));
  if (backend == Backend::kReference) return add_reference(x_NE, floats[1], *map);
  const at::Tensor y = any_requires_grad(floats) ? AddFunction::apply(x_NE, weights_N, map)
                                                 : add_forward(x_NE, floats[1], *map);
  if (backend == Backend::kCheck)
    check_values(
        kAdd, {"y_TE"}, {y}, [&](const auto& t) { return std::vector{add_reference(t[0], t[1], *map)}; },
        floats);
  return y;
}

}  // namespace mom::ops
