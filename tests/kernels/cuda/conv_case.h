// The causal convolution's cases and its f64 reference. T tokens, S sequences, D channels, K taps.
#pragma once

#include "mom/kernels/causal_conv1d.h"
#include "tests/kernels/cuda/support.h"

namespace mom::kernels::cuda::test {

struct ConvCase {
  int64_t T = 17, D = 16, K = 4;
  std::vector<int64_t> offsets{};  // empty = one sequence
  bool bias = true, silu = true, initial = true, order = false, strided = false, final_gradient = true;
  Element type = Element::kF32;
};

struct ConvData {
  ConvCase c;
  std::vector<int64_t> offsets, order;
  int64_t S;
  RowBuffer x, weight, bias, initial, dy, dfinal;
  Integers device_offsets, device_order;

  explicit ConvData(const ConvCase& given)
      : c(given),
        offsets(c.offsets.empty() ? std::vector<int64_t>{0, c.T} : c.offsets),
        order(c.order ? Random(9).permutation(c.T) : std::vector<int64_t>{}),
        S(static_cast<int64_t>(offsets.size()) - 1),
        x(c.T, c.D, c.type, gap()),
        weight(c.K, c.D),
        bias(1, c.D),
        initial(S * (c.K - 1), c.D),
        dy(c.T, c.D, c.type, gap()),
        dfinal(S * (c.K - 1), c.D),
        device_offsets(offsets),
        device_order(order) {
    Random random(6);
    for (RowBuffer* rows : {&x, &weight, &bias, &initial}) rows->fill([&] { return random.normal(); });
    for (RowBuffer* rows : {&dy, &dfinal})
      rows->fill([&] { return random.normal() + 3; });  // sums do not cancel
  }
  int64_t gap() const { return c.strided ? c.D + 1 : 0; }
  int64_t row(int64_t position) const { return c.order ? order[static_cast<size_t>(position)] : position; }
  ConvInputs inputs() {
    ConvInputs in;
    in.num_tokens = c.T, in.num_channels = c.D, in.num_taps = c.K, in.num_sequences = S;
    in.x = x.rows();
    in.weight = weight.floats();
    if (c.bias) in.bias = bias.floats();
    in.silu = c.silu;
    in.offsets = device_offsets.data();
    if (c.order) in.order = device_order.data();
    if (c.initial) in.initial = initial.floats();
    return in;
  }
};

struct ConvResults {
  RowBuffer y, final_state, dx, dweight, dbias, dinitial;
  explicit ConvResults(const ConvData& data)
      : y(data.c.T, data.c.D, data.c.type),
        final_state(data.S * (data.c.K - 1), data.c.D),
        dx(data.c.T, data.c.D, data.c.type, data.gap()),
        dweight(data.c.K, data.c.D),
        dbias(1, data.c.D),
        dinitial(data.S * (data.c.K - 1), data.c.D) {}
  ConvGradients gradients(ConvData& data) {
    ConvGradients grad;
    grad.y = data.dy.rows();
    if (data.c.final_gradient) grad.final_state = data.dfinal.floats();
    grad.x = dx.mutable_rows();
    grad.weight = dweight.floats();
    if (data.c.bias) grad.bias = dbias.floats();
    if (data.c.initial) grad.initial = dinitial.floats();
    return grad;
  }
  Results results(const ConvCase& c) const {
    Results all{{"y", y.values()},
                {"final state", final_state.values()},
                {"dx", dx.values()},
                {"dweight", dweight.values()}};
    if (c.bias) all.push_back({"dbias", dbias.values()});
    if (c.initial) all.push_back({"dinitial", dinitial.values()});
    return all;
  }
};

inline Results conv_reference(const ConvData& data) {
  const ConvCase& c = data.c;
  const int64_t before = c.K - 1;
  auto zeros = [](int64_t size) { return std::vector<double>(static_cast<size_t>(size), 0.0); };
  auto y = zeros(c.T * c.D), final_state = zeros(data.S * before * c.D), dx = y, dweight = zeros(c.K * c.D),
       dbias = zeros(c.D), dinitial = final_state;
  for (int64_t s = 0; s < data.S; ++s) {
    const int64_t begin = data.offsets[static_cast<size_t>(s)],
                  count = data.offsets[static_cast<size_t>(s) + 1] - begin;
    for (int64_t d = 0; d < c.D; ++d) {
      std::vector<double> x(static_cast<size_t>(before + count)),
          dinput(x.size());  // the state's inputs, then the others
      for (int64_t i = 0; i < before; ++i)
        x[static_cast<size_t>(i)] = c.initial ? data.initial.get(s * before + i, d) : 0;
      for (int64_t t = 0; t < count; ++t)
        x[static_cast<size_t>(before + t)] = data.x.get(data.row(begin + t), d);
      for (int64_t i = 0; i < before; ++i) {
        final_state[static_cast<size_t>((s * before + i) * c.D + d)] = x[static_cast<size_t>(count + i)];
        if (c.final_gradient) dinput[static_cast<size_t>(count + i)] += data.dfinal.get(s * before + i, d);
      }
      for (int64_t t = 0; t < count; ++t) {
        double sum = c.bias ? data.bias.get(0, d) : 0;
        for (int64_t k = 0; k < c.K; ++k) sum += data.weight.get(k, d) * x[static_cast<size_t>(t + k)];
        const auto at = static_cast<size_t>(data.row(begin + t) * c.D + d);
        const double sigma = 1 / (1 + std::exp(-sum));
        y[at] = c.silu ? sum * sigma : sum;
        double dsum = data.dy.get(data.row(begin + t), d);
        if (c.silu) dsum *= sigma * (1 + sum * (1 - sigma));
        dbias[static_cast<size_t>(d)] += dsum;
        for (int64_t k = 0; k < c.K; ++k) {
          dweight[static_cast<size_t>(k * c.D + d)] += dsum * x[static_cast<size_t>(t + k)];
          dinput[static_cast<size_t>(t + k)] += dsum * data.weight.get(k, d);
        }
      }
      for (int64_t i = 0; i < before; ++i)
        dinitial[static_cast<size_t>((s * before + i) * c.D + d)] = dinput[static_cast<size_t>(i)];
      for (int64_t t = 0; t < count; ++t)
        dx[static_cast<size_t>(data.row(begin + t) * c.D + d)] = dinput[static_cast<size_t>(before + t)];
    }
  }
  Results results{{"y", y}, {"final state", final_state}, {"dx", dx}, {"dweight", dweight}};
  if (c.bias) results.push_back({"dbias", dbias});
  if (c.initial) results.push_back({"dinitial", dinitial});
  return results;
}

}  // namespace mom::kernels::cuda::test
