// safetensors (https://github.com/huggingface/safetensors, format section): 8-byte little-endian header length, JSON
// header {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}}, then the bytes, without gaps or
// overlap. The reader checks all of it before it hands anything out: sizes against the file, overlap, gaps, duplicate
// names, overflow.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::formats {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };
size_t dtype_bytes(DType dtype);
const char* dtype_name(DType dtype);  // "F32", "BF16", ...

struct TensorView {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  int64_t numel() const;
};

// A file mapped into memory; views stay valid as long as the reader lives.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const Path& path);  // InputError names file and byte
  const Path& path() const { return file_->path(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  const TensorView& get(const std::string& name) const;  // InputError: no such tensor, with the nearest name
  // As get, also checking dtype and rank.
  const TensorView& get(const std::string& name, DType dtype, size_t rank) const;
  // Typed bytes of a tensor whose dtype has the size of T.
  template <class T>
  std::span<const T> values(const std::string& name, DType dtype, size_t rank) const {
    const TensorView& view = get(name, dtype, rank);
    return {reinterpret_cast<const T*>(view.bytes.data()), view.bytes.size() / sizeof(T)};
  }

 private:
  void align(TensorView& view);

  std::shared_ptr<MappedFile> file_;
  std::vector<std::shared_ptr<std::byte[]>> aligned_copies_;  // of tensors that lie unaligned in the file
  std::map<std::string, std::string> metadata_;
  std::map<std::string, TensorView> tensors_;
};

struct TensorToWrite {
  std::string name;
  TensorView view;  // bytes must stay valid until write returns
  // Gives the bytes in place of view's when their turn in the file comes, so that not all need to be in memory at once.
  std::function<std::span<const std::byte>()> fetch = nullptr;
};
// The order that they have in a file: by the size of their dtype, the widest first, then by name.
std::vector<const TensorToWrite*> in_file_order(const std::vector<TensorToWrite>& tensors);

// Deterministic: same input, same file, byte for byte (tensors by dtype alignment then name, metadata sorted,
// header padded to 8). Writes in order through FileWriter and fsyncs; publish by writing into a
// FolderPublisher or with publish_safetensors.
void write_safetensors(const Path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata);
// The same, aside then renamed.
void publish_safetensors(const Path& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace mom::formats
