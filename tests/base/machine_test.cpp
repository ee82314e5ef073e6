#include "mom/base/machine.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <algorithm>

#include "mom/base/processor.h"
#include "tests/support/temp_folder.h"

namespace mom {
namespace {

void put(const Path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  test::write_file(path, content);
}

TEST(Machine, FactsAreThere) {
  const MachineFacts facts = read_machine(".");
  EXPECT_GE(facts.cores, 1);
  EXPECT_GE(facts.threads_allowed, 1);
  EXPECT_LE(facts.threads_allowed, facts.cores);
  EXPECT_GT(facts.memory_bytes, facts.memory_free_bytes);
  EXPECT_GT(facts.memory_free_bytes, 0u);
  EXPECT_GT(facts.disk_free_bytes, 0u);
  EXPECT_FALSE(facts.system.empty());
  EXPECT_FALSE(facts.processor.empty());
  EXPECT_NE(facts.libtorch, "");
  EXPECT_EQ(facts.features.empty(), false);
}

// The processor's own word against the system's, which is another machine's under an emulator.
TEST(Machine, FeaturesAreTheProcessorsOwn) {
#if defined(__x86_64__)
  std::string flags;
  for_each_line("/proc/cpuinfo", [&](std::string_view line, uint64_t) {
    if (flags.empty() && line.starts_with("flags")) flags = std::string(line) + " ";
  });
  const std::vector<std::string> found = processor_features();
  for (const char* name : {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni",
                           "amx_tile", "amx_bf16", "amx_int8"})
    EXPECT_EQ(std::count(found.begin(), found.end(), name) != 0,
              flags.find(" " + std::string(name) + " ") != std::string::npos)
        << name;
  EXPECT_NE(processor_name(), "");
#else
  GTEST_SKIP() << "NOT TESTED: x86 only";
#endif
}

TEST(Machine, AffinityCounts) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(read_machine(".").threads_allowed, 1);
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST(Machine, DescriptionIsStable) {
  const OrderedJson first = machine_description();
  EXPECT_EQ(first.dump(), machine_description().dump());
  for (const char* key :
       {"processor", "features", "cores", "threads_allowed", "memory_bytes", "compiler", "libtorch"})
    EXPECT_TRUE(first.contains(key)) << key;
}

TEST(Machine, CgroupVersion2TakesTheTightestOfAllLevels) {
  test::TempFolder root;
  put(root / "proc/self/cgroup", "0::/a/b\n");
  put(root / "sys/fs/cgroup/a/b/cpu.max", "120000 100000\n");
  put(root / "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  put(root / "sys/fs/cgroup/a/b/memory.max", "4000000000\n");
  put(root / "sys/fs/cgroup/a/b/memory.current", "1000\n");
  put(root / "sys/fs/cgroup/a/memory.max", "3000000000\n");
  put(root / "sys/fs/cgroup/a/memory.current", "2000\n");
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 1.2);
  EXPECT_EQ(limits.memory_bytes, 3000000000u);
  EXPECT_EQ(limits.memory_used_bytes, 2000u);
}

TEST(Machine, CgroupVersion1) {
  test::TempFolder root;
  put(root / "proc/self/cgroup", "4:memory:/host/path\n3:cpu,cpuacct:/\n0::/\n");
  put(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n");  // as seen inside a container
  put(root / "sys/fs/cgroup/memory/memory.usage_in_bytes", "70\n");
  put(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  put(root / "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 0.5);
  EXPECT_EQ(limits.memory_bytes, 5000u);
  EXPECT_EQ(limits.memory_used_bytes, 70u);
}

TEST(Machine, TheTightestOfBothVersionsHolds) {
  test::TempFolder root;
  put(root / "proc/self/cgroup", "4:cpu,memory:/a\n0::/b\n");
  put(root / "sys/fs/cgroup/b/cpu.max", "90000 100000\n");
  put(root / "sys/fs/cgroup/b/memory.max", "7000\n");
  put(root / "sys/fs/cgroup/cpu,memory/a/cpu.cfs_quota_us", "50000\n");
  put(root / "sys/fs/cgroup/cpu,memory/a/cpu.cfs_period_us", "100000\n");
  put(root / "sys/fs/cgroup/cpu,memory/a/memory.limit_in_bytes", "5000\n");
  put(root / "sys/fs/cgroup/cpu,memory/cpu.cfs_quota_us", "80000\n");
  put(root / "sys/fs/cgroup/cpu,memory/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 0.5);
  EXPECT_EQ(limits.memory_bytes, 5000u);
}

TEST(Machine, HalfALimitIsNone) {
  test::TempFolder root;
  put(root / "proc/self/cgroup", "3:cpu:/\n0::/\n");
  put(root / "sys/fs/cgroup/cpu.max", "50000\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(read_cgroup_limits(root.path()).cpus, 0);
}

TEST(Machine, NoLimitsWhereNoneAreSet) {
  test::TempFolder root;
  EXPECT_EQ(read_cgroup_limits(root.path()).cpus, 0);
  put(root / "proc/self/cgroup", "4:memory:/\n3:cpu:/\nnonsense\n");
  put(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = read_cgroup_limits(root.path());
  EXPECT_EQ(limits.cpus, 0);
  EXPECT_EQ(limits.memory_bytes, 0u);
}

MachineFacts fine_machine() {
  MachineFacts facts;
  facts.features = {"avx2"};
  facts.cores = facts.threads_allowed = 64;
  facts.memory_bytes = facts.memory_free_bytes = facts.disk_free_bytes = uint64_t{8} << 30;
  facts.folder_writable = true;
  facts.build = "Release";
  return facts;
}

TEST(Machine, FindingsSayWhatIsWrong) {
  EXPECT_TRUE(check_machine(fine_machine()).empty());
  const std::pair<void (*)(MachineFacts&), bool> faults[] = {
      {[](MachineFacts& facts) { facts.folder_writable = false; }, true},
      {[](MachineFacts& facts) { facts.disk_free_bytes = 1000; }, true},
      {[](MachineFacts& facts) { facts.memory_free_bytes = 1000; }, true},
      {[](MachineFacts& facts) { facts.features.clear(); }, false},
      {[](MachineFacts& facts) { facts.cores = 128; }, false},
      {[](MachineFacts& facts) { facts.build = "Debug"; }, false}};
  for (const auto& [break_it, fatal] : faults) {
    MachineFacts facts = fine_machine();
    break_it(facts);
    const auto findings = check_machine(facts);
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].fatal, fatal) << findings[0].problem;
    EXPECT_FALSE(findings[0].next.empty());
  }
}

TEST(Machine, MoreThreadsThanCoresAreFound) {
  const char* before = std::getenv("OMP_NUM_THREADS");
  const std::string kept = before ? before : "";
  ::setenv("OMP_NUM_THREADS", "65", 1);
  const auto findings = check_machine(fine_machine());
  ::setenv("OMP_NUM_THREADS", "64", 1);
  EXPECT_TRUE(check_machine(fine_machine()).empty());
  before ? ::setenv("OMP_NUM_THREADS", kept.c_str(), 1) : ::unsetenv("OMP_NUM_THREADS");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_FALSE(findings[0].fatal);
  EXPECT_EQ(findings[0].problem, "OMP_NUM_THREADS is 65, but only 64 threads run at once");
}

TEST(Machine, AnOtherArchitectureNeedsNoAvx2) {
  MachineFacts facts = fine_machine();
  facts.features = {"asimd"};
  EXPECT_TRUE(check_machine(facts).empty());
}

}  // namespace
}  // namespace mom
