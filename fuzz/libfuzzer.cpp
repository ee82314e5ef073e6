// The programs that libFuzzer drives, one for each source file of targets:
//   MOM_FUZZ=json build/fuzz/bin/mom-fuzz-text CORPUS...      looks for inputs that are defects; all of libFuzzer's options
//   build/fuzz/bin/mom-fuzz-text                              lists its targets
//   MOM_FUZZ=json MOM_FUZZ_SEEDS=FOLDER build/fuzz/bin/mom-fuzz-text -runs=0     writes the target's seeds there
#include <ATen/Parallel.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/targets.h"
#include "mom/base/log.h"

namespace {

const mom::fuzz::Target* target = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  static const std::vector<mom::fuzz::Target> targets = mom::fuzz::MOM_FUZZ_TARGETS();
  const char* const name = std::getenv("MOM_FUZZ");
  if (!name) {
    for (const mom::fuzz::Target& each : targets) std::printf("%s\n", std::string(each.name).c_str());
    std::exit(0);
  }
  target = &mom::fuzz::find_target(targets, name);
  mom::set_quiet(true);
  at::set_num_threads(1);
  if (const char* const folder = std::getenv("MOM_FUZZ_SEEDS")) {
    int count = 0;
    for (const std::string& seed : target->seeds())
      mom::publish_file(mom::Path(folder) / ("seed-" + std::to_string(count++)), seed);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  mom::fuzz::run(*target, {reinterpret_cast<const char*>(bytes), count});
  return 0;
}
