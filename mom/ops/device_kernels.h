// The kernels that ops call, by the type of device their tensors are on: the CPU's (cpu_kernels.cpp), and those of another device
// once its library has added them (mom/cuda). Arguments, equations and precision are those of mom/kernels, and pointers are to
// memory of the device, offsets and orders included. A device's calls are in the order of its current stream; none waits.
#pragma once

#include <ATen/core/Tensor.h>

#include "mom/kernels/causal_conv1d.h"
#include "mom/kernels/gather_rows.h"
#include "mom/kernels/rms_norm.h"
#include "mom/kernels/rotary.h"
#include "mom/kernels/selective_scan.h"
#include "mom/kernels/softmax_loss.h"
#include "mom/kernels/swiglu.h"

namespace mom::ops {

class DeviceKernels {
 public:
  virtual ~DeviceKernels() = default;

  virtual int64_t scan_chunk_state_size(const kernels::ScanInputs& in) const = 0;  // floats
  virtual void selective_scan_forward(const kernels::ScanInputs& in,
                                      const kernels::ScanOutputs& out) const = 0;
  virtual void selective_scan_backward(const kernels::ScanInputs& in,
                                       const kernels::ScanGradients& grad) const = 0;
  virtual void causal_conv1d_forward(const kernels::ConvInputs& in, const kernels::MutableRows& y,
                                     float* final_state_SKD) const = 0;
  virtual void causal_conv1d_backward(const kernels::ConvInputs& in,
                                      const kernels::ConvGradients& grad) const = 0;
  virtual void add_rms_norm_forward(const kernels::NormInputs& in, const kernels::MutableRows& normed,
                                    const kernels::MutableRows& sum, float* scale_T) const = 0;
  virtual void add_rms_norm_backward(const kernels::NormInputs& in,
                                     const kernels::NormGradients& grad) const = 0;
  virtual void softmax_loss(const kernels::MutableRows& logits, int64_t num_rows, int64_t vocabulary,
                            const int64_t* targets, float scale, float z_weight,
                            const kernels::SoftmaxLossOutputs& outputs) const = 0;
  virtual void gather_rows(const kernels::GatherPlan& plan, const kernels::Rows& in,
                           const kernels::MutableRows& out) const = 0;
  virtual void row_dots(int64_t count, int64_t width, const int64_t* left_rows, const kernels::Rows& left,
                        const kernels::Rows& right, float* dots) const = 0;
  virtual void rotate(const kernels::RotaryPlan& plan, const kernels::Rows& in,
                      const kernels::MutableRows& out) const = 0;
  virtual void rotate_back(const kernels::RotaryPlan& plan, const kernels::Rows& in,
                           const kernels::MutableRows& out) const = 0;
  virtual void swiglu_forward(const kernels::SwigluInputs& in, const kernels::MutableRows& y) const = 0;
  virtual void swiglu_backward(const kernels::SwigluInputs& in, const kernels::Rows& dy,
                               const kernels::MutableRows& dgate, const kernels::MutableRows& dup) const = 0;
};

// Null where this build has none for such devices.
const DeviceKernels* find_kernels(c10::DeviceType type);
// Those of the tensor's device. Backend choice (backend.h) has seen to it that there are some.
const DeviceKernels& kernels_of(const at::Tensor& tensor);
// `kernels` must outlive all ops. Before the first op runs on such a device.
void add_kernels(c10::DeviceType type, const DeviceKernels& kernels);

}  // namespace mom::ops
