#include "mom/ops/cpu_kernels.h"

#include "mom/ops/parallel.h"

namespace mom::ops {
namespace {

using namespace kernels;

class CpuKernels final : public DeviceKernels {
 public:
  int64_t scan_chunk_state_size(const ScanInputs& in) const override {
    return kernels::scan_chunk_state_size(in);
  }
  void selective_scan_forward(const ScanInputs& in, const ScanOutputs& out) const override {
    kernels::selective_scan_forward(in, out, parallel_tiles);
  }
  void selective_scan_backward(const ScanInputs& in, const ScanGradients& grad) const override {
    kernels::selective_scan_backward(in, grad, parallel_tiles);
  }
  void causal_conv1d_forward(const ConvInputs& in, const MutableRows& y,
                             float* final_state_SKD) const override {
    kernels::causal_conv1d_forward(in, y, final_state_SKD, parallel_tiles);
  }
  void causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad) const override {
    kernels::causal_conv1d_backward(in, grad, parallel_tiles);
  }
  void add_rms_norm_forward(const NormInputs& in, const MutableRows& normed, const MutableRows& sum,
                            float* scale_T) const override {
    kernels::add_rms_norm_forward(in, normed, sum, scale_T, parallel_tiles);
  }
  void add_rms_norm_backward(const NormInputs& in, const NormGradients& grad) const override {
    kernels::add_rms_norm_backward(in, grad, parallel_tiles);
  }
  void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                    float scale, float z_weight, const SoftmaxLossOutputs& outputs) const override {
    kernels::softmax_loss(logits, num_rows, vocabulary, targets, scale, z_weight, outputs, parallel_tiles);
  }
  void gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out) const override {
    kernels::gather_rows(plan, in, out, parallel_tiles);
  }
  void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left, const Rows& right,
                float* dots) const override {
    kernels::row_dots(count, width, left_rows, left, right, dots, parallel_tiles);
  }
  void rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out) const override {
    kernels::rotate(plan, in, out, parallel_tiles);
  }
  void rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out) const override {
    kernels::rotate_back(plan, in, out, parallel_tiles);
  }
  void swiglu_forward(const SwigluInputs& in, const MutableRows& y) const override {
    kernels::swiglu_forward(in, y, parallel_tiles);
  }
  void swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate,
                       const MutableRows& dup) const override {
    kernels::swiglu_backward(in, dy, dgate, dup, parallel_tiles);
  }
};

}  // namespace

const DeviceKernels& cpu_kernels() {
  static const CpuKernels kernels;
  return kernels;
}

}  // namespace mom::ops
