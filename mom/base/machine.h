// What this machine offers: processor, cores, memory, disk, and how the program was built. For `mom doctor`,
// for environment.json in a run folder, and for benchmark headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom {

struct MachineFacts {
  std::string processor;              // its own name where it has one, else the system's
  std::vector<std::string> features;  // processor_features()
  int cores = 0;                      // logical processors online
  int threads_allowed = 0;    // at most this many run at once: affinity mask and cgroup quota, rounded up
  uint64_t memory_bytes = 0;  // installed, or the cgroup's limit where that is less
  uint64_t memory_free_bytes = 0;  // available without swapping, within the same limit
  uint64_t disk_free_bytes = 0;    // at `folder`
  bool folder_writable = false;
  std::string folder, system, host, compiler, build, libtorch;
};

MachineFacts read_machine(const Path& folder);

// The same as JSON, without what changes from minute to minute (free memory and disk).
OrderedJson machine_description();

// Processor seconds this process has used so far, all its threads together.
double processor_seconds();

// The most memory this process has had resident so far.
int64_t peak_rss_bytes();

// The most memory this process's allocator has had from the system so far, whether or not the system has taken pages
// back since (jemalloc with pages kept, as the program sets it). 0 where the allocator is another.
int64_t peak_allocator_bytes();

// From now on freed pages go back to the system after a second, where the program keeps them otherwise (apps/memory_settings.cpp):
// for a process that lives long and does something else all the time. Nothing where the allocator is another.
void give_back_freed_memory();

struct Finding {
  bool fatal;           // false: slower or odd, but it works
  std::string problem;  // what is wrong
  std::string next;     // what to do about it
};
std::vector<Finding> check_machine(const MachineFacts& facts);

// Limits of the control groups this process is in, versions 1 and 2; 0 = none. `root` stands for "/" (tests
// use another).
struct CgroupLimits {
  double cpus = 0;
  uint64_t memory_bytes = 0, memory_used_bytes = 0;
};
CgroupLimits read_cgroup_limits(const Path& root = "/");

}  // namespace mom
