// What reads bytes from outside takes any (fuzz/targets.h): its seeds; inputs that were defects once (fuzz/regressions); and
// small changes of the seeds, the same ones in every run. Run under the sanitizers as well.
#include <gtest/gtest.h>

#include <set>

#include "fuzz/targets.h"
#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/random.h"

namespace mom::fuzz {
namespace {

Path regressions() {
  const char* const root = std::getenv("MOM_SOURCE");
  return Path(root ? root : ".") / "fuzz" / "regressions";
}

std::string mutated(std::string bytes, RandomStream& random) {
  if (bytes.empty()) return std::string(1 + random.below(4), static_cast<char>(random.below(256)));
  const size_t at = random.below(bytes.size());
  switch (random.below(8)) {
    case 0:
      return bytes.erase(at, 1 + random.below(16));
    case 1:
      return bytes.insert(at, bytes.substr(random.below(bytes.size()), 1 + random.below(16)));
    case 2:
      return bytes.substr(0, at);
    default:
      for (uint64_t flips = 1 + random.below(4); flips > 0; --flips)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      return bytes;
  }
}

class Fuzz : public testing::TestWithParam<std::string_view> {
 protected:
  static const Target& target() { return find_target(GetParam()); }
  void SetUp() override { set_quiet(true); }
  void TearDown() override { set_quiet(false); }
};

TEST_P(Fuzz, ReadsItsSeeds) {
  for (const std::string& seed : target().seeds()) {
    std::string refused;
    ASSERT_NO_THROW(refused = run(target(), seed));
    EXPECT_EQ(refused, "") << seed.substr(0, 200);
  }
}

TEST_P(Fuzz, TakesWhatWasADefect) {
  const Path folder = regressions() / target().name;
  if (!std::filesystem::exists(folder)) return;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(file.path());
    EXPECT_NO_THROW(run(target(), read_file(file.path())));
  }
}

// About a second for each target: those that write files have fewer trials.
TEST_P(Fuzz, TakesSmallChangesOfItsSeeds) {
  int refused = 0;
  const std::vector<std::string> seeds = target().seeds();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  RandomStream random(1);
  int trial = 0;
  for (; trial < 2000 * static_cast<int>(seeds.size()) &&
         (trial < 50 || std::chrono::steady_clock::now() < deadline);
       ++trial) {
    const std::string bytes = mutated(seeds[static_cast<size_t>(trial) % seeds.size()], random);
    try {
      refused += run(target(), bytes) != "";
    } catch (const std::exception& error) {
      const Path kept = std::filesystem::temp_directory_path() / ("mom-fuzz-" + std::string(target().name));
      publish_file(kept, bytes);
      FAIL() << "trial " << trial << ": " << error.what() << "; kept in " << kept;
    }
  }
  const std::set<std::string_view> takes_anything = {"tokenize", "http"};
  EXPECT_EQ(refused > 0, !takes_anything.contains(target().name)) << trial;
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> names;
  for (const Target& target : targets()) names.push_back(target.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(names()),
                         [](const auto& target) { return std::string(target.param); });

// Every folder of regressions is of a target that still exists.
TEST(FuzzTargets, RegressionsHaveATarget) {
  if (!std::filesystem::exists(regressions())) return;
  for (const auto& folder : std::filesystem::directory_iterator(regressions()))
    EXPECT_NO_THROW(find_target(folder.path().filename().string())) << folder.path();
}

}  // namespace
}  // namespace mom::fuzz
