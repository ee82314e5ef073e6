// Which implementation of an op runs: the CPU kernels, the plain tensor reference, or both with a comparison.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

namespace mom::ops {

enum class Backend {
  kAuto,       // the CPU kernels where they can run, else the reference; the choice is logged once per op
  kReference,  // tensor ops only, any device, also f64
  kCpu,        // the CPU kernels; an op they cannot run throws and says why
  kCheck,      // both, in forward and backward; throws where they differ, returns the kernels' values
};

// "auto", "reference", "cpu", "check"; anything else is a UserError.
Backend parse_backend(std::string_view name);
std::string_view backend_name(Backend backend);

// The backend of every op called from now on, in all threads that have no ScopedBackend of their own.
void set_backend(Backend backend);
Backend current_backend();

// Overrides the backend in this thread until destroyed: two models in one process may use different ones. A
// backward pass uses what its forward pass used.
class ScopedBackend {
 public:
  explicit ScopedBackend(Backend backend);
  ~ScopedBackend();
  ScopedBackend(const ScopedBackend&) = delete;
  ScopedBackend& operator=(const ScopedBackend&) = delete;

 private:
  int previous_;
};

// What an op runs: resolves kAuto for these arguments, and throws for kCpu and kCheck where the kernels
// cannot run. `why_not` says why they cannot, and is empty where they can.
Backend choose_backend(std::string_view op, std::string_view why_not);

// Why the CPU kernels cannot take these tensors (device or dtype other than f32 and bf16); empty where they
// can. Undefined tensors are skipped.
std::string why_not_cpu(at::ArrayRef<at::Tensor> tensors);

// For kCheck: throws with op, name and NMSE where `got` differs from the f64 `expected` by more than the
// dtype allows (normalised mean square error 1e-10 in f32, 1e-4 in bf16).
void check_close(std::string_view op, std::string_view name, const at::Tensor& got,
                 const at::Tensor& expected);

}  // namespace mom::ops
