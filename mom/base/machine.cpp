#include "mom/base/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "mom/base/error.h"
#include "mom/base/processor.h"
#include "mom/base/progress.h"

#ifndef MOM_TORCH_VERSION
#define MOM_TORCH_VERSION "unknown"
#endif
#ifndef MOM_BUILD
#define MOM_BUILD "unknown"
#endif

// jemalloc's door to its statistics and settings, where the program is linked with it.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old_value, size_t* old_size, void* new_value,
                                     size_t new_size);

namespace mom {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kLeastMemory = 2 * kGiB;  // what the quickstart needs, with room to spare
constexpr uint64_t kLeastDisk = 2 * kGiB;    // the quickstart's data, codecs and two runs

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// The value of the first "key : value" line with this key, in files such as /proc/cpuinfo; empty when there is none.
std::string proc_value(const std::string& file, const std::string& key) {
  std::istringstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && trimmed(line.substr(0, colon)) == key)
      return trimmed(line.substr(colon + 1));
  }
  return "";
}

std::string read_or_empty(const Path& path) {
  try {
    return read_file(path, 1 << 24);
  } catch (const InputError&) {
    return "";
  }
}

void read_processor(MachineFacts& facts) {
  facts.processor = processor_name();
  if (facts.processor.empty()) facts.processor = proc_value(read_or_empty("/proc/cpuinfo"), "model name");
  if (facts.processor.empty()) facts.processor = "unknown";
  facts.features = processor_features();
  facts.cores = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  facts.threads_allowed = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : facts.cores;
}

uint64_t meminfo_bytes(const std::string& info, const std::string& key) {
  return std::strtoull(proc_value(info, key).c_str(), nullptr, 10) * 1024;  // "12345 kB"
}

void read_memory(MachineFacts& facts) {
  const std::string info = read_or_empty("/proc/meminfo");
  facts.memory_bytes = meminfo_bytes(info, "MemTotal");
  facts.memory_free_bytes = meminfo_bytes(info, "MemAvailable");
}

void apply_limits(MachineFacts& facts, const CgroupLimits& limits) {
  if (limits.cpus > 0)
    facts.threads_allowed =
        std::min(facts.threads_allowed, std::max(1, static_cast<int>(std::ceil(limits.cpus))));
  if (limits.memory_bytes == 0 || limits.memory_bytes >= facts.memory_bytes) return;
  facts.memory_bytes = limits.memory_bytes;
  const uint64_t used = std::min(limits.memory_used_bytes, limits.memory_bytes);
  facts.memory_free_bytes = std::min(facts.memory_free_bytes, limits.memory_bytes - used);
}

// The number in a control file; 0 when there is no such file or it says "max" (v2) or a huge number (v1).
uint64_t control_value(const Path& file) {
  const std::string text = read_or_empty(file);
  const uint64_t value = std::strtoull(text.c_str(), nullptr, 10);
  return value >= UINT64_C(1) << 60 ? 0 : value;
}

template <class T>
void take_smaller(T& limit, T value) {
  if (value > 0 && (limit == 0 || value < limit)) limit = value;
}

// One folder of a control group: files of version 2, then of version 1.
void read_group(const Path& folder, CgroupLimits& limits) {
  double quota = 0, period = 0;
  std::istringstream(read_or_empty(folder / "cpu.max")) >> quota >> period;  // "max 100000" leaves quota 0
  if (quota > 0 && period > 0) take_smaller(limits.cpus, quota / period);
  const double old_quota = static_cast<double>(control_value(folder / "cpu.cfs_quota_us"));
  const double old_period = static_cast<double>(control_value(folder / "cpu.cfs_period_us"));
  if (old_quota > 0 && old_period > 0) take_smaller(limits.cpus, old_quota / old_period);
  const std::pair<const char*, const char*> memory[] = {{"memory.max", "memory.current"},
                                                        {"memory.limit_in_bytes", "memory.usage_in_bytes"}};
  for (const auto& [limit_file, used_file] : memory) {
    const uint64_t limit = control_value(folder / limit_file);
    if (limit == 0 || (limits.memory_bytes != 0 && limit >= limits.memory_bytes)) continue;
    limits.memory_bytes = limit;
    limits.memory_used_bytes = control_value(folder / used_file);
  }
}

}  // namespace

CgroupLimits read_cgroup_limits(const Path& root) {
  CgroupLimits limits;
  std::istringstream groups(read_or_empty(root / "proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {  // "0::/path" or "4:cpu,cpuacct:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const Path mount = root / "sys/fs/cgroup" / controllers;
    // Limits of parent groups hold as well. In a container the path may be the host's: then only the mount's own folder
    // exists.
    for (Path group = Path(line.substr(second + 1)).relative_path();; group = group.parent_path()) {
      read_group(mount / group, limits);
      if (group.empty()) break;
    }
  }
  return limits;
}

MachineFacts read_machine(const Path& folder) {
  MachineFacts facts;
  read_processor(facts);
  read_memory(facts);
  apply_limits(facts, read_cgroup_limits());
  std::error_code error;
  facts.folder = std::filesystem::weakly_canonical(folder, error).string();
  const auto space = std::filesystem::space(folder, error);
  facts.disk_free_bytes = error ? 0 : space.available;
  facts.folder_writable = ::access(folder.c_str(), W_OK) == 0;
  utsname system;
  if (::uname(&system) == 0) {
    facts.system = std::string(system.sysname) + " " + system.release + " " + system.machine;
    facts.host = system.nodename;
  }
#ifdef __clang__
  facts.compiler = "clang " __clang_version__;
#else
  facts.compiler = "g++ " __VERSION__;
#endif
  facts.build = MOM_BUILD;
  facts.libtorch = MOM_TORCH_VERSION;
  return facts;
}

OrderedJson machine_description() {
  const MachineFacts facts = read_machine(".");
  return {{"host", facts.host},
          {"system", facts.system},
          {"processor", facts.processor},
          {"features", facts.features},
          {"cores", facts.cores},
          {"threads_allowed", facts.threads_allowed},
          {"memory_bytes", facts.memory_bytes},
          {"compiler", facts.compiler},
          {"build", facts.build},
          {"libtorch", facts.libtorch}};
}

std::vector<Finding> check_machine(const MachineFacts& facts) {
  std::vector<Finding> findings;
  auto has = [&](const char* feature) {
    return std::count(facts.features.begin(), facts.features.end(), feature) != 0;
  };
  if (!facts.folder_writable)
    findings.push_back(
        {true, "the folder " + facts.folder + " cannot be written to", "change to a folder of your own"});
  if (facts.disk_free_bytes < kLeastDisk)
    findings.push_back({true,
                        "only " + format_bytes(static_cast<double>(facts.disk_free_bytes)) +
                            " are free on the disk of " + facts.folder,
                        "free " + format_bytes(kLeastDisk) + " or work on another disk"});
  if (facts.memory_free_bytes < kLeastMemory)
    findings.push_back(
        {true, "only " + format_bytes(static_cast<double>(facts.memory_free_bytes)) + " of memory are free",
         "end other programs, or raise this container's limit to " + format_bytes(kLeastMemory)});
  if (!has("avx2") && !has("asimd"))
    findings.push_back({false, "the processor has no AVX2", "expect training to be several times slower"});
  if (facts.threads_allowed < facts.cores)
    findings.push_back({false,
                        "only " + std::to_string(facts.threads_allowed) + " of " +
                            std::to_string(facts.cores) + " cores may be used (affinity or container limit)",
                        "raise the limit if more speed is wanted"});
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  if (wanted && std::atoi(wanted) > facts.threads_allowed)
    findings.push_back({false,
                        "OMP_NUM_THREADS is " + std::string(wanted) + ", but only " +
                            std::to_string(facts.threads_allowed) + " threads run at once",
                        "unset it"});
  if (facts.build != "Release")
    findings.push_back(
        {false, "this is a " + facts.build + " build", "use the preset 'release' for real runs"});
  return findings;
}

double processor_seconds() {
  struct timespec used = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

int64_t peak_rss_bytes() {
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

int64_t peak_allocator_bytes() {
  if (mallctl == nullptr) return 0;
  uint64_t epoch = 1;
  mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);  // brings the statistics up to date
  size_t bytes = 0, size = sizeof bytes;
  return mallctl("stats.resident", &bytes, &size, nullptr, 0) == 0 ? static_cast<int64_t>(bytes) : 0;
}

void give_back_freed_memory() {
  if (mallctl == nullptr) return;
  unsigned num_arenas = 0;
  size_t size = sizeof num_arenas;
  mallctl("arenas.narenas", &num_arenas, &size, nullptr, 0);
  for (const auto& [kind, after_ms] :
       {std::pair<std::string, ssize_t>{"dirty_decay_ms", 1000}, {"muzzy_decay_ms", 0}}) {
    ssize_t value = after_ms;
    mallctl(("arenas." + kind).c_str(), nullptr, nullptr, &value, sizeof value);  // those to come
    for (unsigned i = 0; i < num_arenas; ++i)  // an error: one that is not there yet
      mallctl(("arena." + std::to_string(i) + "." + kind).c_str(), nullptr, nullptr, &value, sizeof value);
  }
}

}  // namespace mom
