#include "mom/ops/backend.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/ops/device_kernels.h"

namespace mom::ops {
namespace {

constexpr std::string_view kBackendNames[] = {"auto", "reference", "cpu", "cuda", "check"};
constexpr int kNotSet = -1;

std::atomic<Backend> process_backend{Backend::kAuto};
thread_local int thread_backend = kNotSet;

}  // namespace

Backend parse_backend(std::string_view name) {
  for (int i = 0; i < 5; ++i) {
    if (name == kBackendNames[i]) return static_cast<Backend>(i);
  }
  throw UserError({"scan_backend", "auto, reference, cpu, cuda or check", "'" + std::string(name) + "'", ""});
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

namespace {

// Why the kernels of the tensors' device cannot take them; empty where they can.
std::string why_no_kernels(at::ArrayRef<at::Tensor> tensors, Backend wanted) {
  for (const at::Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    const bool on_cpu = tensor.device().is_cpu();
    if (wanted == Backend::kCpu ? !on_cpu : wanted == Backend::kCuda && on_cpu)
      return "a tensor is on " + tensor.device().str();
    if (!find_kernels(tensor.device().type()))
      return "a tensor is on " + tensor.device().str() + ", for which this build has no kernels";
    const auto type = tensor.scalar_type();
    if (tensor.is_floating_point() && type != at::kFloat && type != at::kBFloat16)
      return std::string("the kernels take float32 and bfloat16, not ") + c10::toString(type);
  }
  return "";
}

bool all_on_cpu(at::ArrayRef<at::Tensor> tensors) {
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const at::Tensor& tensor) { return !tensor.defined() || tensor.device().is_cpu(); });
}

}  // namespace

Backend choose_backend(std::string_view op, at::ArrayRef<at::Tensor> tensors, std::string_view why_not) {
  const Backend wanted = current_backend();
  if (wanted == Backend::kReference) return wanted;
  std::string reason = why_no_kernels(tensors, wanted);
  if (reason.empty()) reason = why_not;
  const bool on_cpu = all_on_cpu(tensors);
  if (wanted == Backend::kAuto && on_cpu) {
    const Backend chosen = reason.empty() ? Backend::kCpu : Backend::kReference;
    const std::string text = std::string(op) + ": backend " + std::string(backend_name(chosen)) +
                             (reason.empty() ? "" : " (" + reason + ")");
    log_once(text, text);
    return chosen;
  }
  TORCH_CHECK(reason.empty(), "[", op, "] backend ", backend_name(wanted), " cannot run: ", reason);
  if (wanted == Backend::kCheck) return wanted;
  return on_cpu ? Backend::kCpu : Backend::kCuda;
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
