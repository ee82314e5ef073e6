// Kernels touch nothing outside their buffers: every buffer ends where an unreadable page begins, and begins
// after one. Awkward widths, strides and tails; forward and backward; every instruction set.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "mom/base/rounding.h"
#include "mom/kernels/causal_conv1d.h"
#include "mom/kernels/cpu_capability.h"
#include "mom/kernels/gather_rows.h"
#include "mom/kernels/mamba_step.h"
#include "mom/kernels/matvec.h"
#include "mom/kernels/rms_norm.h"
#include "mom/kernels/rotary.h"
#include "mom/kernels/selective_scan.h"
#include "mom/kernels/softmax_loss.h"
#include "mom/kernels/swiglu.h"

namespace mom::kernels {
namespace {

// Memory between two unreadable pages, flush with the later or with the earlier one.
class Guarded {
 public:
  Guarded(size_t bytes, bool at_end) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), inner = round_up(bytes, page);
    size_ = inner + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + page, inner, PROT_READ | PROT_WRITE);
    data_ = at_end ? base_ + page + inner - bytes : base_ + page;
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  char* data() const { return data_; }

 private:
  char *base_, *data_;
  size_t size_;
};

// Buffers of one run, all flush with the same side.
class Buffers {
 public:
  explicit Buffers(bool at_end) : at_end_(at_end) {}
  float* floats(int64_t count, float value = 0.1f) {
    auto* data = reinterpret_cast<float*>(bytes(count * 4));
    for (int64_t i = 0; i < count; ++i) data[i] = value * static_cast<float>(i % 7 - 3);
    return data;
  }
  int64_t* integers(const std::vector<int64_t>& values) {
    char* data = bytes(static_cast<int64_t>(values.size()) * 8);
    std::memcpy(data, values.data(), values.size() * 8);
    return reinterpret_cast<int64_t*>(data);
  }
  // [rows, width] inside a matrix of `stride`: nothing after the last row's last element.
  MutableRows rows(int64_t count, int64_t width, int64_t stride, Element type) {
    const int64_t elements = count == 0 ? 0 : (count - 1) * stride + width,
                  size = type == Element::kF32 ? 4 : 2;
    char* data = bytes(elements * size);
    if (type == Element::kF32) {
      for (int64_t i = 0; i < elements; ++i)
        reinterpret_cast<float*>(data)[i] = 0.1f * static_cast<float>(i % 5 - 2);
    } else {
      std::memset(data, 0x3d, static_cast<size_t>(elements * size));  // 0.0462
    }
    return {data, stride, type};
  }

 private:
  char* bytes(int64_t count) {
    memory_.push_back(std::make_unique<Guarded>(static_cast<size_t>(count), at_end_));
    return memory_.back()->data();
  }
  bool at_end_;
  std::vector<std::unique_ptr<Guarded>> memory_;
};

Rows read(const MutableRows& rows) { return {rows.data, rows.stride, rows.type}; }

struct Case {
  int64_t width, states;
  std::vector<int64_t> offsets;
  Element type;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (Element type : {Element::kF32, Element::kBF16})
    for (int64_t width : {1, 15, 16, 17, 33, 64, 65, 100})
      for (int64_t states : {1, 4, 5, 16}) all.push_back({width, states, {0, 3, 3, 40, 75}, type});
  all.push_back({64, 16, {0, 600}, Element::kF32});  // pieces
  return all;
}

template <class Run>
void everywhere(const Run& run) {
  for (const std::string& name : cpu_capabilities()) {
    set_cpu_capability(name);
    for (bool at_end : {true, false}) {
      for (const Case& c : cases()) {
        Buffers buffers(at_end);
        run(c, buffers);
      }
    }
  }
  set_cpu_capability("");
}

std::vector<int64_t> reversed(int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.rbegin(), order.rend(), int64_t{0});
  return order;
}

TEST(Guard, SelectiveScan) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), D = c.width, N = c.states,
                  S = static_cast<int64_t>(c.offsets.size()) - 1;
    ScanInputs in;
    in.num_tokens = T, in.num_channels = D, in.num_states = N, in.num_sequences = S;
    in.u = read(make.rows(T, D, D, c.type));
    in.dt = read(make.rows(T, D, D + 3, c.type));
    in.b = read(make.rows(T, N, 2 * N, c.type));
    in.c = read(make.rows(T, N, N, c.type));
    in.gate = read(make.rows(T, D, 2 * D, c.type));
    in.a = make.floats(D * N, -0.5f);
    in.skip = make.floats(D);
    in.dt_bias = make.floats(D);
    in.dt_softplus = true;
    in.offsets = make.integers(c.offsets);
    in.order = make.integers(reversed(T));
    in.initial = make.floats(S * D * N);
    const ScanOutputs out{make.rows(T, D, D, c.type), make.floats(S * D * N),
                          make.floats(scan_chunk_state_size(in))};
    selective_scan_forward(in, out, serial_for);
    ScanGradients grad;
    grad.y = read(make.rows(T, D, D + 1, c.type));
    grad.final_state = make.floats(S * D * N);
    grad.chunk_states = out.chunk_states;
    grad.u = make.rows(T, D, D, c.type);
    grad.dt = make.rows(T, D, D, c.type);
    grad.gate = make.rows(T, D, 2 * D, c.type);
    grad.b = make.floats(T * N), grad.c = make.floats(T * N);
    grad.a = make.floats(D * N);
    grad.skip = make.floats(D), grad.dt_bias = make.floats(D), grad.initial = make.floats(S * D * N);
    selective_scan_backward(in, grad, serial_for);
  });
}

TEST(Guard, CausalConv1d) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), D = c.width, K = c.states % 4 + 1,
                  S = static_cast<int64_t>(c.offsets.size()) - 1;
    ConvInputs in{};
    in.num_tokens = T, in.num_channels = D, in.num_taps = K, in.num_sequences = S;
    in.x = read(make.rows(T, D, 2 * D, c.type));
    in.weight = make.floats(K * D);
    in.bias = make.floats(D);
    in.silu = true;
    in.offsets = make.integers(c.offsets);
    in.order = make.integers(reversed(T));
    in.initial = make.floats(S * (K - 1) * D);
    causal_conv1d_forward(in, make.rows(T, D, D, c.type), make.floats(S * (K - 1) * D), serial_for);
    ConvGradients grad{};
    grad.y = read(make.rows(T, D, D, c.type));
    grad.final_state = make.floats(S * (K - 1) * D);
    grad.x = make.rows(T, D, D, c.type);
    grad.weight = make.floats(K * D), grad.bias = make.floats(D), grad.initial = make.floats(S * (K - 1) * D);
    causal_conv1d_backward(in, grad, serial_for);
  });
}

TEST(Guard, RmsNorm) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), E = c.width;
    const NormInputs in{T,
                        E,
                        read(make.rows(T, E, E + 2, c.type)),
                        read(make.rows(T, E, E, Element::kF32)),
                        make.floats(E),
                        1e-5f};
    const MutableRows sum = make.rows(T, E, E, Element::kF32);
    float* scale = make.floats(T);
    add_rms_norm_forward(in, make.rows(T, E, E, c.type), sum, scale, serial_for);
    add_rms_norm_backward(in,
                          {read(make.rows(T, E, E, c.type)), read(make.rows(T, E, E, Element::kF32)),
                           read(sum), scale, make.rows(T, E, E, Element::kF32), make.floats(E)},
                          serial_for);
  });
}

TEST(Guard, SoftmaxLoss) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t R = c.offsets.back(), V = c.width;
    const MutableRows logits = make.rows(R, V, V, Element::kF32);
    const int64_t* targets = make.integers(std::vector<int64_t>(static_cast<size_t>(R), V - 1));
    softmax_loss(logits, R, V, targets, 0.5f, 0.1f,
                 {make.floats(R), make.floats(R), make.rows(R, V, V, c.type)}, serial_for);
  });
}

TEST(Guard, GatherRows) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), E = c.width;
    std::vector<int64_t> sources = reversed(T), offsets(static_cast<size_t>(T) + 1);
    sources[3] = -1;
    std::iota(offsets.begin(), offsets.end(), int64_t{0});
    const Rows in = read(make.rows(T, E, E + 2, c.type));
    const MutableRows out = make.rows(T, E, E, c.type);
    const int64_t* from = make.integers(sources);
    gather_rows({T, E, nullptr, from, nullptr}, in, out, serial_for);
    gather_rows({T, E, make.integers(offsets), from, make.floats(T)}, in, out, serial_for);
    row_dots(T, E, from, in, read(out), make.floats(T), serial_for);
  });
}

TEST(Guard, Rotary) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), W = 2 * c.width, H = 2;
    const RotaryPlan plan{T, H, W, make.integers(reversed(T)), make.floats(T * W)};
    const MutableRows turned = make.rows(T, H * W, H * W, c.type);
    rotate(plan, read(make.rows(T, H * W, H * W + 1, c.type)), turned, serial_for);
    rotate_back(plan, read(turned), make.rows(T, H * W, H * W, c.type), serial_for);
  });
}

TEST(Guard, Swiglu) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t T = c.offsets.back(), F = c.width;
    const SwigluInputs in{T, F, read(make.rows(T, F, 2 * F, c.type)), read(make.rows(T, F, F, c.type))};
    const MutableRows y = make.rows(T, F, F, c.type);
    swiglu_forward(in, y, serial_for);
    swiglu_backward(in, read(y), make.rows(T, F, F, c.type), make.rows(T, F, F, c.type), serial_for);
  });
}

TEST(Guard, Matvec) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t R = 7, C = c.width;
    const float* weights = make.floats(R * C);
    for (int kind = 0; kind < 3; ++kind) {
      const auto type = static_cast<WeightType>(kind);
      constexpr int64_t kBytes[] = {4, 2, 1};
      float *packed = make.floats(packed_elements(R, C, type) * kBytes[kind] / 4), *scales = make.floats(R);
      WeightMatrix matrix{.data = packed,
                          .bias = make.floats(R),
                          .num_rows = R,
                          .num_columns = C,
                          .stride = packed_columns(C),
                          .type = type};
      if (kind == 0) pack_panels(weights, R, C, packed);
      if (kind == 1) pack_panels(weights, R, C, reinterpret_cast<uint16_t*>(packed));
      if (kind == 2) quantize_rows(weights, R, C, reinterpret_cast<int8_t*>(packed), scales);
      if (kind == 2) matrix.scales = scales;
      std::vector<const float*> x;
      std::vector<float*> y;
      for (int64_t t = 0; t < 7; ++t) x.push_back(make.floats(C)), y.push_back(make.floats(R));
      matvec(matrix, 0, R, x, y);
      matvec(matrix, 1, 6, {x.data(), 1}, {y.data(), 1});
    }
  });
}

TEST(Guard, MambaStep) {
  everywhere([](const Case& c, Buffers& make) {
    const int64_t D = c.width, N = c.states, K = 1 + N % 5;
    float* x = make.floats(D);
    conv_step({D, K, make.floats(K * D), make.floats(D)}, 0, D, x, make.floats(D * (K - 1)));
    scan_step({D, N, make.floats(D * N, -0.5f), make.floats(D)}, 0, D, x, make.floats(D), make.floats(N),
              make.floats(N), make.floats(D), make.floats(D * N), make.floats(D));
  });
}

}  // namespace
}  // namespace mom::kernels
