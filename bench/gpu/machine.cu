// The tests' kernels on a GPU: tests/kernels/cuda/machine.h, and a main function. `kernel_tests [PART]` runs the tests whose names
// hold PART.
#include "tests/kernels/cuda/machine.h"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace mom::kernels::cuda::test {
namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

}  // namespace

void* machine_allocate(size_t bytes) {
  void* memory = nullptr;
  check(cudaMallocManaged(&memory, bytes == 0 ? 1 : bytes), "cudaMallocManaged");
  return memory;
}
void machine_release(void* memory) { cudaFree(memory); }
// A GPU chooses its own order; what runs again must have the same bits.
int machine_schedules() {
  return std::getenv("MOM_RUNS") != nullptr ? std::atoi(std::getenv("MOM_RUNS")) : 4;
}
void machine_schedule(int) {}
void machine_finish() { check(cudaDeviceSynchronize(), "kernel"); }

}  // namespace mom::kernels::cuda::test

int main(int argc, char** argv) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "kernel_tests: no GPU: %s\n", cudaGetErrorString(error));
    return 3;
  }
  int ran = 0;
  for (const testing::Test& test : testing::tests()) {
    if (argc > 1 && test.name.find(argv[1]) == std::string::npos) continue;
    const int before = testing::failures();
    try {
      test.body();
    } catch (const std::exception& problem) {
      std::printf("%s: %s\n", test.name.c_str(), problem.what());
      return 1;  // an error of the device stays
    }
    std::printf("%s %s\n", testing::failures() == before ? "ok    " : "FAILED", test.name.c_str());
    ++ran;
  }
  std::printf("%d tests, %d failures\n", ran, testing::failures());
  return ran > 0 && testing::failures() == 0 ? 0 : 1;
}
