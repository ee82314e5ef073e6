// GGUF files, version 3, as llama.cpp reads them: a table of keys and values, then tensors, each aligned to 32 bytes.
// Little-endian. Written only. Source: ggml's docs/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::formats {

class GgufFile {
 public:
  void set(std::string_view key, uint32_t value);
  void set(std::string_view key, float value);
  void set(std::string_view key, bool value);
  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, const std::vector<std::string>& values);
  void set(std::string_view key, const std::vector<float>& values);
  void set(std::string_view key, const std::vector<int32_t>& values);
  // An f32 tensor, its last dimension the fastest, as in PyTorch. The bytes must stay valid until publish() returns.
  void add_tensor(std::string name, std::vector<int64_t> shape, std::span<const std::byte> bytes);
  void publish(const Path& path) const;

 private:
  enum class Type : uint32_t { kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
    std::span<const std::byte> bytes;
  };
  std::string& begin(std::string_view key, Type type);
  std::string& begin_array(std::string_view key, Type type, size_t count);
  std::string pairs_;
  uint64_t num_pairs_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace mom::formats
