#include "mom/ops/backend.h"

#include <ATen/ATen.h>

#include <atomic>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/ops/arguments.h"

namespace mom::ops {
namespace {

constexpr std::string_view kBackendNames[] = {"auto", "reference", "cpu", "check"};
constexpr int kNotSet = -1;

std::atomic<Backend> process_backend{Backend::kAuto};
thread_local int thread_backend = kNotSet;

}  // namespace

Backend parse_backend(std::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (name == kBackendNames[i]) return static_cast<Backend>(i);
  }
  throw UserError({"scan_backend", "auto, reference, cpu or check", "'" + std::string(name) + "'", ""});
}

std::string_view backend_name(Backend backend) { return kBackendNames[static_cast<int>(backend)]; }

void set_backend(Backend backend) { process_backend = backend; }

Backend current_backend() {
  return thread_backend == kNotSet ? process_backend.load() : static_cast<Backend>(thread_backend);
}

ScopedBackend::ScopedBackend(Backend backend) : previous_(thread_backend) {
  thread_backend = static_cast<int>(backend);
}

ScopedBackend::~ScopedBackend() { thread_backend = previous_; }

Backend choose_backend(std::string_view op, std::string_view why_not) {
  const Backend wanted = current_backend();
  if (wanted == Backend::kReference) return wanted;
  if (wanted == Backend::kAuto) {
    const Backend chosen = why_not.empty() ? Backend::kCpu : Backend::kReference;
    const std::string text = std::string(op) + ": backend " + std::string(backend_name(chosen)) +
                             (why_not.empty() ? "" : " (" + std::string(why_not) + ")");
    log_once(text, text);
    return chosen;
  }
  TORCH_CHECK(why_not.empty(), "[", op, "] backend ", backend_name(wanted), " cannot run: ", why_not);
  return wanted;
}

std::string why_not_cpu(at::ArrayRef<at::Tensor> tensors) {
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    if (!tensor.device().is_cpu()) return "a tensor is on " + tensor.device().str();
    const auto type = tensor.scalar_type();
    if (tensor.is_floating_point() && type != at::kFloat && type != at::kBFloat16) {
      return std::string("the kernels take float32 and bfloat16, not ") + c10::toString(type);
    }
  }
  return "";
}

void check_close(std::string_view op, std::string_view name, const at::Tensor& got,
                 const at::Tensor& expected) {
  if (!got.defined() && !expected.defined()) return;
  TORCH_CHECK(got.defined() && expected.defined() && got.sizes() == expected.sizes(), "[", op,
              "] check: ", name, " differs in shape from the reference's");
  const double error = (got.to(at::kDouble) - expected.to(at::kDouble)).square().sum().item<double>();
  const double size = expected.to(at::kDouble).square().sum().item<double>();
  const double limit = got.scalar_type() == at::kBFloat16 ? 1e-4 : 1e-10;
  TORCH_CHECK(error <= limit * size, "[", op, "] check: ", name, " has NMSE ", error / size,
              " against the reference, more than ", limit);
}

}  // namespace mom::ops
