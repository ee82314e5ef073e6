// Which implementation of an op runs: the kernels of its tensors' device, the plain tensor reference, or both with a comparison.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

namespace mom::ops {

enum class Backend {
  kAuto,  // the device's kernels where they can run, on a CPU else the reference; the choice is logged once per op
  kReference,  // tensor ops only, any device, also f64
  kCpu,        // the CPU kernels; an op they cannot run throws and says why
  kCuda,       // the GPU's kernels, likewise
  kCheck,      // both, in forward and backward; throws where they differ, returns the kernels' values
};

// "auto", "reference", "cpu", "cuda", "check"; anything else is a UserError.
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

// What an op runs on these tensors (undefined ones are skipped): kReference, kCheck, or kCpu and kCuda by their device.
// Kernels take f32 and bf16; `why_not` says why they cannot run here for a reason of the op's own, and is empty where they
// can. Where they cannot run, kAuto on a CPU takes the reference. On another device, whose reference is a loop over tokens
// of many small kernels, it throws like the backends that are asked for by name.
Backend choose_backend(std::string_view op, at::ArrayRef<at::Tensor> tensors, std::string_view why_not = "");

// For kCheck: throws with op, name and NMSE where `got` differs from the f64 `expected` by more than the
// dtype allows (normalised mean square error 1e-10 in f32, 1e-4 in bf16).
void check_close(std::string_view op, std::string_view name, const at::Tensor& got,
                 const at::Tensor& expected);

}  // namespace mom::ops
