#include "mom/formats/tar.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/rounding.h"

namespace mom::formats {
namespace {

constexpr size_t kChunk = size_t{1} << 18;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

// libarchive may fail without a word, as at a gzip header that ends.
std::string problem_of(const Archive& reader) {
  const char* const text = archive_error_string(reader.get());
  return text ? text : "damaged data";
}

Archive open_archive(const Path& path, bool raw) {
  MappedFile check(path);  // reports "no such file" or "a folder" as our errors do
  if (check.bytes().empty())
    throw InputError({path.string(), raw ? "a compressed file" : "a tar file", "an empty file", ""});
  Archive reader(archive_read_new(), archive_read_free);
  if (!reader) throw std::bad_alloc();
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  if (raw) {
    archive_read_support_format_raw(reader.get());
  } else {
    archive_read_support_format_tar(reader.get());
    // Tars joined with `cat` are read to the end, and what follows the end marker is not ignored.
    archive_read_set_options(reader.get(), "tar:read_concatenated_archives=1");
  }
  if (archive_read_open_filename(reader.get(), path.c_str(), kChunk) != ARCHIVE_OK)
    throw InputError(path.string() + ": cannot be read: " + problem_of(reader));
  return reader;
}

bool compressed(const Archive& reader) { return archive_filter_code(reader.get(), 0) != ARCHIVE_FILTER_NONE; }

class TarReader {
 public:
  TarReader(const Path& path, const TarLimits& limits)
      : path_(path), limits_(limits), reader_(open_archive(path, false)), file_(path) {}

  void run(const std::function<bool(TarEntry&&)>& visit) {
    archive_entry* header = nullptr;
    for (;;) {
      const int status = archive_read_next_header(reader_.get(), &header);
      if (status == ARCHIVE_EOF) return check_end();
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) fail("an entry's header", problem());
      TarEntry entry;
      if (!describe(header, entry)) continue;
      if (entry.kind == TarEntry::Kind::kFile) {
        entry.content =
            content(entry.name, static_cast<uint64_t>(std::max<int64_t>(0, archive_entry_size(header))));
        entry.data_offset = data_offset(entry.content);
      }
      std::string name = entry.name;
      if (!visit(std::move(entry))) return;
      last_good_ = std::move(name);
    }
  }

 private:
  // Where the fault is: the byte at which the damaged entry starts.
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    const std::string where = path_.string() + ": byte " + std::to_string(position()) +
                              (compressed(reader_) ? " (uncompressed)" : "") +
                              (last_good_.empty() ? ", the first entry" : ", after \"" + last_good_ + "\"");
    throw InputError({where, expected, found, ""});
  }
  std::string problem() const { return problem_of(reader_); }
  int64_t position() const { return archive_read_header_position(reader_.get()); }

  using Text = const char*(archive_entry*);
  // libarchive keeps a name as bytes or, when the C locale cannot hold it, as UTF-8.
  std::string text_of(archive_entry* header, Text* bytes, Text* utf8, const char* what) const {
    const char* text = bytes(header);
    if (!text) text = utf8(header);
    if (!text) fail(what, "one that cannot be read");
    return text;
  }

  // False for a folder.
  bool describe(archive_entry* header, TarEntry& entry) const {
    entry.name = text_of(header, archive_entry_pathname, archive_entry_pathname_utf8, "an entry's name");
    const auto type = archive_entry_filetype(header);
    const bool is_hard_link = archive_entry_hardlink(header) || archive_entry_hardlink_utf8(header);
    if (is_hard_link && archive_entry_size(header) <= 0) {  // pax may store the content once more
      entry.kind = TarEntry::Kind::kHardLink;
      entry.link = text_of(header, archive_entry_hardlink, archive_entry_hardlink_utf8, "a link's target");
    } else if (type == AE_IFLNK) {
      entry.kind = TarEntry::Kind::kSymbolicLink;
      entry.link = text_of(header, archive_entry_symlink, archive_entry_symlink_utf8, "a link's target");
    } else if (type != AE_IFREG && !is_hard_link) {
      entry.kind = TarEntry::Kind::kSpecial;
    }
    return type != AE_IFDIR || is_hard_link;
  }

  std::string content(const std::string& name, uint64_t size) const {
    if (size > limits_.max_entry_bytes)
      fail("entries of at most " + std::to_string(limits_.max_entry_bytes) + " bytes",
           "\"" + name + "\" with " + std::to_string(size));
    std::string bytes;
    while (bytes.size() < size) {  // grows with the data that exists: a header may lie about its size
      const size_t used = bytes.size(), want = std::min<uint64_t>(size - used, std::max(kChunk, used));
      bytes.resize(used + want);
      const la_ssize_t got = archive_read_data(reader_.get(), bytes.data() + used, want);
      if (got < 0) fail("the content of \"" + name + "\"", problem());
      if (got == 0) fail(std::to_string(size) + " bytes of \"" + name + "\"", std::to_string(used));
      bytes.resize(used + static_cast<size_t>(got));
    }
    return bytes;
  }

  // libarchive reports where an entry's headers start. Its content follows the last of them: walk over pax ("x", "g")
  // and GNU ("L", "K") extension headers. The bytes there are compared, so a wrong offset (sparse files) is never
  // returned.
  uint64_t data_offset(const std::string& bytes) const {
    if (compressed(reader_)) return 0;
    const std::string_view file(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
    uint64_t at = static_cast<uint64_t>(position());
    for (;;) {
      if (at > file.size() || file.size() - at < kTarBlockBytes) return 0;
      const std::string_view block = file.substr(at, kTarBlockBytes);
      at += kTarBlockBytes;
      if (std::all_of(block.begin(), block.end(), [](char c) { return c == 0; }))
        continue;  // between joined tars
      if (std::string_view("xgLK").find(block[156]) == std::string_view::npos) break;
      uint64_t size = 0;
      for (const char c : block.substr(124, 12))
        if (c >= '0' && c <= '7') size = size * 8 + static_cast<uint64_t>(c - '0');
      at += round_up(size, kTarBlockBytes);
    }
    return at <= file.size() && file.substr(at, bytes.size()) == bytes ? at : 0;
  }

  // A tar ends with blocks of zeros. Without them it was cut off between two entries, which libarchive takes for the
  // end.
  void check_end() const {
    if (archive_filter_bytes(reader_.get(), 0) <= position())
      fail("another entry or the end marker", "the end of the file");
  }

  Path path_;
  TarLimits limits_;
  Archive reader_;
  MappedFile file_;
  std::string last_good_;
};

}  // namespace

void read_tar(const Path& path, const std::function<bool(TarEntry&&)>& visit, const TarLimits& limits) {
  TarReader(path, limits).run(visit);
}

void read_compressed_blocks(const Path& path, const std::function<void(std::string_view)>& visit) {
  const Archive reader = open_archive(path, true);
  archive_entry* header = nullptr;
  auto fail = [&](const std::string& found) {
    throw InputError({path.string(), "a .gz, .xz or .zst file", found, ""});
  };
  const auto problem = [&] { return problem_of(reader); };
  const int status = archive_read_next_header(reader.get(), &header);
  if (status == ARCHIVE_EOF) return;  // nothing was compressed
  if (status != ARCHIVE_OK) fail(problem());
  if (!compressed(reader)) fail("one that is not compressed");
  for (;;) {
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int got = archive_read_data_block(reader.get(), &data, &size, &offset);
    if (got == ARCHIVE_EOF) return;
    if (got != ARCHIVE_OK) fail(problem() + " after " + std::to_string(offset) + " bytes");
    visit(std::string_view(static_cast<const char*>(data), size));
  }
}

std::string read_compressed(const Path& path, uint64_t max_bytes) {
  std::string content;
  read_compressed_blocks(path, [&](std::string_view block) {
    content.append(block);
    if (content.size() > max_bytes)
      throw InputError({path.string(), "a .gz, .xz or .zst file",
                        "more than " + std::to_string(max_bytes) + " bytes in it", ""});
  });
  return content;
}

}  // namespace mom::formats
