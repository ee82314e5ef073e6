// Containers: safetensors, tar and what compresses it, .npy.
#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>

#include "fuzz/targets.h"
#include "mom/formats/npy.h"
#include "mom/formats/safetensors.h"
#include "mom/formats/tar.h"

namespace mom::fuzz {
namespace {

using namespace formats;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

void read_safetensors(std::string_view bytes) {
  const MemoryFile file(bytes);
  const SafetensorsReader reader(file.path());
  uint64_t sum = 0;
  for (const auto& [name, view] : reader.tensors()) {
    expect(view.bytes.size() == static_cast<size_t>(view.numel()) * dtype_bytes(view.dtype),
           "bytes of a tensor");
    for (const std::byte byte : view.bytes) sum += static_cast<uint64_t>(byte);
  }
  expect(sum <= 255 * bytes.size(), "bytes of the file");
}

std::vector<std::string> safetensors_seeds() {
  const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
  const std::vector<uint8_t> bytes = {7, 8, 9};
  const std::vector<TensorToWrite> tensors = {
      {"a.weight", {DType::kF32, {2, 3}, std::as_bytes(std::span(numbers))}},
      {"b", {DType::kU8, {3}, std::as_bytes(std::span(bytes))}},
      {"none", {DType::kBF16, {0, 4}, {}}}};
  return {written([&](const Path& path) {
            write_safetensors(path, tensors, {{"format", "pt"}});
          }),
          written([](const Path& path) { write_safetensors(path, {}, {}); })};
}

void read_tar_bytes(std::string_view bytes) {
  const MemoryFile file(bytes);
  uint64_t total = 0;
  read_tar(file.path(),
           [&](TarEntry&& entry) {
             if (entry.kind == TarEntry::Kind::kFile && entry.data_offset > 0 &&
                 entry.data_offset + entry.content.size() <= bytes.size())
               total += entry.content.size();
             return true;
           },
           {.max_entry_bytes = 1 << 20});
}

std::vector<std::string> tar_seeds() {
  const std::string plain = written([](const Path& path) {
    TarWriter tar(path);
    tar.add("a/000.txt", "a red disc");
    tar.add("a/000.json", R"({"caption": "x"})");
    tar.add(std::string(150, 'n') + ".txt", "a long name, which takes a header of its own");
    tar.close();
  });
  // A hard link to the first entry, as GNU tar writes it.
  std::array<char, 512> link{};
  plain.copy(link.data(), link.size());
  const auto put = [&](size_t at, std::string_view text) {
    std::copy(text.begin(), text.end(), link.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, "b/001.txt");
  put(124, "00000000000");
  put(156, "1a/000.txt");
  put(148, "        ");
  const int sum = std::accumulate(link.begin(), link.end(), 0,
                                  [](int all, char c) { return all + static_cast<unsigned char>(c); });
  char text[8];
  std::snprintf(text, sizeof text, "%06o", static_cast<unsigned>(sum) & 0777777U);
  put(148, {text, 7});
  return {plain, plain.substr(0, 1024) + std::string(link.data(), link.size()) + std::string(1024, '\0')};
}

void read_compressed_bytes(std::string_view bytes) {
  const MemoryFile file(bytes);
  read_compressed(file.path(), 1 << 22);
}

// gzip without compression, made by hand: a stored block.
std::vector<std::string> compressed_seeds() {
  return {
      std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x05\x00\xfa\xff"
                  "hello"
                  "\x86\xa6\x10\x36\x05\x00\x00\x00",
                  28)};
}

void read_npy_bytes(std::string_view bytes) {
  const Npy array = read_npy(as_bytes(bytes), "array");
  int64_t count = 1;
  for (const int64_t side : array.shape) count *= side;
  expect(count == static_cast<int64_t>(array.is_integer() ? array.integers().size() : array.reals().size()),
         "shape");
  // As it is written it is read again.
  if (array.is_integer() && !array.integers().empty()) {
    for (const int64_t value : array.integers())
      if (value < INT32_MIN || value > INT32_MAX) return;  // write_npy has no room for it
  }
  const std::string again = write_npy(array);
  const Npy twice = read_npy(as_bytes(again), "array");
  expect(twice.shape == array.shape, "shape of the copy");
  expect(twice.is_integer() == array.is_integer(), "type of the copy");
  if (array.is_integer())
    expect(twice.integers() == array.integers(), "values of the copy");
  else
    expect(twice.reals() == array.reals(), "values of the copy");
}

std::vector<std::string> npy_seeds() {
  return {write_npy({{2, 3}, std::vector<int64_t>{1, 2, 3, 4, 5, 6}}),
          write_npy({{4}, std::vector<float>{1.5F, -2, 0, 8}}), write_npy({{0}, std::vector<float>{}})};
}

}  // namespace

std::vector<Target> format_targets() {
  return {{"safetensors", read_safetensors, safetensors_seeds},
          {"tar", read_tar_bytes, tar_seeds},
          {"compressed", read_compressed_bytes, compressed_seeds},
          {"npy", read_npy_bytes, npy_seeds}};
}

}  // namespace mom::fuzz
