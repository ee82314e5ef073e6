// The selective scan's cases and its f64 reference, values and gradients, position by position.
// T tokens, S sequences, D channels, N states.
#pragma once

#include "mom/kernels/selective_scan.h"
#include "tests/kernels/cuda/support.h"

namespace mom::kernels::cuda::test {

struct ScanCase {
  int64_t T = 17, D = 16, N = 16;
  std::vector<int64_t> offsets{};  // empty = one sequence
  bool skip = true, gate = true, bias = true, softplus = true, initial = true, order = false, strided = false;
  bool final_gradient = true;
  double dt_low = -3, dt_high = 1;  // dt before softplus
  Element type = Element::kF32, coefficient_type = Element::kF32;
};

inline int64_t sequences_of(const std::vector<int64_t>& offsets) {
  return static_cast<int64_t>(offsets.size()) - 1;
}

// Arguments and given gradients of a case.
struct ScanData {
  ScanCase c;
  std::vector<int64_t> offsets, order;
  int64_t S;
  RowBuffer u, dt, gate, b, cc, a, skip, bias, initial, dy, dfinal;
  Integers device_offsets, device_order;

  explicit ScanData(const ScanCase& given)
      : c(given),
        offsets(c.offsets.empty() ? std::vector<int64_t>{0, c.T} : c.offsets),
        order(c.order ? Random(9).permutation(c.T) : std::vector<int64_t>{}),
        S(sequences_of(offsets)),
        u(c.T, c.D, c.type, gap(c.D)),
        dt(c.T, c.D, c.type, gap(c.D)),
        gate(c.T, c.D, c.type, gap(c.D)),
        b(c.T, c.N, c.coefficient_type, gap(c.N)),
        cc(c.T, c.N, c.coefficient_type, gap(c.N)),
        a(c.D, c.N),
        skip(1, c.D),
        bias(1, c.D),
        initial(S * c.D, c.N),
        dy(c.T, c.D, c.type, gap(c.D)),
        dfinal(S * c.D, c.N),
        device_offsets(offsets),
        device_order(order) {
    Random random(7);
    gate.fill([&] { return random.normal(); });
    for (RowBuffer* rows : {&u, &b, &cc, &skip, &initial, &dy, &dfinal})
      rows->fill([&] { return random.normal(); });
    dt.fill([&] { return random.uniform(c.dt_low, c.dt_high); });
    a.fill([&] { return -random.uniform(0.1, static_cast<double>(c.N) + 0.1); });
    bias.fill([&] { return 0.1 * random.normal(); });
  }
  int64_t gap(int64_t width) const { return c.strided ? width + 3 : 0; }

  ScanInputs inputs() {
    ScanInputs in;
    in.num_tokens = c.T, in.num_channels = c.D, in.num_states = c.N, in.num_sequences = S;
    in.u = u.rows(), in.dt = dt.rows(), in.b = b.rows(), in.c = cc.rows();
    if (c.gate) in.gate = gate.rows();
    in.a = a.floats();
    if (c.skip) in.skip = skip.floats();
    if (c.bias) in.dt_bias = bias.floats();
    in.dt_softplus = c.softplus;
    in.offsets = device_offsets.data();
    if (c.order) in.order = device_order.data();
    if (c.initial) in.initial = initial.floats();
    return in;
  }
  int64_t row(int64_t position) const { return c.order ? order[static_cast<size_t>(position)] : position; }
};

// Where results go; those that are not wanted stay NaN.
struct ScanResults {
  RowBuffer y, final_state, chunk_states, du, ddt, dgate, db, dc, da, dskip, dbias, dinitial;
  ScanResults(const ScanData& data, int64_t chunk_floats)
      : y(data.c.T, data.c.D, data.c.type),
        final_state(data.S * data.c.D, data.c.N),
        chunk_states(1, chunk_floats),
        du(data.c.T, data.c.D, data.c.type, data.gap(data.c.D)),
        ddt(data.c.T, data.c.D, data.c.type),
        dgate(data.c.T, data.c.D, data.c.type, data.gap(data.c.D)),
        db(data.c.T, data.c.N),
        dc(data.c.T, data.c.N),
        da(data.c.D, data.c.N),
        dskip(1, data.c.D),
        dbias(1, data.c.D),
        dinitial(data.S * data.c.D, data.c.N) {}

  ScanOutputs outputs() { return {y.mutable_rows(), final_state.floats(), chunk_states.floats()}; }
  ScanGradients gradients(ScanData& data) {
    ScanGradients grad;
    grad.y = data.dy.rows();
    if (data.c.final_gradient) grad.final_state = data.dfinal.floats();
    grad.chunk_states = chunk_states.floats();
    grad.u = du.mutable_rows(), grad.dt = ddt.mutable_rows();
    if (data.c.gate) grad.gate = dgate.mutable_rows();
    grad.b = db.floats(), grad.c = dc.floats(), grad.a = da.floats();
    if (data.c.skip) grad.skip = dskip.floats();
    if (data.c.bias) grad.dt_bias = dbias.floats();
    if (data.c.initial) grad.initial = dinitial.floats();
    return grad;
  }
  Results results(const ScanCase& c) const {
    Results all{{"y", y.values()},   {"final state", final_state.values()},
                {"du", du.values()}, {"ddt", ddt.values()},
                {"db", db.values()}, {"dc", dc.values()},
                {"da", da.values()}};
    if (c.gate) all.push_back({"dgate", dgate.values()});
    if (c.skip) all.push_back({"dskip", dskip.values()});
    if (c.bias) all.push_back({"dbias", dbias.values()});
    if (c.initial) all.push_back({"dinitial", dinitial.values()});
    return all;
  }
};

// Results in this order: y, final state; gradients of u, dt, b, c, a, then gate, skip, bias, initial where they are.
inline Results scan_reference(const ScanData& data) {
  const ScanCase& c = data.c;
  auto zeros = [](int64_t size) { return std::vector<double>(static_cast<size_t>(size), 0.0); };
  auto y = zeros(c.T * c.D), final_state = zeros(data.S * c.D * c.N), du = y, ddt = y, dgate = y,
       db = zeros(c.T * c.N), dc = db, da = zeros(c.D * c.N), dskip = zeros(c.D), dbias = dskip,
       dinitial = final_state;
  for (int64_t s = 0; s < data.S; ++s) {
    const int64_t begin = data.offsets[static_cast<size_t>(s)],
                  end = data.offsets[static_cast<size_t>(s) + 1];
    for (int64_t d = 0; d < c.D; ++d) {
      const auto count = static_cast<size_t>(end - begin);
      std::vector<double> step(count), slope(count, 1.0), dstep(count), dz(count),
          z(count);  // z: y before the gate
      for (size_t t = 0; t < count; ++t) {
        const int64_t row = data.row(begin + static_cast<int64_t>(t));
        const double raw = data.dt.get(row, d) + (c.bias ? data.bias.get(0, d) : 0);
        step[t] = c.softplus ? (raw > 0 ? raw + std::log1p(std::exp(-raw)) : std::log1p(std::exp(raw))) : raw;
        if (c.softplus) slope[t] = 1 / (1 + std::exp(-raw));
        const double g = c.gate ? data.gate.get(row, d) : 0;
        dz[t] = data.dy.get(row, d) * (c.gate ? g / (1 + std::exp(-g)) : 1);
        z[t] = c.skip ? data.skip.get(0, d) * data.u.get(row, d) : 0;
      }
      for (int64_t n = 0; n < c.N; ++n) {
        const size_t at = static_cast<size_t>((s * c.D + d) * c.N + n), dn = static_cast<size_t>(d * c.N + n);
        const double a = data.a.get(d, n);
        std::vector<double> h(count + 1);
        h[0] = c.initial ? data.initial.get(s * c.D + d, n) : 0;
        for (size_t t = 0; t < count; ++t) {
          const int64_t row = data.row(begin + static_cast<int64_t>(t));
          h[t + 1] = std::exp(step[t] * a) * h[t] + step[t] * data.b.get(row, n) * data.u.get(row, d);
          z[t] += data.cc.get(row, n) * h[t + 1];
        }
        final_state[at] = h[count];
        double carry = c.final_gradient ? data.dfinal.get(s * c.D + d, n) : 0;
        for (size_t t = count; t-- > 0;) {
          const int64_t row = data.row(begin + static_cast<int64_t>(t));
          const auto rn = static_cast<size_t>(row * c.N + n), rd = static_cast<size_t>(row * c.D + d);
          const double dh = carry + data.cc.get(row, n) * dz[t], decay = std::exp(step[t] * a);
          const double u = data.u.get(row, d), b = data.b.get(row, n);
          dc[rn] += dz[t] * h[t + 1];
          db[rn] += dh * step[t] * u;
          du[rd] += dh * step[t] * b;
          dstep[t] += dh * (b * u + decay * h[t] * a);
          da[dn] += dh * decay * h[t] * step[t];
          carry = dh * decay;
        }
        dinitial[at] = carry;
      }
      for (size_t t = 0; t < count; ++t) {
        const int64_t row = data.row(begin + static_cast<int64_t>(t));
        const auto rd = static_cast<size_t>(row * c.D + d);
        const double g = c.gate ? data.gate.get(row, d) : 0, s_g = 1 / (1 + std::exp(-g));
        y[rd] = c.gate ? z[t] * g * s_g : z[t];
        if (c.gate) dgate[rd] = data.dy.get(row, d) * z[t] * s_g * (1 + g * (1 - s_g));
        if (c.skip) du[rd] += data.skip.get(0, d) * dz[t];
        ddt[rd] = dstep[t] * slope[t];
        dskip[static_cast<size_t>(d)] += dz[t] * data.u.get(row, d);
        dbias[static_cast<size_t>(d)] += ddt[rd];
      }
    }
  }
  Results results{{"y", y},  {"final state", final_state}, {"du", du}, {"ddt", ddt}, {"db", db}, {"dc", dc},
                  {"da", da}};
  if (c.gate) results.push_back({"dgate", dgate});
  if (c.skip) results.push_back({"dskip", dskip});
  if (c.bias) results.push_back({"dbias", dbias});
  if (c.initial) results.push_back({"dinitial", dinitial});
  return results;
}

}  // namespace mom::kernels::cuda::test
