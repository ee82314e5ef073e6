// The kernels of mom/kernels/cuda as those that ops call: each call is given a workspace, from LibTorch's allocator of the
// device, and put on a stream.
#pragma once

#include <functional>

#include "mom/kernels/cuda/stream.h"
#include "mom/ops/device_kernels.h"

namespace mom::cuda {

class CudaKernels : public ops::DeviceKernels {
 public:
  // `type`: of the devices that workspaces are on.
  explicit CudaKernels(c10::DeviceType type) : type_(type) {}

  int64_t scan_chunk_state_size(const kernels::ScanInputs& in) const override;
  void selective_scan_forward(const kernels::ScanInputs& in, const kernels::ScanOutputs& out) const override;
  void selective_scan_backward(const kernels::ScanInputs& in,
                               const kernels::ScanGradients& grad) const override;
  void causal_conv1d_forward(const kernels::ConvInputs& in, const kernels::MutableRows& y,
                             float* final_state_SKD) const override;
  void causal_conv1d_backward(const kernels::ConvInputs& in,
                              const kernels::ConvGradients& grad) const override;
  void add_rms_norm_forward(const kernels::NormInputs& in, const kernels::MutableRows& normed,
                            const kernels::MutableRows& sum, float* scale_T) const override;
  void add_rms_norm_backward(const kernels::NormInputs& in,
                             const kernels::NormGradients& grad) const override;
  void softmax_loss(const kernels::MutableRows& logits, int64_t num_rows, int64_t vocabulary,
                    const int64_t* targets, float scale, float z_weight,
                    const kernels::SoftmaxLossOutputs& outputs) const override;
  void gather_rows(const kernels::GatherPlan& plan, const kernels::Rows& in,
                   const kernels::MutableRows& out) const override;
  void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const kernels::Rows& left,
                const kernels::Rows& right, float* dots) const override;
  void rotate(const kernels::RotaryPlan& plan, const kernels::Rows& in,
              const kernels::MutableRows& out) const override;
  void rotate_back(const kernels::RotaryPlan& plan, const kernels::Rows& in,
                   const kernels::MutableRows& out) const override;
  void swiglu_forward(const kernels::SwigluInputs& in, const kernels::MutableRows& y) const override;
  void swiglu_backward(const kernels::SwigluInputs& in, const kernels::Rows& dy,
                       const kernels::MutableRows& dgate, const kernels::MutableRows& dup) const override;

 protected:
  using Stream = kernels::cuda::Stream;
  // Runs `start`, which starts kernels on a stream.
  virtual void launch(const std::function<void(Stream)>& start) const = 0;

 private:
  at::Tensor workspace(int64_t floats) const;
  c10::DeviceType type_;
};

}  // namespace mom::cuda
