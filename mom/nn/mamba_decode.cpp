// Tokens of a Mamba mixer on plain memory. One of each sequence: rows or channels are split over the threads, "|" where
// they wait for each other:
//   in_proj, conv step  |  x_proj  |  dt_proj, scan step, gate  |  out_proj  |
// Several: the kernels of training one after another.
#include <ATen/Parallel.h>

#include <utility>
#include <vector>

#include "mom/kernels/causal_conv1d.h"
#include "mom/kernels/mamba_step.h"
#include "mom/kernels/selective_scan.h"
#include "mom/nn/mamba.h"
#include "mom/ops/parallel.h"

namespace mom::nn {
namespace {

// `count` matrices [rows, columns] as [columns, rows].
void transpose(const float* from, int64_t count, int64_t rows, int64_t columns, float* to) {
  for (const float* end = from + count * rows * columns; from < end;
       from += rows * columns, to += rows * columns)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

class MambaDecodeStep : public DecodeStep {
 public:
  PackedProjection in_proj, x_proj, dt_proj, out_proj;
  at::Tensor a_DN, skip_D, conv_KD, conv_bias_D;
  int64_t E = 0, D = 0, N = 0, R = 0, K = 0;

  int64_t scratch_floats(size_t num_rows) const override {
    const auto count = static_cast<int64_t>(num_rows);
    return whole_lines(count * 2 * D) + whole_lines(count * (R + 2 * N)) + 2 * whole_lines(count * D);
  }

  int64_t bytes_per_token() const override {
    int64_t bytes = 4 * D * (3 * N + 3 * K);  // A, state and convolution; states are written, too
    for (const PackedProjection* projection : {&in_proj, &x_proj, &dt_proj, &out_proj})
      bytes += projection->front().num_bytes();
    return bytes;
  }

  // What lies between the projections.
  struct Between {
    DecodeRows x_and_gate, dt_b_c, dt, y;
  };
  Between between(const DecodeArguments& at) const {
    const auto num_rows = static_cast<int64_t>(at.batch.num_rows());
    const auto behind = [&](const DecodeRows& rows, int64_t width) {
      return DecodeRows{rows.data + whole_lines(num_rows * rows.width), width};
    };
    const DecodeRows x_and_gate{at.scratch, 2 * D}, dt_b_c = behind(x_and_gate, R + 2 * N),
                                                    dt = behind(dt_b_c, D), y = behind(dt, D);
    return {x_and_gate, dt_b_c, dt, y};
  }

  void run(const DecodeArguments& at, MixerState& state) const override {
    const auto [x_and_gate, dt_b_c, dt, y] = between(at);
    const kernels::ConvStep conv = {D, K, conv_KD.const_data_ptr<float>(),
                                    conv_bias_D.defined() ? conv_bias_D.const_data_ptr<float>() : nullptr};
    const kernels::ScanStep scan = {D, N, a_DN.const_data_ptr<float>(), skip_D.const_data_ptr<float>()};
    float* conv_SDK = state.conv_SDK.mutable_data_ptr<float>() + at.first_sequence * D * (K - 1);
    float* recurrent_SDN = state.recurrent_SDN.mutable_data_ptr<float>() + at.first_sequence * D * N;
    const int64_t num_shares = at::get_num_threads();
    ops::parallel_shares(num_shares, [&](int64_t share) {
      const RowRange channels = share_of(D, share, num_shares),
                     gates = {D + channels.begin, D + channels.end};
      project(in_proj, at.batch, channels, at.normed, x_and_gate);
      project(in_proj, at.batch, gates, at.normed, x_and_gate);
      for (const size_t s : at.batch.all)
        kernels::conv_step(conv, channels.begin, channels.end, x_and_gate.row(s),
                           conv_SDK + static_cast<int64_t>(s) * D * (K - 1));
    });
    ops::parallel_shares(num_shares, [&](int64_t share) {
      project(x_proj, at.batch, share_of(R + 2 * N, share, num_shares), x_and_gate, dt_b_c);
    });
    ops::parallel_shares(num_shares, [&](int64_t share) {
      const RowRange channels = share_of(D, share, num_shares);
      project(dt_proj, at.batch, channels, dt_b_c, dt);
      for (const size_t s : at.batch.all) {
        const float *b = dt_b_c.row(s) + R, *x = x_and_gate.row(s);
        kernels::scan_step(scan, channels.begin, channels.end, x, dt.row(s), b, b + N, x + D,
                           recurrent_SDN + static_cast<int64_t>(s) * D * N, y.row(s));
      }
    });
    ops::parallel_shares(num_shares, [&](int64_t share) {
      project(out_proj, at.batch, share_of(E, share, num_shares), y, at.branch);
    });
  }

  // As MambaMixer::forward, which this must equal bit for bit.
  void read(const DecodeArguments& at, MixerState& state) const override {
    const auto [x_and_gate, dt_b_c, dt, y] = between(at);
    const auto num_rows = static_cast<int64_t>(at.batch.num_rows());
    const int64_t num_sequences = at.batch.num_sequences(), *offsets = at.batch.offsets_S1.data();
    project(in_proj, at.batch, at.normed, x_and_gate);
    float *conv_SDK = state.conv_SDK.mutable_data_ptr<float>() + at.first_sequence * D * (K - 1),
          *recurrent_SDN = state.recurrent_SDN.mutable_data_ptr<float>() + at.first_sequence * D * N;
    std::vector<float> before_SKD(static_cast<size_t>(num_sequences * (K - 1) * D)),
        after_SKD(before_SKD.size());
    transpose(conv_SDK, num_sequences, D, K - 1, before_SKD.data());
    kernels::ConvInputs conv;
    conv.num_tokens = num_rows, conv.num_channels = D, conv.num_taps = K, conv.num_sequences = num_sequences;
    conv.x = {x_and_gate.data, x_and_gate.width};
    conv.weight = conv_KD.const_data_ptr<float>();
    conv.bias = conv_bias_D.defined() ? conv_bias_D.const_data_ptr<float>() : nullptr;
    conv.silu = true;
    conv.offsets = offsets;
    conv.initial = before_SKD.data();
    kernels::causal_conv1d_forward(conv, {y.data, D}, after_SKD.data(), ops::parallel_tiles);
    transpose(after_SKD.data(), num_sequences, K - 1, D, conv_SDK);
    project(x_proj, at.batch, y, dt_b_c);
    kernels::ScanInputs scan;
    PackedProjection steps = dt_proj;
    if (steps.size() == 1)
      scan.dt_bias = std::exchange(steps.front().matrix.bias, nullptr);  // the scan adds a shared one
    project(steps, at.batch, dt_b_c, dt);
    scan.num_tokens = num_rows, scan.num_channels = D, scan.num_states = N,
    scan.num_sequences = num_sequences;
    scan.u = {y.data, D}, scan.dt = {dt.data, D};
    scan.b = {dt_b_c.data + R, dt_b_c.width}, scan.c = {dt_b_c.data + R + N, dt_b_c.width};
    scan.gate = {x_and_gate.data + D, x_and_gate.width};
    scan.a = a_DN.const_data_ptr<float>(), scan.skip = skip_D.const_data_ptr<float>();
    scan.dt_softplus = true;
    scan.offsets = offsets;
    scan.initial = recurrent_SDN;  // a tile reads its channels' states before it writes them, and rows alike
    kernels::selective_scan_forward(scan, {{y.data, D}, recurrent_SDN}, ops::parallel_tiles);
    project(out_proj, at.batch, y, at.branch);
  }
};

}  // namespace

bool MambaMixerImpl::has_decode_step() const { return config_.conv_kernel <= kernels::kMaxConvTaps; }

std::unique_ptr<DecodeStep> MambaMixerImpl::decode_step(WeightPacker& weights) const {
  auto step = std::make_unique<MambaDecodeStep>();
  step->in_proj = weights.projection(*in_proj_);
  step->x_proj = weights.projection(*x_proj_);
  step->dt_proj = weights.projection(*dt_proj_);
  step->out_proj = weights.projection(*out_proj_);
  step->a_DN = -A_log_.detach().exp();
  step->skip_D = D_.detach().contiguous();
  step->conv_KD = conv_->weight().detach().squeeze(1).t().contiguous();
  if (conv_->bias().defined()) step->conv_bias_D = conv_->bias().detach();
  step->E = d_model_, step->D = config_.d_inner, step->N = config_.state_size;
  step->R = config_.dt_rank, step->K = config_.conv_kernel;
  return step;
}

}  // namespace mom::nn
