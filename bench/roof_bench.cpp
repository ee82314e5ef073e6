// What the machine can do: multiply-adds and exponentials from registers, memory reads, GEMM. Other benches
// are shares of these.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>

#include "bench/bench.h"
#include "mom/kernels/roof.h"
#include "mom/ops/gemm.h"
#include "mom/ops/huge_pages.h"
#include "mom/ops/parallel.h"

namespace mom::bench {
namespace {

constexpr int kRepeats = 7;

// `work` returns what it did; the best rate per second of a few runs.
double best_rate(const std::function<double()>& work) {
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double done = work();
    best = std::max(best,
                    done / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// On every thread at once.
double on_all_threads(const std::function<double()>& work) {
  std::vector<double> done(static_cast<size_t>(at::get_num_threads()));
  ops::parallel_tiles(at::get_num_threads(),
                      [&](int64_t thread) { done[static_cast<size_t>(thread)] = work(); });
  double total = 0;
  for (double part : done) total += part;
  return total;
}

}  // namespace

const Roofs& roofs() {
  static const Roofs measured = [] {
    Roofs result;
    result.multiply_adds =
        best_rate([] { return on_all_threads([] { return kernels::run_multiply_adds(20'000'000); }); });
    result.exponentials =
        best_rate([] { return on_all_threads([] { return kernels::run_exponentials(4'000'000); }); });
    // Not from the allocator: it would keep the memory, which would count in the peak of the next bench.
    const at::Tensor x = ops::HugePages(256 << 20).take({64 << 20}, at::kFloat).fill_(1);
    result.bytes = best_rate([&] {
      x.sum();
      return 256.0 * (1 << 20);
    });
    return result;
  }();
  return measured;
}

double Roofs::least_ms(const Work& work) const {
  const double instructions = work.multiply_adds / multiply_adds + work.exponentials / exponentials;
  return 1e3 * std::max(instructions, work.bytes / bytes);
}

void register_roof_benches() {
  for (const bool bf16 : {false, true}) {
    const std::string name = bf16 ? "roof_gemm_bf16" : "roof_gemm";
    Register(name, "GEMM alone, 4096 x 256 x 1024", [=] {
      const auto type = bf16 ? at::kBFloat16 : at::kFloat;
      const at::Tensor x = at::randn({4096, 256}).to(type), w = at::randn({1024, 256}).to(type);
      at::Tensor y = at::empty({4096, 1024}, type);
      const double elements = 4096.0 * 1280 + 256 * 1024, flops = 2.0 * 4096 * 256 * 1024;
      return Bench{name,
                   bf16 ? "4096x256x1024 bf16" : "4096x256x1024 f32",
                   {flops, (bf16 ? 2 : 4) * elements, 0, 0, bf16 ? 0 : flops / 2},
                   {},
                   [=] { ops::multiply(x, w.t(), y); }};
    });
  }
}

}  // namespace mom::bench
