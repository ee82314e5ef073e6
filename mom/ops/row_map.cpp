#include "mom/ops/row_map.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/kernel_views.h"

namespace mom::ops {
namespace {

using torch::autograd::variable_list;

constexpr const char *kTake = "take_rows", *kAdd = "add_rows";

// Slots without a source take row T: zeros when read, dropped when written.
at::Tensor padded_sources(const RowMap& map, const at::Tensor& like) {
  const at::Tensor sources = map.sources_N(like.device());
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
  const at::Tensor sources = map.sources_N(x.device());
  kernels_of(y).gather_rows(
      {map.num_slots(), x.size(1), nullptr, sources.const_data_ptr<int64_t>(), floats_of(w)}, rows_of(rows),
      mutable_rows_of(y));
  return y;
}

at::Tensor add_forward(const at::Tensor& x, const at::Tensor& weights, const RowMap& map) {
  // The kernel reads weights in the order of its sum.
  const at::Tensor rows = with_dense_rows(x), slots = map.slots(x.device()), first = map.first_T1(x.device());
  const at::Tensor w = weights.defined() ? as_f32(weights).index_select(0, slots.clamp_min(0)) : weights;
  const at::Tensor y = at::empty({map.num_sources(), x.size(1)}, x.options());
  kernels_of(y).gather_rows({map.num_sources(), x.size(1), first.const_data_ptr<int64_t>(),
                             slots.const_data_ptr<int64_t>(), floats_of(w)},
                            rows_of(rows), mutable_rows_of(y));
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
      const at::Tensor sources = map->sources_N(x.device());
      kernels_of(x).row_dots(map->num_slots(), x.size(1), sources.const_data_ptr<int64_t>(), rows_of(dy),
                             rows_of(x), mutable_floats_of(result[1]));
    }
    return result;
  }
};

}  // namespace

RowMap::RowMap(const at::Tensor& sources_N, int64_t num_sources)
    : sources_N_(sources_N), first_T1_(torch::zeros({num_sources + 1}, torch::kInt64)) {
  const int64_t* sources = sources_N_.const_data_ptr<int64_t>();
  int64_t* first = first_T1_.mutable_data_ptr<int64_t>();
  for (int64_t n = 0; n < num_slots(); ++n) {
    TORCH_CHECK(sources[n] >= -1 && sources[n] < num_sources, "[row_map] sources_N: expected -1 to ",
                num_sources - 1, ", got ", sources[n]);
    if (sources[n] >= 0) ++first[sources[n] + 1];
  }
  for (int64_t t = 0; t < num_sources; ++t) first[t + 1] += first[t];
  slots_ = torch::empty({first[num_sources]}, torch::kInt64);
  int64_t* slots = slots_.mutable_data_ptr<int64_t>();
  std::vector<int64_t> next(first, first + num_sources);
  for (int64_t n = 0; n < num_slots(); ++n)
    if (sources[n] >= 0) slots[next[static_cast<size_t>(sources[n])]++] = n;
}

RowMap::RowMap(const at::Tensor& sources_N, const at::Tensor& slots_TK)
    : sources_N_(sources_N),
      first_T1_(torch::arange(slots_TK.size(0) + 1, slots_TK.options()) * slots_TK.size(1)),
      slots_(slots_TK.reshape(-1)) {}

RowMapPtr make_row_map(const std::vector<int64_t>& sources_N, int64_t num_sources) {
  return make_row_map(torch::tensor(sources_N, torch::kInt64), num_sources);
}

RowMapPtr make_row_map(const at::Tensor& sources_N, int64_t num_sources) {
  TORCH_CHECK(sources_N.dim() == 1 && sources_N.scalar_type() == at::kLong && sources_N.device().is_cpu(),
              "[row_map] sources_N: expected i64 [N] in host memory, got ", describe(sources_N));
  return c10::make_intrusive<RowMap>(sources_N.contiguous(), num_sources);
}

RowMapPtr make_row_map(const at::Tensor& sources_N, const at::Tensor& slots_TK) {
  TORCH_CHECK(sources_N.dim() == 1 && sources_N.scalar_type() == at::kLong && sources_N.is_contiguous() &&
                  slots_TK.dim() == 2 && slots_TK.scalar_type() == at::kLong &&
                  slots_TK.device() == sources_N.device(),
              "[row_map] sources_N, slots_TK: expected dense i64 [N] and i64 [T, K] on one device, got ",
              describe(sources_N), " and ", describe(slots_TK));
  return c10::make_intrusive<RowMap>(sources_N, slots_TK);
}

at::Tensor take_rows(const at::Tensor& x_TE, const RowMapPtr& map) {
  check_float(kTake, "x_TE", x_TE, {map->num_sources(), -1});
  const Backend backend = choose_backend(kTake, {x_TE});
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
  const Backend backend = choose_backend(kAdd, floats);
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
