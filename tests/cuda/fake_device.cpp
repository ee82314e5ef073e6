#include "tests/cuda/fake_device.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "mom/base/rounding.h"
#include "mom/cuda/cuda_kernels.h"

namespace mom::test {
namespace {

constexpr auto kFake = c10::DeviceType::PrivateUse1;
constexpr size_t kMemory = size_t{4} << 30;  // of addresses

std::atomic<int64_t> waits{0}, copies_to{0}, launches{0}, operators{0};
thread_local bool inside_operator = false;  // of LibTorch's: its copies are not the program's
struct InsideOperator {
  InsideOperator() : before(std::exchange(inside_operator, true)) {}
  ~InsideOperator() { inside_operator = before; }
  InsideOperator(const InsideOperator&) = delete;
  InsideOperator& operator=(const InsideOperator&) = delete;
  bool before;
};

// The device's memory. It is open while somebody who may touch it does so.
class Memory {
 public:
  Memory() {
    void* begin = mmap(nullptr, kMemory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) throw std::runtime_error("the fake device has no memory");
    begin_ = static_cast<std::byte*>(begin);
  }
  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = rounded(bytes);
    std::vector<void*>& free = free_[size];
    if (free.empty()) {
      if (used_ + size > kMemory) throw std::runtime_error("the fake device's memory is full");
      free.push_back(begin_ + std::exchange(used_, used_ + size));
      if (open_ > 0) protect(PROT_READ | PROT_WRITE);
    }
    void* memory = free.back();
    free.pop_back();
    return memory;
  }
  void release(void* memory, size_t bytes) {
    const std::lock_guard lock(mutex_);
    free_[rounded(bytes)].push_back(memory);
  }
  void open() {
    const std::lock_guard lock(mutex_);
    if (open_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) protect(PROT_NONE);
  }

 private:
  static size_t rounded(size_t bytes) { return round_up(std::max<size_t>(bytes, 1), 256); }
  void protect(int how) {
    if (used_ > 0 && mprotect(begin_, round_up(used_, 4096), how) != 0)
      throw std::runtime_error("mprotect failed");
  }
  std::mutex mutex_;
  std::byte* begin_ = nullptr;
  size_t used_ = 0;
  int open_ = 0;
  std::map<size_t, std::vector<void*>> free_;
};

Memory& memory() {
  static auto* const memory = new Memory();  // tensors may live as long as the program
  return *memory;
}

struct Open {
  Open() { memory().open(); }
  ~Open() { memory().close(); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

struct Block {
  void* memory;
  size_t bytes;
};

struct FakeAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto* block = new Block{memory().allocate(bytes), bytes};
    return {block->memory, block, &release, c10::Device(kFake, 0)};
  }
  static void release(void* context) {
    auto* block = static_cast<Block*>(context);
    memory().release(block->memory, block->bytes);
    delete block;
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    const Open open;
    std::memcpy(to, from, bytes);
  }
};
FakeAllocator allocator;

struct FakeGuard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kFake; }
  c10::Device exchangeDevice(c10::Device) const override { return {kFake, 0}; }
  c10::Device getDevice() const override { return {kFake, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, c10::Device(kFake, 0)); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, FakeGuard);

struct FakeHooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

// The memory of a tensor as a tensor of the host, to be used while it is open.
at::Tensor host_view(const at::Tensor& tensor) {
  at::Tensor view = at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(),
                                  tensor.options().device(at::kCPU));
  view._set_conj(tensor.is_conj());
  view._set_neg(tensor.is_neg());
  return view;
}

at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool) {
  if (!inside_operator) {
    if (to.device().is_cpu()) ++waits;
    if (self.device().is_cpu()) ++copies_to;
  }
  at::NoGradGuard no_grad;
  const Open open;
  const auto host = [](const at::Tensor& tensor) {
    return tensor.device().is_cpu() ? tensor : host_view(tensor);
  };
  host(to).copy_(host(self));
  return to;
}

at::Tensor empty(at::IntArrayRef sizes, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &allocator,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}

const at::Tensor& resize(const at::Tensor& self, at::IntArrayRef sizes, std::optional<at::MemoryFormat>) {
  const at::Tensor fitting = at::empty(sizes, self.options());
  c10::TensorImpl* impl = self.unsafeGetTensorImpl();
  if (static_cast<size_t>(fitting.numel()) * self.element_size() > self.storage().nbytes())
    impl->set_storage_keep_dtype(fitting.storage());
  impl->set_sizes_contiguous(sizes);
  return self;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
  if (to.sizes() != self.sizes()) to.resize_(self.sizes());
  return copy_from(self, to, false);
}

at::Scalar number_of(const at::Tensor& self) {
  if (!inside_operator) ++waits;
  const Open open;
  return host_view(self).item();
}

// LibTorch has no fallback for these two.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                       bool transposed, at::IntArrayRef output_padding, int64_t groups) {
  ++operators;
  const InsideOperator inside;
  return at::convolution(x.cpu(), weight.cpu(),
                         bias && bias->defined() ? std::optional(bias->cpu()) : std::nullopt, stride, padding,
                         dilation, transposed, output_padding, groups)
      .to(x.device());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
    int64_t groups, std::array<bool, 3> mask) {
  ++operators;
  const InsideOperator inside;
  auto [dx, dweight, dbias] =
      at::convolution_backward(dy.cpu(), x.cpu(), weight.cpu(), std::nullopt, stride, padding, dilation,
                               transposed, output_padding, groups, mask);
  const auto back = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(x.device()) : tensor;
  };
  return {back(dx), back(dweight), back(dbias)};
}

void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  ++operators;
  const InsideOperator inside;
  at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("resize_", &resize);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", &number_of);
  library.impl("convolution_overrideable", &convolution);
  library.impl("convolution_backward_overrideable", &convolution_backward);
  library.impl("view",
               [](const at::Tensor& self, at::IntArrayRef sizes) { return at::native::view(self, sizes); });
  library.impl("as_strided", [](const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides,
                                std::optional<int64_t> offset) {
    return at::native::as_strided_tensorimpl(self, sizes, strides, offset);
  });
  library.impl("_reshape_alias", [](const at::Tensor& self, at::IntArrayRef sizes, at::IntArrayRef strides) {
    return at::native::_reshape_alias(self, sizes, strides);
  });
  library.impl("view_as_real", [](const at::Tensor& self) { return at::native::view_as_real(self); });
  library.impl("view_as_complex", [](const at::Tensor& self) { return at::native::view_as_complex(self); });
}

// Copies see to conjugated and negated views themselves.
TORCH_LIBRARY_IMPL(aten, Conjugate, library) {
  library.impl("_copy_from", torch::CppFunction::makeFallthrough());
}
TORCH_LIBRARY_IMPL(aten, Negative, library) {
  library.impl("_copy_from", torch::CppFunction::makeFallthrough());
}

class FakeKernels final : public cuda::CudaKernels {
 public:
  FakeKernels() : CudaKernels(kFake) {}

 private:
  void launch(const std::function<void(Stream)>& start) const override {
    ++launches;
    const std::lock_guard one_machine(mutex_);
    const Open open;
    start(nullptr);
  }
  mutable std::mutex mutex_;
};

}  // namespace

c10::Device fake_device() {
  static const bool registered = [] {
    static FakeHooks hooks;
    static const FakeKernels kernels;
    at::RegisterPrivateUse1HooksInterface(&hooks);
    c10::register_privateuse1_backend("fake");
    c10::SetAllocator(kFake, &allocator);
    ops::add_kernels(kFake, kernels);
    return true;
  }();
  (void)registered;
  return {kFake, 0};
}

FakeDeviceCounts fake_device_counts() { return {waits, copies_to, launches, operators}; }

}  // namespace mom::test
