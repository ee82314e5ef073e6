// The only place that fsyncs and renames. What is published is whole or absent, also after a power cut.
// I/O failures throw: ENOENT and damaged content InputError (3), ENOSPC/EDQUOT/EACCES on writing ResourceError (4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mom {

using Path = std::filesystem::path;

std::string read_file(const Path& path, uint64_t max_bytes = UINT64_C(1) << 34);

// Writes aside in the same folder, fsyncs, renames over `path`, fsyncs the folder.
void publish_file(const Path& path, std::string_view content);

// The same for content that is written by name: `write` makes the file `aside`, which then replaces `path`.
void publish_with(const Path& path, const std::function<void(const Path& aside)>& write);

// A folder that appears whole by rename: files are written into path() (a hidden sibling of `target`), then
// commit() fsyncs every file and folder and renames. An existing target is replaced only when `replace` is
// set (moved aside first, then removed). Not committed = removed by the destructor. Leftovers of dead
// processes are removed by the next one. Folders above the target are made; an existing empty folder counts
// as absent; otherwise UserError without `replace`.
class FolderPublisher {
 public:
  FolderPublisher(Path target, bool replace);
  ~FolderPublisher();
  FolderPublisher(const FolderPublisher&) = delete;
  FolderPublisher& operator=(const FolderPublisher&) = delete;
  const Path& path() const { return aside_; }
  void commit();

 private:
  struct State;
  Path target_, aside_;
  bool replace_, committed_ = false;
  std::unique_ptr<State> state_;
};

// Makes a folder and those above it that are missing, each so that its name survives a power cut; whether there were any.
bool make_folders(const Path& folder);

// A folder that goes as a whole: renamed to a hidden sibling, then removed.
void remove_folder(const Path& folder);

// What dead processes left in `folder` that they were writing aside or removing, whatever its name was to be.
void remove_leftovers_in(const Path& folder);

// Puts back a folder that a process moved away to replace it and died before its successor was in place (only
// on file systems that cannot exchange two names at once). Readers call it before they say that `target` is missing.
void recover_folder(const Path& target);

// A file being written in order; every write is checked. close() fsyncs. Not atomic by itself: use inside a
// FolderPublisher or follow with publish semantics of the caller.
class FileWriter {
 public:
  explicit FileWriter(const Path& path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(const void* data, size_t num_bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  uint64_t position() const { return position_; }
  void flush();  // hands what is buffered to the system, without fsync
  void close();

 private:
  Path path_;
  int fd_ = -1;
  uint64_t position_ = 0;
  std::string buffer_;
};

// A whole file mapped read-only. The mapping lives as long as the object.
class MappedFile {
 public:
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const Path& path() const { return path_; }

 private:
  Path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Copies a file, or a folder with all that is in it, over what is there.
void copy_tree(const Path& from, const Path& to);

// Appends whole lines to a log such as metrics.jsonl. On opening for append a torn last line (no newline) is cut off;
// the name of a new file is synced, its lines are by sync().
class LineAppender {
 public:
  explicit LineAppender(const Path& path);
  ~LineAppender();
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;
  void append(std::string_view line);  // adds the newline; one write(2)
  void sync();

 private:
  Path path_;
  int fd_ = -1;
};

// Lines of a text file one by one, without loading it whole. Strips "\r". Line numbers start at 1.
void for_each_line(const Path& path,
                   const std::function<void(std::string_view line, uint64_t line_number)>& visit);

}  // namespace mom
