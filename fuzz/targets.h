// What reads bytes from outside, one target for each format: any bytes give a result or an error of ours that is not a
// defect (base/error.h). libFuzzer looks for bytes that do not (libfuzzer.cpp); what it found is kept in regressions/TARGET/
// and replayed by the tests, together with small changes of the seeds (tests/fuzz).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::fuzz {

struct Target {
  std::string_view name;
  // Reads the bytes; throws what the reader throws. std::logic_error where a property does not hold.
  void (*read)(std::string_view bytes);
  std::vector<std::string> (*seeds)();  // small ones of our own, which are read without error
};

std::span<const Target> targets();
// std::out_of_range: there is none.
const Target& find_target(std::string_view name);
const Target& find_target(std::span<const Target> among, std::string_view name);

// Reads the bytes as `target`. Comes back with the error that a user would see, or empty. Anything else that is thrown is a
// defect and goes on to the caller.
std::string run(const Target& target, std::string_view bytes);

// The targets of each source file.
std::vector<Target> format_targets();
std::vector<Target> media_targets();
std::vector<Target> text_targets();
std::vector<Target> recipe_targets();
std::vector<Target> import_targets();
std::vector<Target> model_targets();
std::vector<Target> request_targets();

// A file in memory, for readers that want a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes, std::string_view extension = "");
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const Path& path() const { return path_; }

 private:
  int descriptor_;
  Path path_;
};
// What a writer leaves in a file.
std::string written(const std::function<void(const Path&)>& write);
// A file of the source tree, which MOM_SOURCE names; else the current folder.
std::string source_file(const char* name);
// std::logic_error unless it holds.
void expect(bool holds, const char* what);

}  // namespace mom::fuzz
