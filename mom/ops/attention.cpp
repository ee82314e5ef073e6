#include "mom/ops/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <cmath>
#include <numeric>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

constexpr const char* kAttention = "attention";
using torch::autograd::variable_list;

// [n, H, W] rows of positions as the [1, H, n, W] that ATen takes; a view.
at::Tensor heads_first(const at::Tensor& x, int64_t begin, int64_t end) {
  return x.narrow(0, begin, end - begin).transpose(0, 1).unsqueeze(0);
}

// One past the parts that share the query range of `first`.
size_t end_of_range(const AttentionPlan& plan, size_t first) {
  size_t last = first + 1;
  while (last < plan.parts.size() && plan.parts[last].q_begin == plan.parts[first].q_begin &&
         plan.parts[last].q_end == plan.parts[first].q_end)
    ++last;
  return last;
}

// Runs of(sequence) for all: long sequences one by one with all threads inside, short ones side by side.
void for_each_sequence(const AttentionPlan& plan, const std::function<void(size_t)>& of) {
  const int64_t num_threads = at::get_num_threads();
  std::vector<size_t> alone, together;
  for (size_t s = 0; s + 1 < plan.offsets_S1.size(); ++s) {
    const int64_t keys = plan.key_offsets_S1[s + 1] - plan.key_offsets_S1[s];
    if (plan.offsets_S1[s + 1] == plan.offsets_S1[s]) continue;
    (keys * num_threads > plan.key_offsets_S1.back() ? alone : together).push_back(s);
  }
  for (const size_t s : alone) of(s);
  parallel_tiles(static_cast<int64_t>(together.size()), [&](int64_t i) {
    at::NoGradGuard no_grad;
    at::AutoDispatchBelowADInplaceOrView below;  // threads of the pool do not inherit the caller's modes
    of(together[static_cast<size_t>(i)]);
  });
}

struct Attended {
  at::Tensor y_THW, log_sum_HT;
};

// One query range: the softmaxes of its parts joined.
void forward_range(const AttentionPlan& plan, size_t first, size_t last, const at::Tensor& q,
                   const at::Tensor& k, const at::Tensor& v, Attended& out) {
  at::Tensor y, log_sum;
  for (size_t p = first; p < last; ++p) {
    const AttentionPart& part = plan.parts[p];
    auto [part_y, part_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
        heads_first(q, part.q_begin, part.q_end), heads_first(k, part.k_begin, part.k_end),
        heads_first(v, part.k_begin, part.k_end), 0.0, part.causal);
    if (!y.defined()) {
      y = part_y, log_sum = part_sum;
      continue;
    }
    const at::Tensor joined = at::logaddexp(log_sum, part_sum);
    y = (y * (log_sum - joined).exp().unsqueeze(-1) + part_y * (part_sum - joined).exp().unsqueeze(-1))
            .to(q.scalar_type());
    log_sum = joined;
  }
  const AttentionPart& part = plan.parts[first];
  out.y_THW.narrow(0, part.q_begin, part.q_end - part.q_begin).copy_(y[0].transpose(0, 1));
  out.log_sum_HT.narrow(1, part.q_begin, part.q_end - part.q_begin).copy_(log_sum[0]);
}

Attended run_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionPlan& plan) {
  at::NoGradGuard no_grad;
  Attended out{at::empty(q.sizes(), q.options()),
               at::empty({q.size(1), q.size(0)}, q.options().dtype(at::kFloat))};
  for_each_sequence(plan, [&](size_t s) {
    for (auto p = static_cast<size_t>(plan.first_part_S1[s]),
              end = static_cast<size_t>(plan.first_part_S1[s + 1]);
         p < end;) {
      const size_t last = end_of_range(plan, p);
      forward_range(plan, p, last, q, k, v, out);
      p = last;
    }
  });
  return out;
}

// With the joined output and log sum, the gradient of each part is what it would be in the whole.
void backward_part(const AttentionPart& part, const at::Tensor& dy, const variable_list& saved,
                   const variable_list& grads, bool first_of_range) {
  auto queries = [&](const at::Tensor& x) { return heads_first(x, part.q_begin, part.q_end); };
  auto keys = [&](const at::Tensor& x) { return heads_first(x, part.k_begin, part.k_end); };
  const at::Tensor log_sum = saved[4].narrow(1, part.q_begin, part.q_end - part.q_begin).unsqueeze(0);
  auto [dq, dk, dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      queries(dy), queries(saved[0]), keys(saved[1]), keys(saved[2]), queries(saved[3]), log_sum, 0.0,
      part.causal);
  const at::Tensor to = queries(grads[0]);
  first_of_range ? to.copy_(dq) : to.add_(dq);
  keys(grads[1]).add_(dk);
  keys(grads[2]).add_(dv);
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const AttentionPlanPtr& plan) {
    Attended out = run_forward(q, k, v, *plan);
    ctx->save_for_backward({q, k, v, out.y_THW, out.log_sum_HT});
    ctx->saved_data["plan"] = c10::IValue::make_capsule(plan);
    return out.y_THW;
  }

  static variable_list backward(torch::autograd::AutogradContext* ctx, const variable_list& output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kAttention,
                "] has no second derivative: use backend reference");
    const auto saved = ctx->get_saved_variables();
    const auto plan = c10::static_intrusive_pointer_cast<AttentionPlan>(ctx->saved_data["plan"].toCapsule());
    const at::Tensor dy = output_grads[0].contiguous();
    const variable_list grads{at::empty(saved[0].sizes(), saved[0].options()), at::zeros_like(saved[1]),
                              at::zeros_like(saved[2])};
    for_each_sequence(*plan, [&](size_t s) {
      for (auto p = static_cast<size_t>(plan->first_part_S1[s]);
           p < static_cast<size_t>(plan->first_part_S1[s + 1]);) {
        const size_t last = end_of_range(*plan, p);
        for (size_t i = p; i < last; ++i) backward_part(plan->parts[i], dy, saved, grads, i == p);
        p = last;
      }
    });
    return {grads[0], grads[1], grads[2], {}};
  }
};

void check_arguments(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionPlan& plan) {
  check_float(kAttention, "q_THW", q, {plan.offsets_S1.back(), -1, -1});
  check_float(kAttention, "k_LHW", k, {plan.key_offsets_S1.back(), q.size(1), q.size(2)});
  check_float(kAttention, "v_LHW", v, k.sizes());
}

// A query range with all keys of its parts side by side.
struct JoinedRange {
  at::Tensor q, k, v;   // [1, H, n, W]
  bool causal = false;  // only of one with one part
  at::Tensor seen;      // bool [queries, keys], of one with several; else undefined
};

JoinedRange joined_range(const AttentionPlan& plan, size_t first, size_t last, const at::Tensor& q_THW,
                         const at::Tensor& k_LHW, const at::Tensor& v_LHW) {
  const AttentionPart& range = plan.parts[first];
  const at::Tensor q = heads_first(q_THW, range.q_begin, range.q_end);
  if (last - first == 1)
    return {q,
            heads_first(k_LHW, range.k_begin, range.k_end),
            heads_first(v_LHW, range.k_begin, range.k_end),
            range.causal,
            {}};
  std::vector<at::Tensor> keys, values, seen;
  for (size_t p = first; p < last; ++p) {
    const AttentionPart& part = plan.parts[p];
    keys.push_back(heads_first(k_LHW, part.k_begin, part.k_end));
    values.push_back(heads_first(v_LHW, part.k_begin, part.k_end));
    const at::Tensor all = torch::ones({q.size(2), keys.back().size(2)}, q_THW.options().dtype(torch::kBool));
    seen.push_back(part.causal ? all.tril() : all);
  }
  return {q, torch::cat(keys, 2), torch::cat(values, 2), false, torch::cat(seen, 1)};
}

// of(range) [1, H, n, W] for all of them, one after another.
at::Tensor for_each_range(const at::Tensor& q_THW, const at::Tensor& k_LHW, const at::Tensor& v_LHW,
                          const AttentionPlan& plan,
                          const std::function<at::Tensor(const JoinedRange&)>& of) {
  std::vector<at::Tensor> ranges;
  for (size_t p = 0; p < plan.parts.size();) {
    const size_t last = end_of_range(plan, p);
    ranges.push_back(of(joined_range(plan, p, last, q_THW, k_LHW, v_LHW))[0].transpose(0, 1));
    p = last;
  }
  return ranges.empty() ? torch::empty_like(q_THW) : torch::cat(ranges);
}

// Another device's fused attention is LibTorch's: its log-sum and limits are its own, so that parts are not joined by them.
at::Tensor attention_on_device(const JoinedRange& range) {
  return at::scaled_dot_product_attention(range.q, range.k, range.v,
                                          range.seen.defined() ? std::optional(range.seen) : std::nullopt,
                                          0.0, range.causal);
}

at::Tensor plain_attention(const JoinedRange& range) {
  at::Tensor scores =
      torch::matmul(range.q, range.k.transpose(-1, -2)) / std::sqrt(static_cast<double>(range.q.size(-1)));
  at::Tensor seen = range.seen;
  if (range.causal) seen = torch::ones(scores.sizes().slice(2), scores.options().dtype(torch::kBool)).tril();
  if (seen.defined()) scores = scores.masked_fill(~seen, -std::numeric_limits<double>::infinity());
  return torch::matmul(scores.softmax(-1), range.v);
}

}  // namespace

at::Tensor attention_reference(const at::Tensor& q_THW, const at::Tensor& k_LHW, const at::Tensor& v_LHW,
                               const AttentionPlan& plan) {
  return for_each_range(q_THW, k_LHW, v_LHW, plan, &plain_attention);
}

at::Tensor attention(const at::Tensor& q_THW, const at::Tensor& k_LHW, const at::Tensor& v_LHW,
                     const AttentionPlanPtr& plan) {
  check_arguments(q_THW, k_LHW, v_LHW, *plan);
  const Backend backend = choose_backend(kAttention, {q_THW, k_LHW, v_LHW});
  if (backend == Backend::kReference) return attention_reference(q_THW, k_LHW, v_LHW, *plan);
  if (!q_THW.device().is_cpu()) return for_each_range(q_THW, k_LHW, v_LHW, *plan, &attention_on_device);
  const at::Tensor q = q_THW.contiguous(), k = k_LHW.contiguous(), v = v_LHW.contiguous();
  const at::Tensor y = any_requires_grad({q, k, v}) ? AttentionFunction::apply(q, k, v, plan)
                                                    : run_forward(q, k, v, *plan).y_THW;
  if (backend == Backend::kCheck)
    check_values(kAttention, {"y_THW"}, {y},
                 [&](const auto& t) { return std::vector{attention_reference(t[0], t[1], t[2], *plan)}; },
                 {q, k, v});
  return y;
}

}  // namespace mom::ops
