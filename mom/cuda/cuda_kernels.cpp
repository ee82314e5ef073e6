#include "mom/cuda/cuda_kernels.h"

#include <ATen/ATen.h>

#include "mom/kernels/cuda/causal_conv1d.h"
#include "mom/kernels/cuda/gather_rows.h"
#include "mom/kernels/cuda/rms_norm.h"
#include "mom/kernels/cuda/rotary.h"
#include "mom/kernels/cuda/selective_scan.h"
#include "mom/kernels/cuda/softmax_loss.h"
#include "mom/kernels/cuda/swiglu.h"

namespace mom::cuda {

using namespace kernels;
namespace device = kernels::cuda;

at::Tensor CudaKernels::workspace(int64_t floats) const {
  return at::empty({floats}, at::TensorOptions(at::kFloat).device(type_));
}

int64_t CudaKernels::scan_chunk_state_size(const ScanInputs& in) const {
  return device::scan_chunk_state_size(in);
}

void CudaKernels::selective_scan_forward(const ScanInputs& in, const ScanOutputs& out) const {
  const at::Tensor space = workspace(device::scan_forward_workspace_size(in));
  launch([&](Stream stream) {
    device::selective_scan_forward(in, out, space.mutable_data_ptr<float>(), stream);
  });
}

void CudaKernels::selective_scan_backward(const ScanInputs& in, const ScanGradients& grad) const {
  const at::Tensor space = workspace(device::scan_backward_workspace_size(in));
  launch([&](Stream stream) {
    device::selective_scan_backward(in, grad, space.mutable_data_ptr<float>(), stream);
  });
}

void CudaKernels::causal_conv1d_forward(const ConvInputs& in, const MutableRows& y,
                                        float* final_state_SKD) const {
  launch([&](Stream stream) { device::causal_conv1d_forward(in, y, final_state_SKD, stream); });
}

void CudaKernels::causal_conv1d_backward(const ConvInputs& in, const ConvGradients& grad) const {
  const at::Tensor space = workspace(device::conv_backward_workspace_size(in));
  launch([&](Stream stream) {
    device::causal_conv1d_backward(in, grad, space.mutable_data_ptr<float>(), stream);
  });
}

void CudaKernels::add_rms_norm_forward(const NormInputs& in, const MutableRows& normed,
                                       const MutableRows& sum, float* scale_T) const {
  launch([&](Stream stream) { device::add_rms_norm_forward(in, normed, sum, scale_T, stream); });
}

void CudaKernels::add_rms_norm_backward(const NormInputs& in, const NormGradients& grad) const {
  const at::Tensor space = workspace(device::norm_backward_workspace_size(in));
  launch([&](Stream stream) {
    device::add_rms_norm_backward(in, grad, space.mutable_data_ptr<float>(), stream);
  });
}

void CudaKernels::softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary,
                               const int64_t* targets, float scale, float z_weight,
                               const SoftmaxLossOutputs& outputs) const {
  launch([&](Stream stream) {
    device::softmax_loss(logits, num_rows, vocabulary, targets, scale, z_weight, outputs, stream);
  });
}

void CudaKernels::gather_rows(const GatherPlan& plan, const Rows& in, const MutableRows& out) const {
  launch([&](Stream stream) { device::gather_rows(plan, in, out, stream); });
}

void CudaKernels::row_dots(int64_t count, int64_t width, const int64_t* left_rows, const Rows& left,
                           const Rows& right, float* dots) const {
  launch([&](Stream stream) { device::row_dots(count, width, left_rows, left, right, dots, stream); });
}

void CudaKernels::rotate(const RotaryPlan& plan, const Rows& in, const MutableRows& out) const {
  launch([&](Stream stream) { device::rotate(plan, in, out, stream); });
}

void CudaKernels::rotate_back(const RotaryPlan& plan, const Rows& in, const MutableRows& out) const {
  launch([&](Stream stream) { device::rotate_back(plan, in, out, stream); });
}

void CudaKernels::swiglu_forward(const SwigluInputs& in, const MutableRows& y) const {
  launch([&](Stream stream) { device::swiglu_forward(in, y, stream); });
}

void CudaKernels::swiglu_backward(const SwigluInputs& in, const Rows& dy, const MutableRows& dgate,
                                  const MutableRows& dup) const {
  launch([&](Stream stream) { device::swiglu_backward(in, dy, dgate, dup, stream); });
}

}  // namespace mom::cuda
