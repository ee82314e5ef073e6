// Tar files through libarchive, read in order, written without timestamps or owners (same input, same bytes).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mom/base/files.h"

namespace mom::formats {

inline constexpr size_t kTarBlockBytes = 512;  // headers and members begin at multiples of it

struct TarEntry {
  enum class Kind { kFile, kHardLink, kSymbolicLink, kSpecial };  // special: a device, pipe or socket
  std::string name;                                               // bytes, in no stated encoding
  Kind kind = Kind::kFile;
  std::string
      link;  // of links: the name of another entry (hard), or a path from this entry's folder (symbolic)
  uint64_t data_offset = 0;  // byte of the content in an uncompressed tar, 0 when compressed
  std::string content;
};

struct TarLimits {
  uint64_t max_entry_bytes = uint64_t{1} << 30;
};

// Visits all entries except folders, in order. .tar, .tar.gz, .tar.xz, .tar.zst. A truncated or damaged archive throws
// InputError naming the file, the last good entry and the byte; entries before it have been visited. visit
// returns false to stop. Sparse files are whole in `content`.
void read_tar(const Path& path, const std::function<bool(TarEntry&&)>& visit, const TarLimits& limits = {});

// Writes an uncompressed ustar/pax archive.
class TarWriter {
 public:
  explicit TarWriter(const Path& path);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  // Returns the byte at which the content starts: with the size it is enough to read the file back without
  // parsing the tar.
  uint64_t add(std::string_view name, std::string_view content);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Decompresses a .gz/.dz/.xz/.zst file block by block. A damaged or truncated one throws InputError after what is good.
void read_compressed_blocks(const Path& path, const std::function<void(std::string_view block)>& visit);
// The whole content.
std::string read_compressed(const Path& path, uint64_t max_bytes = uint64_t{1} << 31);

}  // namespace mom::formats
