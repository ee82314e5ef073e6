#include "mom/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/files_internal.h"
#include "mom/base/lines.h"

namespace mom {
namespace files_internal {

void fail_reading(const Path& path, int error) {
  throw InputError(path.string() + ": cannot be read: " + std::strerror(error));
}

void fail_writing(const Path& path, int error) {
  const std::string message = path.string() + ": cannot be written: " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) throw InputError(message);
  if (error == ENOSPC || error == EDQUOT) throw ResourceError(message + "; free some space and run again");
  throw ResourceError(message);
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

Descriptor open_for_reading(const Path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail_reading(path, errno);
  return fd;
}

uint64_t checked_size(const Descriptor& fd, const Path& path) {
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) fail_reading(path, errno);
  if (S_ISDIR(status.st_mode)) throw InputError({path.string(), "a file", "a folder", ""});
  return static_cast<uint64_t>(status.st_size);
}

size_t read_some(int fd, char* data, size_t size, const Path& path) {
  for (;;) {
    const ssize_t got = ::read(fd, data, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) fail_reading(path, errno);
  }
}

void write_all(int fd, std::string_view bytes, const Path& path) {
  while (!bytes.empty()) {
    const ssize_t done = uninterrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (done < 0) fail_writing(path, errno);
    bytes.remove_prefix(static_cast<size_t>(done));
  }
}

void sync_descriptor(int fd, const Path& path) {
  // Pipes, /dev/null and some network file systems have nothing to sync: EINVAL.
  if (uninterrupted([&] { return ::fsync(fd); }) != 0 && errno != EINVAL) fail_writing(path, errno);
}

void sync_path(const Path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail_writing(path, errno);
  sync_descriptor(fd.get(), path);
}

}  // namespace files_internal

using namespace files_internal;

namespace {
constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr size_t kMaxLineBytes = size_t{1} << 28;
}  // namespace

std::string read_file(const Path& path, uint64_t max_bytes) {
  const Descriptor fd = open_for_reading(path);
  const uint64_t size = checked_size(fd, path);
  auto too_large = [&] {
    throw InputError({path.string(), "at most " + std::to_string(max_bytes) + " bytes", "more", ""});
  };
  if (size > max_bytes) too_large();
  std::string content;
  // One byte more than the stated size, so that a regular file ends within the first read; pipes state 0 and grow.
  size_t room = static_cast<size_t>(size) + 1;
  for (size_t used = 0;;) {
    content.resize(used + room);
    const size_t got = read_some(fd.get(), content.data() + used, room, path);
    used += got;
    content.resize(used);
    if (got == 0) return content;
    if (used > max_bytes) too_large();
    room = used > size ? kBufferBytes : static_cast<size_t>(size - used) + 1;
  }
}

FileWriter::FileWriter(const Path& path) : path_(path) {
  fd_ = uninterrupted([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666); });
  if (fd_ < 0) fail_writing(path, errno);
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void FileWriter::write(const void* data, size_t num_bytes) {
  const std::string_view bytes(static_cast<const char*>(data), num_bytes);
  if (fd_ < 0) throw Error(ExitCode::kInternal, path_.string() + ": written to after close");
  if (buffer_.size() + num_bytes > kBufferBytes) {
    write_all(fd_, std::exchange(buffer_, {}), path_);
    if (num_bytes > kBufferBytes) {
      write_all(fd_, bytes, path_);
      position_ += num_bytes;
      return;
    }
  }
  buffer_.append(bytes);
  position_ += num_bytes;
}

void FileWriter::flush() { write_all(fd_, std::exchange(buffer_, {}), path_); }

void FileWriter::close() {
  if (fd_ < 0) return;
  flush();
  sync_descriptor(fd_, path_);
  if (::close(std::exchange(fd_, -1)) != 0) fail_writing(path_, errno);
}

MappedFile::MappedFile(const Path& path) : path_(path) {
  const Descriptor fd = open_for_reading(path);
  size_ = static_cast<size_t>(checked_size(fd, path));
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) fail_reading(path, errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

namespace {

// Length of the file up to and with its last newline.
off_t whole_lines(int fd, off_t size, const Path& path) {
  std::string block(1 << 16, '\0');
  while (size > 0) {
    const off_t begin = size > static_cast<off_t>(block.size()) ? size - static_cast<off_t>(block.size()) : 0;
    const ssize_t got = ::pread(fd, block.data(), static_cast<size_t>(size - begin), begin);
    if (got != size - begin) fail_reading(path, got < 0 ? errno : EIO);
    const size_t newline = std::string_view(block.data(), static_cast<size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) return begin + static_cast<off_t>(newline) + 1;
    size = begin;
  }
  return 0;
}

}  // namespace

void copy_tree(const Path& from, const Path& to) {
  if (!std::filesystem::is_directory(from)) {
    FileWriter copy(to);
    copy.write(read_file(from));
    return copy.close();
  }
  std::error_code error;
  std::filesystem::create_directories(to, error);
  if (error) fail_writing(to, error.value());
  for (const auto& entry : std::filesystem::directory_iterator(from, error))
    copy_tree(entry.path(), to / entry.path().filename());
  if (error) fail_reading(from, error.value());
}

LineAppender::LineAppender(const Path& path) : path_(path) {
  const bool is_new = !std::filesystem::exists(path);
  Descriptor fd(
      uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666); }));
  if (fd.get() < 0) fail_writing(path, errno);
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) fail_reading(path, errno);
  if (S_ISREG(status.st_mode)) {
    const off_t whole = whole_lines(fd.get(), status.st_size, path);
    if (whole != status.st_size && uninterrupted([&] { return ::ftruncate(fd.get(), whole); }) != 0)
      fail_writing(path, errno);
    if (is_new) sync_path(path.has_parent_path() ? path.parent_path() : Path("."));
  }
  fd_ = fd.release();
}

LineAppender::~LineAppender() { ::close(fd_); }

void LineAppender::append(std::string_view line) {
  const std::string bytes = std::string(line) + '\n';
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t done =
        uninterrupted([&] { return ::write(fd_, bytes.data() + written, bytes.size() - written); });
    if (done > 0) {
      written += static_cast<size_t>(done);
      continue;
    }
    const int error = done < 0 ? errno : ENOSPC;
    if (written > 0) {  // a torn line: take it back, so that the log stays readable
      const off_t end = ::lseek(fd_, 0, SEEK_END), torn = static_cast<off_t>(written);
      if (end >= torn && uninterrupted([&] { return ::ftruncate(fd_, end - torn); }) != 0)
        fail_writing(path_, errno);
    }
    fail_writing(path_, error);
  }
}

void LineAppender::sync() { sync_descriptor(fd_, path_); }

void for_each_line(const Path& path,
                   const std::function<void(std::string_view line, uint64_t line_number)>& visit) {
  const Descriptor fd = open_for_reading(path);
  checked_size(fd, path);
  LineSplitter lines(kMaxLineBytes, visit, [&](uint64_t line_number) {
    throw InputError({path.string() + ":" + std::to_string(line_number),
                      "a line of at most " + std::to_string(kMaxLineBytes) + " bytes", "a longer one", ""});
  });
  std::string block(kBufferBytes, '\0');
  for (size_t got; (got = read_some(fd.get(), block.data(), block.size(), path)) > 0;)
    lines.add(std::string_view(block.data(), got));
  lines.finish();
}

}  // namespace mom
