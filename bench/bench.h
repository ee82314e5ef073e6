// Benches of ops and stages: each is checked against its reference, warmed up, then timed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mom::bench {

struct Work {  // of one run
  double flops = 0, bytes = 0, exponentials = 0, tokens = 0;
};

struct Bench {
  std::string name, shape;
  Work work;
  std::function<void()> check;  // throws where the fast version differs from its reference
  std::function<void()> run;
  std::function<void()> baseline =
      {};  // optional: timed in turns with run; the result has the ratio of the medians and minima
  std::string baseline_name = {};
};

// A bench is made only when it is asked for. `make` may allocate.
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
// Called by run(), so that a static library keeps the files.
void register_scan_benches();
void register_conv_benches();
void register_linear_benches();
void register_norm_benches();
void register_roof_benches();
void register_step_benches();

// Runs the named benches (none = all), or lists them. Results on stdout, as one JSON object with `json`.
// Returns 0. An unknown name is a UserError. A name is matched whole or as a prefix.
int run(const std::vector<std::string>& names, bool list, bool json);

}  // namespace mom::bench
