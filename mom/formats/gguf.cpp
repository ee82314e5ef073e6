#include "mom/formats/gguf.h"

#include <bit>

#include "mom/base/rounding.h"

namespace mom::formats {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kGgufAlignment = 32;
constexpr uint32_t kGgufVersion = 3, kF32Tensor = 0;

template <class T>
void append_bytes(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_gguf_text(std::string& to, std::string_view text) {
  append_bytes(to, static_cast<uint64_t>(text.size()));
  to += text;
}

uint64_t gguf_aligned(uint64_t bytes) { return round_up(bytes, kGgufAlignment); }

void write_gguf_padding(FileWriter& writer, uint64_t bytes) {
  writer.write(std::string(gguf_aligned(bytes) - bytes, '\0'));
}

}  // namespace

std::string& GgufFile::begin(std::string_view key, Type type) {
  ++num_pairs_;
  append_gguf_text(pairs_, key);
  append_bytes(pairs_, static_cast<uint32_t>(type));
  return pairs_;
}

std::string& GgufFile::begin_array(std::string_view key, Type type, size_t count) {
  begin(key, Type::kArray);
  append_bytes(pairs_, static_cast<uint32_t>(type));
  append_bytes(pairs_, static_cast<uint64_t>(count));
  return pairs_;
}

void GgufFile::set(std::string_view key, uint32_t value) { append_bytes(begin(key, Type::kU32), value); }
void GgufFile::set(std::string_view key, float value) { append_bytes(begin(key, Type::kF32), value); }
void GgufFile::set(std::string_view key, bool value) {
  append_bytes(begin(key, Type::kBool), static_cast<uint8_t>(value));
}
void GgufFile::set(std::string_view key, std::string_view value) {
  append_gguf_text(begin(key, Type::kString), value);
}

void GgufFile::set(std::string_view key, const std::vector<std::string>& values) {
  std::string& to = begin_array(key, Type::kString, values.size());
  for (const std::string& value : values) append_gguf_text(to, value);
}

void GgufFile::set(std::string_view key, const std::vector<float>& values) {
  std::string& to = begin_array(key, Type::kF32, values.size());
  for (const float value : values) append_bytes(to, value);
}

void GgufFile::set(std::string_view key, const std::vector<int32_t>& values) {
  std::string& to = begin_array(key, Type::kI32, values.size());
  for (const int32_t value : values) append_bytes(to, value);
}

void GgufFile::add_tensor(std::string name, std::vector<int64_t> shape, std::span<const std::byte> bytes) {
  tensors_.push_back({std::move(name), std::move(shape), bytes});
}

void GgufFile::publish(const Path& path) const {
  std::string header = "GGUF";
  append_bytes(header, kGgufVersion);
  append_bytes(header, static_cast<uint64_t>(tensors_.size()));
  append_bytes(header, num_pairs_);
  header += pairs_;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    append_gguf_text(header, tensor.name);
    append_bytes(header, static_cast<uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size)
      append_bytes(header, static_cast<uint64_t>(*size));
    append_bytes(header, kF32Tensor);
    append_bytes(header, offset);
    offset += gguf_aligned(tensor.bytes.size());
  }
  publish_with(path, [&](const Path& aside) {
    FileWriter writer(aside);
    writer.write(header);
    write_gguf_padding(writer, header.size());
    for (const Tensor& tensor : tensors_) {
      writer.write(tensor.bytes.data(), tensor.bytes.size());
      write_gguf_padding(writer, tensor.bytes.size());
    }
    writer.close();
  });
}

}  // namespace mom::formats
