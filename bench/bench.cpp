#include "bench/bench.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/machine.h"
#include "mom/kernels/cpu_capability.h"

namespace mom::bench {
namespace {

constexpr int kWarmups = 3, kMinRepeats = 10, kMaxRepeats = 200;
constexpr double kSeconds = 1.0;  // spent on timing one bench, when repeats allow

struct Timing {
  int repeats = 0;
  double median_ms = 0, min_ms = 0, spread_ms = 0;  // spread: between the quartiles
  double baseline_median_ms = 0, baseline_min_ms = 0;
};

Timing time(const Bench& bench) {
  using Clock = std::chrono::steady_clock;
  auto once = [](const std::function<void()>& run) {
    const auto start = Clock::now();
    run();
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  for (int i = 0; i < kWarmups; ++i) {
    bench.run();
    if (bench.baseline) bench.baseline();
  }
  std::vector<double> ms, baseline_ms;
  for (double total = 0; static_cast<int>(ms.size()) < kMinRepeats ||
                         (total < kSeconds * 1e3 && static_cast<int>(ms.size()) < kMaxRepeats);
       total += ms.back()) {
    ms.push_back(once(bench.run));
    if (bench.baseline) baseline_ms.push_back(once(bench.baseline));
  }
  std::sort(ms.begin(), ms.end());
  std::sort(baseline_ms.begin(), baseline_ms.end());
  const size_t n = ms.size();
  Timing timing{static_cast<int>(n), ms[n / 2], ms.front(), ms[n * 3 / 4] - ms[n / 4], 0, 0};
  if (bench.baseline) {
    timing.baseline_median_ms = baseline_ms[n / 2];
    timing.baseline_min_ms = baseline_ms.front();
  }
  return timing;
}

OrderedJson result_of(const Bench& bench, const Timing& t) {
  OrderedJson result;
  result["name"] = bench.name;
  result["shape"] = bench.shape;
  result["threads"] = at::get_num_threads();
  result["repeats"] = t.repeats;
  result["median_ms"] = t.median_ms;
  result["min_ms"] = t.min_ms;
  result["spread_ms"] = t.spread_ms;
  result["flops"] = bench.work.flops;
  result["bytes"] = bench.work.bytes;
  result["exponentials"] = bench.work.exponentials;
  result["gflops_per_s"] = bench.work.flops / t.min_ms * 1e-6;
  result["gbytes_per_s"] = bench.work.bytes / t.min_ms * 1e-6;
  result["gexp_per_s"] = bench.work.exponentials / t.min_ms * 1e-6;
  if (const double least = roofs().least_ms(bench.work); least > 0)
    result["share_of_roof"] = least / t.min_ms;
  if (bench.work.tokens > 0) {
    result["tokens_per_s"] = bench.work.tokens / t.median_ms * 1e3;
    result["peak_rss_bytes"] = peak_rss_bytes();
  }
  if (bench.baseline) {
    result["baseline"] = bench.baseline_name;
    result["ratio_of_medians"] = t.median_ms / t.baseline_median_ms;
    result["ratio_of_minima"] = t.min_ms / t.baseline_min_ms;
  }
  return result;
}

void print_row(const Bench& bench, const Timing& t) {
  std::printf("%-22s %-30s %9.3f %9.3f %9.3f %9.1f %9.1f %9.2f", bench.name.c_str(), bench.shape.c_str(),
              t.median_ms, t.min_ms, t.spread_ms, bench.work.flops / t.min_ms * 1e-6,
              bench.work.bytes / t.min_ms * 1e-6, bench.work.exponentials / t.min_ms * 1e-6);
  if (const double least = roofs().least_ms(bench.work); least > 0)
    std::printf(" %6.0f%%", 100 * least / t.min_ms);
  std::printf("\n");
  if (bench.work.tokens > 0)
    std::printf("  %.0f tokens/s, peak memory %.0f MiB\n", bench.work.tokens / t.median_ms * 1e3,
                static_cast<double>(peak_rss_bytes()) / 1048576.0);
  if (bench.baseline)
    std::printf("  against %s in turns: %.3f x of the medians, %.3f x of the minima\n",
                bench.baseline_name.c_str(), t.median_ms / t.baseline_median_ms,
                t.min_ms / t.baseline_min_ms);
  std::fflush(stdout);
}

void register_all() {
  static const bool done = [] {
    register_roof_benches();
    register_scan_benches();
    register_conv_benches();
    register_decode_benches();
    register_image_benches();
    register_linear_benches();
    register_norm_benches();
    register_speech_benches();
    register_step_benches();
    return true;
  }();
  (void)done;
}

std::vector<Entry> chosen(const std::vector<std::string>& names) {
  if (names.empty()) return registry();
  std::vector<Entry> entries;
  for (const std::string& name : names) {
    const size_t before = entries.size();
    for (const Entry& entry : registry()) {
      if (entry.name == name) entries.push_back(entry);
    }
    if (entries.size() > before) continue;
    for (const Entry& entry : registry()) {
      if (entry.name.starts_with(name)) entries.push_back(entry);
    }
    if (entries.size() == before) {
      throw UserError({"bench", "the name of a bench", "'" + name + "'", "see 'mom-bench --list'"});
    }
  }
  return entries;
}

}  // namespace

std::vector<Entry>& registry() {
  static std::vector<Entry> entries;
  return entries;
}

void run(const std::vector<std::string>& names, bool list, bool json) {
  register_all();
  OrderedJson results = OrderedJson::array();
  const std::vector<Entry> entries = chosen(names);
  if (!list) roofs();  // first: later, its memory would add to the peak of a bench
  if (!list && !json) {
    std::printf("cpu capability %s, %d threads; rates are of the fastest run\n",
                kernels::cpu_capability().c_str(), at::get_num_threads());
    const Roofs& roof = roofs();
    std::printf("roofs: %.1f G multiply-adds/s, %.2f G exponentials/s, %.1f GB/s read\n",
                roof.multiply_adds * 1e-9, roof.exponentials * 1e-9, roof.bytes * 1e-9);
    std::printf("%-22s %-30s %9s %9s %9s %9s %9s %9s %7s\n", "name", "shape", "median ms", "min ms",
                "spread ms", "GFLOP/s", "GB/s", "Gexp/s", "of roof");
  }
  for (const Entry& entry : entries) {
    if (list) {
      if (json) {
        results.push_back({{"name", entry.name}, {"help", entry.help}});
      } else {
        std::printf("%-22s %s\n", entry.name.c_str(), entry.help.c_str());
      }
      continue;
    }
    const Bench bench = entry.make();
    if (bench.check) bench.check();
    const Timing timing = time(bench);
    if (json) {
      results.push_back(result_of(bench, timing));
    } else {
      print_row(bench, timing);
    }
  }
  if (json) {
    OrderedJson whole{{"cpu_capability", kernels::cpu_capability()}};
    if (!list) {
      whole["roofs"] = {{"multiply_adds_per_s", roofs().multiply_adds},
                        {"exponentials_per_s", roofs().exponentials},
                        {"read_bytes_per_s", roofs().bytes}};
    }
    whole["benches"] = results;
    std::cout << whole.dump(2) << std::endl;
  }
}

}  // namespace mom::bench
