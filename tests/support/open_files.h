#pragma once

#include <cstdint>
#include <filesystem>
#include <iterator>

namespace mom::test {

// File descriptors of this process, with one for the listing.
inline int64_t num_open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return std::distance(begin(files), end(files));
}

}  // namespace mom::test
