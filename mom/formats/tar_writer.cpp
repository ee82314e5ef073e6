// Written by hand, not through libarchive: the content's offset must be known exactly, and names are bytes
// whatever the locale.
#include <cstdio>
#include <cstring>

#include "mom/base/error.h"
#include "mom/formats/tar.h"

namespace mom::formats {
namespace {

// POSIX.1-1988 ustar header.
struct UstarHeader {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
      version[2];
  char user[32], group[32], device_major[8], device_minor[8], prefix[155], padding[12];
};
static_assert(sizeof(UstarHeader) == kTarBlockBytes);

std::string header(std::string_view name, std::string_view prefix, uint64_t size, char type) {
  UstarHeader block = {};
  name.copy(block.name, sizeof block.name);  // unlike memcpy fine with an empty view
  prefix.copy(block.prefix, sizeof block.prefix);
  std::memcpy(block.mode, "0000644", 8);
  std::memcpy(block.uid, "0000000", 8);
  std::memcpy(block.gid, "0000000", 8);
  char octal[16];
  std::snprintf(octal, sizeof octal, "%011llo", static_cast<unsigned long long>(size));
  std::memcpy(block.size, octal, sizeof block.size);
  std::memcpy(block.mtime, "00000000000", 12);
  std::memcpy(block.checksum, "        ", 8);
  block.type = type;
  std::memcpy(block.magic, "ustar", 6);
  std::memcpy(block.version, "00", 2);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&block);
  unsigned sum = 0;
  for (size_t i = 0; i < kTarBlockBytes; ++i) sum += bytes[i];
  std::snprintf(octal, sizeof octal, "%06o", sum);
  std::memcpy(block.checksum, octal, 7);  // six digits, NUL, and the space that is there
  return std::string(reinterpret_cast<const char*>(&block), kTarBlockBytes);
}

// "LENGTH path=NAME\n", where LENGTH counts itself.
std::string pax_path(std::string_view name) {
  const std::string rest = " path=" + std::string(name) + "\n";
  size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

bool is_ascii(std::string_view name) {
  for (const char c : name)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

// The slash at which a long name splits into prefix and name; npos when it does not fit.
size_t split_point(std::string_view name) {
  for (size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1))
    if (slash > 0 && slash <= 155 && name.size() - slash - 1 <= 100 && slash + 1 < name.size()) return slash;
  return std::string_view::npos;
}

}  // namespace

struct TarWriter::State {
  explicit State(const Path& target) : path(target), file(target) {}
  void add_block_aligned(std::string_view bytes) {
    file.write(bytes);
    file.write(std::string((kTarBlockBytes - bytes.size() % kTarBlockBytes) % kTarBlockBytes, '\0'));
  }
  Path path;
  FileWriter file;
  bool closed = false;
};

TarWriter::TarWriter(const Path& path) : state_(std::make_unique<State>(path)) {}
TarWriter::~TarWriter() = default;

uint64_t TarWriter::add(std::string_view name, std::string_view content) {
  if (name.empty() || name.find('\0') != std::string_view::npos || content.size() >= uint64_t{1} << 33)
    throw UserError({state_->path.string(), "an entry with a name and less than 8 GiB",
                     "\"" + std::string(name) + "\" with " + std::to_string(content.size()) + " bytes", ""});
  const size_t slash = name.size() > 100 ? split_point(name) : std::string_view::npos;
  std::string_view short_name = name, prefix;
  if (slash != std::string_view::npos) {
    prefix = name.substr(0, slash);
    short_name = name.substr(slash + 1);
  } else if (name.size() > 100 || !is_ascii(name)) {
    const std::string record = pax_path(name);
    state_->file.write(header("pax", "", record.size(), 'x'));
    state_->add_block_aligned(record);
    short_name = name.substr(0, 100);  // for readers that do not know pax
  }
  state_->file.write(header(short_name, prefix, content.size(), '0'));
  const uint64_t offset = state_->file.position();
  state_->add_block_aligned(content);
  return offset;
}

void TarWriter::close() {
  if (state_->closed) return;
  state_->file.write(std::string(2 * kTarBlockBytes, '\0'));
  state_->file.close();
  state_->closed = true;
}

}  // namespace mom::formats
