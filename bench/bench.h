// Benches of ops and stages: each is checked against its reference, warmed up, then timed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mom::bench {

// Work of one run. Multiply-adds count elements of instructions (a multiplication alone counts as one), without
// exponentials.
struct Work {
  double flops = 0, bytes = 0, exponentials = 0, tokens = 0, multiply_adds = 0;
};

// What the machine can do per second with all threads; measured once per process, on first use.
struct Roofs {
  double multiply_adds = 0, exponentials = 0, bytes = 0;
  // The least time for the work: its instructions or its memory, whichever takes longer.
  double least_ms(const Work& work) const;
};
const Roofs& roofs();

struct Bench {
  std::string name, shape;
  Work work;
  std::function<void()> check;  // throws where the fast version differs from its reference
  std::function<void()> run;
  // Optional: timed in turns with run; the result has the ratios of medians and minima.
  std::function<void()> baseline = {};
  std::string baseline_name = {};
};

// A bench is constructed only when it is run. `make` may allocate.
struct Entry {
  std::string name, help;
  std::function<Bench()> make;
};
std::vector<Entry>& registry();
struct Register {
  Register(std::string name, std::string help, std::function<Bench()> make) {
    registry().push_back({std::move(name), std::move(help), std::move(make)});
  }
};
// Called by run(), so that the linker keeps these files of a static library.
void register_scan_benches();
void register_conv_benches();
void register_decode_benches();
void register_image_benches();
void register_linear_benches();
void register_norm_benches();
void register_roof_benches();
void register_speech_benches();
void register_step_benches();

// Runs the named benches (none = all), or lists them. Results on stdout, as one JSON object with `json`.
// An unknown name is a UserError. A name matches exactly, or else as a prefix.
void run(const std::vector<std::string>& names, bool list, bool json);

}  // namespace mom::bench
