// Shared by the files of mom/base that write and read: system calls with errors turned into exceptions.
#pragma once

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "mom/base/files.h"

namespace mom::files_internal {

[[noreturn]] void fail_reading(const Path& path, int error);  // InputError
[[noreturn]] void fail_writing(const Path& path,
                               int error);  // ResourceError; InputError: a folder is missing

// Makes a system call again that a signal has interrupted.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

Descriptor open_for_reading(const Path& path);
uint64_t checked_size(const Descriptor& fd, const Path& path);  // InputError for a folder
size_t read_some(int fd, char* data, size_t size, const Path& path);
void write_all(int fd, std::string_view bytes, const Path& path);
void sync_descriptor(int fd, const Path& path);
void sync_path(const Path& path);  // a file or a folder

}  // namespace mom::files_internal
