#include "mom/ops/gemm.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

namespace at::native {
// Exported by LibTorch, declared in none of its installed headers; the build pins its version. to = beta * to
// + alpha * left * right, views with any strides.
void mkldnn_matmul(const Tensor& left, const Tensor& right, const Tensor& to, float beta, float alpha);
}  // namespace at::native

namespace mom::ops {

// f32 and bf16 run in LibTorch's oneDNN. For f32 ATen's own choice is MKL, which was 5 to 60% slower at these
// shapes on an AMD processor (bench/results).
void multiply(const at::Tensor& left, const at::Tensor& right, const at::Tensor& to, bool accumulate,
              const at::Tensor& bias) {
  at::NoGradGuard no_grad;
  at::Tensor out = to;
  const auto type = left.scalar_type();
  if (left.size(1) == 0) {
    if (!accumulate) out.zero_();
    if (bias.defined()) out.add_(bias);
  } else if (out.numel() == 0) {
    return;
  } else if (left.device().is_cpu() && type == at::kFloat && out.scalar_type() == at::kFloat) {
    RECORD_FUNCTION("mom::gemm", std::vector<c10::IValue>({left, right}));  // for profilers, as ATen's mm
    if (bias.defined()) out.copy_(bias.expand_as(out));
    at::native::mkldnn_matmul(left, right, out, bias.defined() || accumulate ? 1.0f : 0.0f, 1.0f);
  } else if (accumulate) {
    out.add_(at::mm(left, right));
  } else if (out.scalar_type() != type) {
    out.copy_(at::mm(left, right));
    if (bias.defined()) out.add_(bias);
  } else if (bias.defined()) {
    at::addmm_out(out, bias.to(type), left, right);
  } else {
    at::mm_out(out, left, right);
  }
}

}  // namespace mom::ops
