#include "mom/formats/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/nearest.h"
#include "mom/base/rounding.h"

namespace mom::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored and mapped little-endian");

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr size_t kAlignment = 8;                   // of the data after the header, and of all views
constexpr const char* kMetadata = "__metadata__";

struct DTypeFacts {
  DType dtype;
  const char* name;
  size_t bytes;
};
constexpr DTypeFacts kDTypes[] = {
    {DType::kBool, "BOOL", 1}, {DType::kU8, "U8", 1},   {DType::kI8, "I8", 1},   {DType::kI16, "I16", 2},
    {DType::kI32, "I32", 4},   {DType::kI64, "I64", 8}, {DType::kF16, "F16", 2}, {DType::kBF16, "BF16", 2},
    {DType::kF32, "F32", 4},   {DType::kF64, "F64", 8},
};

const DTypeFacts& facts(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

struct Extent {
  uint64_t begin = 0, end = 0;
};

// One header entry, checked on its own; `check_layout` checks how entries lie relative to each other.
class EntryParser {
 public:
  EntryParser(const std::string& file, const std::string& name, const Json& entry, uint64_t data_bytes)
      : where_(file + ": tensor \"" + name + "\""), entry_(entry), data_bytes_(data_bytes) {}

  TensorView parse(Extent* extent) const {
    if (!entry_.is_object() || entry_.size() != 3 || !entry_.contains("dtype") || !entry_.contains("shape") ||
        !entry_.contains("data_offsets"))
      fail("exactly dtype, shape and data_offsets", "other keys");
    TensorView view;
    view.dtype = dtype();
    uint64_t bytes = dtype_bytes(view.dtype);
    for (const Json& size : array("shape")) {
      view.shape.push_back(static_cast<int64_t>(non_negative(size, "shape")));
      if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(view.shape.back()), &bytes))
        fail("a shape whose bytes fit 64 bits", shape_text(view.shape));
    }
    const Json& offsets = array("data_offsets");
    if (offsets.size() != 2) fail("two data_offsets", std::to_string(offsets.size()));
    *extent = {non_negative(offsets[0], "data_offsets"), non_negative(offsets[1], "data_offsets")};
    if (extent->begin > extent->end || extent->end > data_bytes_)
      fail("data_offsets within the " + std::to_string(data_bytes_) + " bytes of data", offsets.dump());
    if (extent->end - extent->begin != bytes)
      fail(std::to_string(bytes) + " bytes for " + dtype_name(view.dtype) + " " + shape_text(view.shape),
           std::to_string(extent->end - extent->begin));
    return view;
  }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw InputError({where_, expected, found, ""});
  }
  DType dtype() const {
    const Json& name = entry_["dtype"];
    for (const DTypeFacts& known : kDTypes)
      if (name == known.name) return known.dtype;
    fail("a dtype this program knows", name.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  const Json& array(const char* key) const {
    if (!entry_[key].is_array()) fail(std::string(key) + " as a list", entry_[key].type_name());
    return entry_[key];
  }
  uint64_t non_negative(const Json& value, const char* key) const {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX})
      fail(std::string(key) + " as whole numbers from 0",
           value.dump(-1, ' ', false, Json::error_handler_t::replace));
    return value.get<uint64_t>();
  }

  std::string where_;
  const Json& entry_;
  uint64_t data_bytes_;
};

// The tensors must cover the data exactly: no gap, no overlap, nothing left at the end.
void check_layout(const std::string& file, std::vector<std::pair<Extent, const std::string*>>& extents,
                  uint64_t data_bytes) {
  std::sort(extents.begin(), extents.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.begin, a.first.end) < std::pair(b.first.begin, b.first.end);
  });
  uint64_t end = 0;
  for (const auto& [extent, name] : extents) {
    if (extent.begin != end)
      throw InputError({file + ": tensor \"" + *name + "\"", "data from offset " + std::to_string(end),
                        std::to_string(extent.begin) + (extent.begin < end ? " (overlap)" : " (gap)"), ""});
    end = extent.end;
  }
  if (end != data_bytes)
    throw InputError({file, std::to_string(end) + " bytes of tensor data", std::to_string(data_bytes), ""});
}

// The header's text, after its length has been checked against the file.
std::string_view header_text(const std::string& file, std::span<const std::byte> bytes) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes)
    throw InputError({file, "a safetensors file of 8 bytes or more", std::to_string(bytes.size()) + " bytes",
                      "it is truncated or of another kind"});
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const uint64_t available = std::min<uint64_t>(bytes.size() - sizeof header_bytes, kMaxHeaderBytes);
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<size_t>(bytes.size(), 64));
  if (start.starts_with("version https://git-lfs"))
    throw InputError({file, "tensors", "a pointer of Git LFS, which stands for the file",
                      "fetch the file itself: git lfs pull"});
  if (header_bytes > available)
    throw InputError({file + ": byte 0", "a header of at most " + std::to_string(available) + " bytes",
                      std::to_string(header_bytes), "it is truncated or not safetensors"});
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes,
                              header_bytes);
  if (!text.starts_with('{'))
    throw InputError({file + ": byte 8", "'{' (a safetensors header)", "something else", ""});
  return text;
}

std::map<std::string, std::string> parse_metadata(const std::string& file, const Json& json) {
  if (!json.is_object())
    throw InputError({file + ": __metadata__", "an object of strings", json.type_name(), ""});
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      throw InputError({file + ": __metadata__ \"" + key + "\"", "a string", value.type_name(), ""});
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

}  // namespace

size_t dtype_bytes(DType dtype) { return facts(dtype).bytes; }
const char* dtype_name(DType dtype) { return facts(dtype).name; }

int64_t TensorView::numel() const {
  int64_t count = 1;
  for (int64_t size : shape)
    if (size == 0) return 0;
  for (int64_t size : shape) count *= size;
  return count;
}

SafetensorsReader::SafetensorsReader(const Path& path) : file_(std::make_shared<MappedFile>(path)) {
  const std::string file = path.string();
  const std::string_view text = header_text(file, file_->bytes());
  const auto data = file_->bytes().subspan(sizeof(uint64_t) + text.size());
  const Json header = parse_json(text, file + ": header", {kMaxHeaderBytes, 4});
  std::vector<std::pair<Extent, const std::string*>> extents;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      metadata_ = parse_metadata(file, entry);
      continue;
    }
    Extent extent;
    TensorView view = EntryParser(file, name, entry, data.size()).parse(&extent);
    view.bytes = data.subspan(extent.begin, extent.end - extent.begin);
    extents.emplace_back(extent, &tensors_.emplace(name, std::move(view)).first->first);
  }
  check_layout(file, extents, data.size());
  for (auto& [name, view] : tensors_) align(view);
}

// The format lets data start at any byte; `values` hands out typed pointers, so odd tensors are copied once.
void SafetensorsReader::align(TensorView& view) {
  const size_t alignment = dtype_bytes(view.dtype);
  if (view.bytes.empty() || reinterpret_cast<uintptr_t>(view.bytes.data()) % alignment == 0) return;
  std::shared_ptr<std::byte[]> copy(new std::byte[view.bytes.size()]);
  std::memcpy(copy.get(), view.bytes.data(), view.bytes.size());
  view.bytes = {copy.get(), view.bytes.size()};
  aligned_copies_.push_back(std::move(copy));
}

const TensorView& SafetensorsReader::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, view] : tensors_) names.push_back(known);
  const std::string near = nearest(name, names);
  throw InputError({path().string(), "a tensor \"" + name + "\"", "none of that name",
                    near.empty() ? "" : "the nearest is \"" + near + "\""});
}

const TensorView& SafetensorsReader::get(const std::string& name, DType dtype, size_t rank) const {
  const TensorView& view = get(name);
  if (view.dtype != dtype || view.shape.size() != rank)
    throw InputError({path().string() + ": tensor \"" + name + "\"",
                      std::string(dtype_name(dtype)) + " with " + std::to_string(rank) + " dimensions",
                      std::string(dtype_name(view.dtype)) + " " + shape_text(view.shape), ""});
  return view;
}

std::vector<const TensorToWrite*> in_file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  std::set<std::string_view> names;
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.name == kMetadata || !names.insert(tensor.name).second)
      throw Error(ExitCode::kInternal, "safetensors: the name \"" + tensor.name + "\" is taken");
    order.push_back(&tensor);
  }
  // Widest first: every tensor is then aligned to its own size without gaps.
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    const size_t a_bytes = dtype_bytes(a->view.dtype), b_bytes = dtype_bytes(b->view.dtype);
    return a_bytes != b_bytes ? a_bytes > b_bytes : a->name < b->name;
  });
  return order;
}

void write_safetensors(const Path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto order = in_file_order(tensors);
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t offset = 0;
  for (const TensorToWrite* tensor : order) {
    const uint64_t end =
        offset + static_cast<uint64_t>(tensor->view.numel()) * dtype_bytes(tensor->view.dtype);
    header[tensor->name] = {{"dtype", dtype_name(tensor->view.dtype)},
                            {"shape", tensor->view.shape},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize(round_up(text.size(), kAlignment), ' ');
  const uint64_t header_bytes = text.size();
  FileWriter writer(path);
  writer.write(&header_bytes, sizeof header_bytes);
  writer.write(text);
  for (const TensorToWrite* tensor : order) {
    const std::span<const std::byte> bytes = tensor->fetch ? tensor->fetch() : tensor->view.bytes;
    if (bytes.size() != static_cast<uint64_t>(tensor->view.numel()) * dtype_bytes(tensor->view.dtype))
      throw Error(ExitCode::kInternal,
                  "safetensors: \"" + tensor->name + "\" has bytes that do not fit its shape");
    writer.write(bytes.data(), bytes.size());
  }
  writer.close();
}

void publish_safetensors(const Path& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  publish_with(path, [&](const Path& aside) { write_safetensors(aside, tensors, metadata); });
}

}  // namespace mom::formats
