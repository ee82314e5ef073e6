#include "mom/ops/diagonal_ssm.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/fft.h>
#include <torch/types.h>

#include <algorithm>
#include <map>

#include "mom/base/error.h"
#include "mom/ops/arguments.h"
#include "mom/ops/row_map.h"

namespace mom::ops {
namespace {

constexpr const char* kDiagonalSsm = "diagonal_ssm";

struct Sampled {
  at::Tensor a_bar_DN, b_bar_DN;  // complex f64
};

Sampled sample(const DiagonalSsm& ssm) {
  const at::Tensor a = ssm.a_DN.to(torch::kComplexDouble),
                   dt_a = ssm.dt_D.to(torch::kFloat64).unsqueeze(1) * a;
  if (ssm.discretisation == Discretisation::kZeroOrderHold) {
    const at::Tensor a_bar = dt_a.exp();
    return {a_bar, (a_bar - 1) / a};
  }
  return {(1 + dt_a / 2) / (1 - dt_a / 2), ssm.dt_D.to(torch::kFloat64).unsqueeze(1) / (1 - dt_a / 2)};
}

at::ScalarType real_type(const at::Tensor& u) {
  return u.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Steps whose powers are in memory at once.
constexpr int64_t kChunk = 64;

// l in [begin, begin + count), f64 [count, 1, 1].
at::Tensor steps(int64_t begin, int64_t count, const at::Tensor& like) {
  return torch::arange(begin, begin + count, torch::TensorOptions(torch::kFloat64).device(like.device()))
      .view({-1, 1, 1});
}

// exp(l * exponent) for l in [begin, begin + count): [count, D, N].
at::Tensor powers(const at::Tensor& exponent_DN, int64_t begin, int64_t count) {
  return (exponent_DN.unsqueeze(0) * steps(begin, count, exponent_DN)).exp();
}

// response[l] = 2 Re sum_n weight exp(l * exponent), f64 [L, D]. The powers are many times larger than inputs and
// result: forward and backward compute them again, chunk by chunk.
struct ResponseFunction : torch::autograd::Function<ResponseFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& exponent_DN,
                            const at::Tensor& weight_DN, int64_t length) {
    ctx->save_for_backward({exponent_DN, weight_DN});
    std::vector<at::Tensor> chunks;
    for (int64_t begin = 0; begin < length; begin += kChunk)
      chunks.push_back(
          2 *
          torch::real((powers(exponent_DN, begin, std::min(kChunk, length - begin)) * weight_DN).sum(-1)));
    return torch::cat(chunks);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[", kDiagonalSsm, "] has no second derivative");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &exponent = saved[0], &weight = saved[1], &dresponse_LD = grads[0];
    at::Tensor dexponent = torch::zeros_like(exponent), dweight = torch::zeros_like(weight);
    for (int64_t begin = 0; begin < dresponse_LD.size(0); begin += kChunk) {
      const int64_t count = std::min(kChunk, dresponse_LD.size(0) - begin);
      // 2 d response * conj(power): gradients of complex numbers are those of the real and imaginary parts.
      const at::Tensor pulled =
          2 * dresponse_LD.narrow(0, begin, count).unsqueeze(2) * torch::conj(powers(exponent, begin, count));
      dweight += pulled.sum(0);
      dexponent += (pulled * steps(begin, count, exponent)).sum(0) * torch::conj(weight);
    }
    return {dexponent, dweight, {}};
  }
};

// The impulse response without the skip, [L, D]: 2 Re sum_n c b_bar a_bar^l.
at::Tensor impulse_response(const DiagonalSsm& ssm, int64_t length, at::ScalarType type) {
  const Sampled s = sample(ssm);
  return ResponseFunction::apply(s.a_bar_DN.log(), ssm.c_DN.to(torch::kComplexDouble) * s.b_bar_DN, length)
      .to(type);
}

// Sequences of similar length are convolved together: position by position of a [sequences, length] block,
// -1 where a sequence has ended.
struct Bucket {
  int64_t length = 0;
  std::vector<int64_t> rows;
};

std::vector<Bucket> buckets_of(const at::Tensor& offsets_S1, const at::Tensor& order_T) {
  const at::Tensor offsets = offsets_S1.contiguous(), order = order_T.contiguous();
  const int64_t *o = offsets.const_data_ptr<int64_t>(), *row = order.const_data_ptr<int64_t>();
  std::map<int64_t, Bucket> by_length;
  for (int64_t s = 0; s + 1 < offsets.size(0); ++s) {
    if (o[s + 1] == o[s]) continue;
    int64_t length = 16;
    while (length < o[s + 1] - o[s]) length *= 2;
    Bucket& bucket = by_length[length];
    bucket.length = length;
    for (int64_t t = 0; t < length; ++t) bucket.rows.push_back(o[s] + t < o[s + 1] ? row[o[s] + t] : -1);
  }
  std::vector<Bucket> buckets;
  for (auto& [length, bucket] : by_length) buckets.push_back(std::move(bucket));
  return buckets;
}

// Causal convolution of each row of x [B, L, D] with response [L, D].
at::Tensor convolve(const at::Tensor& x, const at::Tensor& response) {
  const int64_t length = x.size(1);
  const at::Tensor spectrum = torch::fft::rfft(x, 2 * length, 1) * torch::fft::rfft(response, 2 * length, 0);
  return torch::fft::irfft(spectrum, 2 * length, 1).narrow(1, 0, length);
}

void check_arguments(const at::Tensor& u, const DiagonalSsm& ssm) {
  check_float(kDiagonalSsm, "u_TD", u, {-1, -1});
  check_float(kDiagonalSsm, "dt_D", ssm.dt_D, {u.size(1)});
  check_float(kDiagonalSsm, "skip_D", ssm.skip_D, {u.size(1)});
  TORCH_CHECK(ssm.a_DN.is_complex() && ssm.a_DN.dim() == 2 && ssm.a_DN.size(0) == u.size(1), "[",
              kDiagonalSsm, "] a_DN: expected complex [", u.size(1), ", -1], got ", describe(ssm.a_DN));
  TORCH_CHECK(ssm.c_DN.is_complex() && ssm.c_DN.sizes() == ssm.a_DN.sizes(), "[", kDiagonalSsm,
              "] c_DN: expected complex as a_DN, got ", describe(ssm.c_DN));
}

}  // namespace

Discretisation parse_discretisation(std::string_view name) {
  if (name == "zoh") return Discretisation::kZeroOrderHold;
  if (name == "bilinear") return Discretisation::kBilinear;
  throw UserError({"discretisation", "zoh or bilinear", "'" + std::string(name) + "'", ""});
}

at::Tensor diagonal_ssm_convolution(const at::Tensor& u_TD, const DiagonalSsm& ssm,
                                    const at::Tensor& offsets_S1, const at::Tensor& order_T) {
  check_arguments(u_TD, ssm);
  const int64_t num_tokens = u_TD.size(0), num_channels = u_TD.size(1);
  const at::Tensor u = u_TD.to(real_type(u_TD));
  const std::vector<Bucket> buckets = buckets_of(offsets_S1, order_T);
  at::Tensor y = u * ssm.skip_D.to(u.scalar_type());
  if (buckets.empty()) return y.to(u_TD.scalar_type());
  const at::Tensor response = impulse_response(ssm, buckets.back().length, u.scalar_type());
  for (const Bucket& bucket : buckets) {
    const RowMapPtr map = make_row_map(bucket.rows, num_tokens);
    const at::Tensor x = take_rows(u, map).view({-1, bucket.length, num_channels});
    y = y + add_rows(convolve(x, response.narrow(0, 0, bucket.length)).reshape({-1, num_channels}), {}, map);
  }
  return y.to(u_TD.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> diagonal_ssm_recurrence(const at::Tensor& u_TD, const DiagonalSsm& ssm,
                                                           const at::Tensor& offsets_S1,
                                                           const std::optional<at::Tensor>& initial_state_SDN,
                                                           const at::Tensor& order_T) {
  check_arguments(u_TD, ssm);
  const at::Tensor order = order_on(order_T, u_TD.device());
  const at::Tensor u = u_TD.to(real_type(u_TD)).index_select(0, order);
  const auto complex_type = u.scalar_type() == at::kDouble ? at::kComplexDouble : at::kComplexFloat;
  const Sampled sampled = sample(ssm);
  const at::Tensor a_bar = sampled.a_bar_DN.to(complex_type), b_bar = sampled.b_bar_DN.to(complex_type),
                   c = ssm.c_DN.to(complex_type);
  const int64_t* offsets = offsets_S1.const_data_ptr<int64_t>();
  std::vector<at::Tensor> outputs, states;
  for (int64_t s = 0; s + 1 < offsets_S1.size(0); ++s) {
    at::Tensor h = initial_state_SDN ? (*initial_state_SDN)[s].to(complex_type) : torch::zeros_like(a_bar);
    for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
      h = a_bar * h + b_bar * u[t].unsqueeze(1);
      outputs.push_back(2 * torch::real((c * h).sum(1)));
    }
    states.push_back(h);
  }
  at::Tensor y = u * ssm.skip_D.to(u.scalar_type());
  if (!outputs.empty()) y = y + torch::stack(outputs);
  const at::Tensor rows =
      torch::empty_like(order).index_copy_(0, order, torch::arange(order.size(0), order.options()));
  const at::Tensor state = states.empty() ? torch::zeros({0, a_bar.size(0), a_bar.size(1)}, a_bar.options())
                                          : torch::stack(states);
  return {y.index_select(0, rows).to(u_TD.scalar_type()), state};
}

}  // namespace mom::ops
