#ifdef MOM_CUDA
#include "mom/cuda/gpus.h"

#include <c10/cuda/CUDAStream.h>

#include "mom/cuda/cuda_kernels.h"

namespace mom::cuda {
namespace {

class GpuKernels final : public CudaKernels {
 public:
  GpuKernels() : CudaKernels(c10::DeviceType::CUDA) {}

 private:
  void launch(const std::function<void(Stream)>& start) const override {
    start(c10::cuda::getCurrentCUDAStream().stream());
  }
};

}  // namespace

void add_gpus() {
  static const GpuKernels kernels;
  ops::add_kernels(c10::DeviceType::CUDA, kernels);
}

}  // namespace mom::cuda
#endif
