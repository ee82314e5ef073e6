#include "mom/ops/gemm.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>

#include "mom/base/log.h"
#include "mom/ops/gemm_libraries.h"
#include "mom/ops/rowwise.h"

namespace at::native {
// Exported by LibTorch, declared in none of its installed headers; the build pins its version. to = beta * to
// + alpha * left * right, views with any strides. Throws on processors without AVX-512 (or AVX-NE-CONVERT).
void mkldnn_matmul(const Tensor& left, const Tensor& right, const Tensor& to, float beta, float alpha);
}  // namespace at::native

namespace mom::ops {
namespace {

// oneDNN's matmul says itself whether it runs on this processor: asked once, with the smallest product.
bool ask_matmul(at::ScalarType type) {
  at::NoGradGuard no_grad;
  const at::Tensor one = at::ones({1, 1}, type);
  try {
    at::native::mkldnn_matmul(one, one, at::zeros({1, 1}, type), 0.0f, 1.0f);
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

bool matmul_runs(at::ScalarType type) {
  static const bool f32 = ask_matmul(at::kFloat), bf16 = ask_matmul(at::kBFloat16);
  return type == at::kBFloat16 ? bf16 : f32;
}

// x * weight^T (+ bias) in oneDNN: an operator of LibTorch's that no header declares.
using Linear = at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, std::string_view activation,
                          c10::List<std::optional<at::Scalar>> scalars,
                          std::optional<std::string_view> algorithm);

std::optional<c10::TypedOperatorHandle<Linear>> find_linear() {
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
  return found->typed<Linear>();
}

const auto& onednn_linear() {
  static const auto linear = find_linear();
  return linear;
}

// oneDNN's linear copies a left factor whose rows are not contiguous, which costs more than it gains.
bool suits_linear(const at::Tensor& left, const at::Tensor& right) {
  return onednn_linear() && left.is_contiguous() && (right.is_contiguous() || right.t().is_contiguous());
}

at::Tensor linear(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias) {
  return onednn_linear()->call(left, right.t(), bias.defined() ? std::optional(bias) : std::nullopt, "none",
                               c10::List<std::optional<at::Scalar>>(), "");
}

void multiply_f32(const at::Tensor& left, const at::Tensor& right, at::Tensor to, bool accumulate,
                  const at::Tensor& bias) {
  if (matmul_runs(at::kFloat)) {
    RECORD_FUNCTION("mom::gemm", std::vector<c10::IValue>({left, right}));  // for profilers, as ATen's mm
    if (bias.defined()) to.copy_(bias.expand_as(to));
    at::native::mkldnn_matmul(left, right, to, bias.defined() || accumulate ? 1.0f : 0.0f, 1.0f);
  } else if (suits_linear(left, right)) {
    RECORD_FUNCTION("mom::gemm", std::vector<c10::IValue>({left, right}));
    if (accumulate)
      to.add_(linear(left, right, bias));
    else
      to.copy_(linear(left, right, bias));
  } else if (accumulate) {
    at::addmm_out(to, to, left, right);
  } else if (bias.defined()) {
    at::addmm_out(to, bias, left, right);
  } else {
    at::mm_out(to, left, right);
  }
}

// bf16 where oneDNN does not multiply it: exact f32 copies of the factors, f32 sums, rounded once.
void multiply_bf16_in_f32(const at::Tensor& left, const at::Tensor& right, at::Tensor to, bool accumulate,
                          const at::Tensor& bias) {
  log_once(
      "gemm.bf16",
      "this processor does not multiply bfloat16: products are computed in float32 and rounded; float32 is "
      "faster here");
  const at::Tensor left_f32 = left.to(at::kFloat), right_f32 = right.to(at::kFloat);
  const at::Tensor bias_f32 = bias.defined() ? bias.to(at::kFloat) : bias;
  const at::Tensor product = at::empty(to.sizes(), left_f32.options());
  multiply_f32(left_f32, right_f32, product, /*accumulate=*/false, bias_f32);
  if (accumulate)
    to.add_(product.to(at::kBFloat16));
  else
    to.copy_(to.scalar_type() == at::kFloat ? product.to(at::kBFloat16) : product);
}

}  // namespace

GemmLibraries gemm_libraries() {
  GemmLibraries names;
  names.f32 = matmul_runs(at::kFloat) ? "oneDNN matmul" : onednn_linear() ? "oneDNN linear and BLAS" : "BLAS";
  names.bf16 = matmul_runs(at::kBFloat16) ? "oneDNN matmul" : "as f32, then rounded";
  return names;
}

// The order of choice for f32 and its reasons: docs/decisions/0003-how-a-step-is-computed.md.
void multiply(const at::Tensor& left, const at::Tensor& right, const at::Tensor& to, bool accumulate,
              const at::Tensor& bias) {
  at::NoGradGuard no_grad;
  at::Tensor out = to;
  const auto type = left.scalar_type();
  const bool on_cpu = left.device().is_cpu();
  if (left.size(1) == 0) {
    if (!accumulate) out.zero_();
    if (bias.defined()) out.add_(bias);
  } else if (out.numel() == 0) {
    return;
  } else if (rowwise() && !accumulate && on_cpu && type == at::kFloat && out.scalar_type() == at::kFloat) {
    multiply_rowwise(left, right, out, bias);
  } else if (on_cpu && type == at::kFloat && out.scalar_type() == at::kFloat) {
    multiply_f32(left, right, out, accumulate, bias);
  } else if (on_cpu && type == at::kBFloat16 && !matmul_runs(at::kBFloat16)) {
    multiply_bf16_in_f32(left, right, out, accumulate, bias);
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
