#include "mom/formats/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>

#include "mom/base/error.h"

namespace mom::formats {
namespace {

// Castagnoli polynomial, reflected.
constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

// TFRecord stores checksums rotated and shifted, so that a checksum of checksums stays useful.
uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xa282ead8u;
}

template <class T>
std::string little_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// Protocol buffers, encoding side: a message is its fields one after another, each a key (number, wire type)
// and a value.
class Message {
 public:
  Message& varint(int field, uint64_t value) {
    key(field, 0);
    put(value);
    return *this;
  }
  Message& fixed64(int field, double value) {
    key(field, 1);
    bytes_ += little_endian(value);
    return *this;
  }
  Message& fixed32(int field, float value) {
    key(field, 5);
    bytes_ += little_endian(value);
    return *this;
  }
  Message& string(int field, std::string_view value) {
    key(field, 2);
    put(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return string(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int wire_type) {
    put(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire_type));
  }
  void put(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// A name no earlier run took: two runs within one second differ by the counter.
Path new_event_file(const Path& folder) {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  const std::string base =
      "events.out.tfevents." + std::to_string(static_cast<int64_t>(unix_seconds())) + "." + host;
  Path path = folder / base;
  for (int i = 1; std::filesystem::exists(path); ++i) path = folder / (base + "." + std::to_string(i));
  return path;
}

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5;
}
namespace value {
constexpr int kTag = 1, kSimpleValue = 2;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

// Records are buffered and written by flush(): a reader does not see half a record for long, and a crash loses little.
struct TensorboardWriter::State {
  explicit State(const Path& folder) : path(new_event_file(folder)), file(path) {}

  void record(const std::string& bytes) {
    const std::string length = little_endian<uint64_t>(bytes.size());
    file.write(length);
    file.write(little_endian(masked_crc32c(length)));
    file.write(bytes);
    file.write(little_endian(masked_crc32c(bytes)));
  }
  void summary(int64_t step, const Message& summary_value) {
    Message event, summary;
    summary.message(1, summary_value);
    event.fixed64(event::kWallTime, unix_seconds()).varint(event::kStep, static_cast<uint64_t>(step));
    record(event.message(event::kSummary, summary).bytes());
  }

  Path path;
  FileWriter file;
};

TensorboardWriter::TensorboardWriter(const Path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw ResourceError(folder.string() + ": cannot be made: " + error.message());
  state_ = std::make_unique<State>(folder);
  Message version;
  version.fixed64(event::kWallTime, unix_seconds()).string(event::kFileVersion, "brain.Event:2");
  state_->record(version.bytes());
  flush();
}

TensorboardWriter::~TensorboardWriter() {
  try {
    flush();
  } catch (const std::exception&) {
    // The caller learns of a full disk from flush(); a destructor cannot report it.
  }
}

void TensorboardWriter::scalar(std::string_view tag, int64_t step, double number) {
  Message scalar;
  state_->summary(step,
                  scalar.string(value::kTag, tag).fixed32(value::kSimpleValue, static_cast<float>(number)));
}

void TensorboardWriter::flush() { state_->file.flush(); }

}  // namespace mom::formats
