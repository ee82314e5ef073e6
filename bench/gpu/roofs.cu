// Times the CUDA kernels at the size of a 163M model's layer and says what share of the roof each reaches. Roofs are measured
// first: bytes copied, exponentials and multiply-adds a second. Prints a table in Markdown.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "mom/kernels/cuda/causal_conv1d.h"
#include "mom/kernels/cuda/device.h"
#include "mom/kernels/cuda/rms_norm.h"
#include "mom/kernels/cuda/selective_scan.h"
#include "mom/kernels/cuda/softmax_loss.h"
#include "mom/kernels/cuda/swiglu.h"

namespace mom::kernels::cuda {
namespace {

void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "roofs: %s\n", cudaGetErrorString(error));
  std::exit(3);
}

// Zero bytes on the device, kept to the end.
template <class T>
T* zeros(int64_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, static_cast<size_t>(count) * sizeof(T)));
  check(cudaMemset(memory, 0, static_cast<size_t>(count) * sizeof(T)));
  return static_cast<T*>(memory);
}
float* filled(int64_t count, float value) {
  float* memory = zeros<float>(count);
  const std::vector<float> values(static_cast<size_t>(count), value);
  check(cudaMemcpy(memory, values.data(), values.size() * 4, cudaMemcpyHostToDevice));
  return memory;
}

// The median of nine runs, in seconds.
double seconds(const std::function<void()>& run) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  run();
  std::vector<float> times(9);
  for (float& ms : times) {
    check(cudaEventRecord(begin));
    run();
    check(cudaEventRecord(end));
    check(cudaEventSynchronize(end));
    check(cudaEventElapsedTime(&ms, begin, end));
  }
  std::sort(times.begin(), times.end());
  return static_cast<double>(times[4]) / 1e3;
}

constexpr int kRounds = 4096, kChains = 8;
template <bool kExponentials>
MOM_KERNEL(256, 4)
roof(float* to, float one) {
  float x[kChains];
  MOM_UNROLL
  for (int i = 0; i < kChains; ++i) x[i] = -one * static_cast<float>(i + thread_index());
  for (int round = 0; round < kRounds; ++round) {
    MOM_UNROLL
    for (int i = 0; i < kChains; ++i) x[i] = kExponentials ? exp2_approximate(x[i]) : fma(x[i], one, one);
  }
  float sum = 0.0f;
  MOM_UNROLL
  for (int i = 0; i < kChains; ++i) sum += x[i];
  to[block_x() * 256 + thread_index()] = sum;
}

struct Roofs {
  double bytes, exponentials, multiply_adds;  // a second
};
Roofs measure_roofs() {
  constexpr int64_t kBytes = int64_t{1} << 29, kBlocks = 4096;
  char *from = zeros<char>(kBytes), *to = zeros<char>(kBytes);
  float* sums = zeros<float>(kBlocks * 256);
  const double work = static_cast<double>(kBlocks) * 256 * kRounds * kChains;
  return {2.0 * kBytes / seconds([&] { check(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice)); }),
          work / seconds([&] { launch(roof<true>, {kBlocks}, 256, nullptr, sums, 0.5f); }),
          work / seconds([&] { launch(roof<false>, {kBlocks}, 256, nullptr, sums, 0.5f); })};
}

void line(const char* name, double time, const char* of, double work, double roof) {
  std::printf("| %s | %.3f | %s | %.0f%% |\n", name, time * 1e3, of, 100 * work / time / roof);
}

void run(const Roofs& roofs) {
  constexpr int64_t T = 32768, S = 16, D = 1536, N = 16, E = 768, V = 50304, R = 2048;
  constexpr Element kBf16 = Element::kBF16;
  auto bf16 = [](int64_t rows, int64_t width) {
    return MutableRows{zeros<uint16_t>(rows * width), width, kBf16};
  };
  auto read = [](const MutableRows& rows) { return Rows{rows.data, rows.stride, rows.type}; };
  std::vector<int64_t> offsets;
  for (int64_t s = 0; s <= S; ++s) offsets.push_back(s * T / S);
  int64_t* device_offsets = zeros<int64_t>(S + 1);
  check(cudaMemcpy(device_offsets, offsets.data(), offsets.size() * 8, cudaMemcpyHostToDevice));

  ScanInputs in;
  in.num_tokens = T, in.num_channels = D, in.num_states = N, in.num_sequences = S;
  in.u = read(bf16(T, D)), in.dt = read(bf16(T, D)), in.gate = read(bf16(T, D));
  in.b = read(bf16(T, N)), in.c = read(bf16(T, N));
  in.a = filled(D * N, -1.0f), in.skip = filled(D, 1.0f), in.dt_bias = filled(D, -3.0f),
  in.dt_softplus = true;
  in.offsets = device_offsets;
  const ScanOutputs out{bf16(T, D), zeros<float>(S * D * N), zeros<float>(cuda::scan_chunk_state_size(in))};
  float* workspace =
      zeros<float>(std::max(scan_forward_workspace_size(in), scan_backward_workspace_size(in)));
  ScanGradients grad;
  grad.y = read(bf16(T, D)), grad.chunk_states = out.chunk_states;
  grad.u = bf16(T, D), grad.dt = bf16(T, D), grad.gate = bf16(T, D);
  grad.b = zeros<float>(T * N), grad.c = zeros<float>(T * N), grad.a = zeros<float>(D * N);
  grad.skip = zeros<float>(D), grad.dt_bias = zeros<float>(D);
  const double elements = static_cast<double>(T) * D * N;
  line("scan forward", seconds([&] { selective_scan_forward(in, out, workspace, nullptr); }),
       "exponentials, 1 for each state", elements, roofs.exponentials);
  line("scan backward", seconds([&] { selective_scan_backward(in, grad, workspace, nullptr); }),
       "f32 instructions, 12 for each state", 12 * elements, roofs.multiply_adds);

  ConvInputs conv;
  conv.num_tokens = T, conv.num_channels = D, conv.num_taps = 4, conv.num_sequences = S;
  conv.x = in.u, conv.weight = filled(4 * D, 0.5f), conv.bias = filled(D, 0.1f), conv.silu = true;
  conv.offsets = device_offsets;
  ConvGradients conv_grad;
  conv_grad.y = grad.y, conv_grad.x = grad.u, conv_grad.weight = zeros<float>(4 * D),
  conv_grad.bias = zeros<float>(D);
  float *conv_state = zeros<float>(S * 3 * D), *conv_sums = zeros<float>(conv_backward_workspace_size(conv));
  const double row_bytes = static_cast<double>(T) * D * 2;
  line("convolution forward", seconds([&] { causal_conv1d_forward(conv, out.y, conv_state, nullptr); }),
       "bytes", 2 * row_bytes, roofs.bytes);
  line("convolution backward", seconds([&] { causal_conv1d_backward(conv, conv_grad, conv_sums, nullptr); }),
       "bytes", 3 * row_bytes, roofs.bytes);

  NormInputs norm;
  const MutableRows sum{zeros<float>(T * E), E, Element::kF32};
  norm.num_rows = T, norm.width = E, norm.x = read(bf16(T, E)),
  norm.residual = {zeros<float>(T * E), E, Element::kF32};
  norm.weight = filled(E, 1.0f), norm.epsilon = 1e-5f;
  float* scale = zeros<float>(T);
  const MutableRows normed_rows = bf16(T, E);
  NormGradients norm_grad;
  norm_grad.normed = norm.x, norm_grad.new_residual = norm.residual, norm_grad.sum = read(sum),
  norm_grad.scale = scale;
  norm_grad.x = {zeros<float>(T * E), E, Element::kF32}, norm_grad.weight = zeros<float>(E);
  float* norm_sums = zeros<float>(norm_backward_workspace_size(norm));
  const double normed = static_cast<double>(T) * E;
  line("norm forward", seconds([&] { add_rms_norm_forward(norm, normed_rows, sum, scale, nullptr); }),
       "bytes", 12 * normed, roofs.bytes);
  line("norm backward", seconds([&] { add_rms_norm_backward(norm, norm_grad, norm_sums, nullptr); }), "bytes",
       14 * normed, roofs.bytes);

  const MutableRows logits{zeros<float>(R * V), V, Element::kF32};
  SoftmaxLossOutputs loss;
  loss.loss = zeros<float>(R), loss.gradient = bf16(R, V);
  const int64_t* targets = zeros<int64_t>(R);
  line("softmax loss", seconds([&] { softmax_loss(logits, R, V, targets, 1.0f, 0.0f, loss, nullptr); }),
       "bytes", 6.0 * R * V, roofs.bytes);
  line("SwiGLU forward", seconds([&] {
         swiglu_forward({T, D, in.u, in.dt}, out.y, nullptr);
       }),
       "bytes", 3 * row_bytes, roofs.bytes);
}

}  // namespace
}  // namespace mom::kernels::cuda

int main() {
  cudaDeviceProp device{};
  const cudaError_t error = cudaGetDeviceProperties(&device, 0);
  if (error != cudaSuccess) {
    std::fprintf(stderr, "roofs: no GPU: %s\n", cudaGetErrorString(error));
    return 3;
  }
  const auto roofs = mom::kernels::cuda::measure_roofs();
  std::printf("%s, %d processors: %.0f GB/s copied, %.3g exponentials/s, %.3g multiply-adds/s\n\n",
              device.name, device.multiProcessorCount, roofs.bytes / 1e9, roofs.exponentials,
              roofs.multiply_adds);
  std::printf("| kernel | ms | share of | reached |\n|---|---|---|---|\n");
  mom::kernels::cuda::run(roofs);
}
