// Writes files of known content with our writers, for the Python oracles: tests/e2e/formats_oracle_test.py
// knows the same formulas. Usage: make_format_files FOLDER
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "mom/formats/image_file.h"
#include "mom/formats/npy.h"
#include "mom/formats/safetensors.h"
#include "mom/formats/tensorboard.h"

namespace mom::formats {
namespace {

// Element i of every tensor is i - 3, in the tensor's own type.
template <class T>
std::vector<T> counting(size_t count) {
  std::vector<T> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<T>(static_cast<int>(i) - 3);
  return values;
}

template <class T>
TensorToWrite tensor(const std::string& name, DType dtype, std::vector<int64_t> shape,
                     const std::vector<T>& values) {
  return {name, TensorView{dtype, std::move(shape), std::as_bytes(std::span<const T>(values))}};
}

void write_tensors(const Path& path) {
  const auto f32 = counting<float>(6);
  const auto f64 = counting<double>(5);
  const auto i64 = counting<int64_t>(4);
  const auto i32 = counting<int32_t>(3);
  const auto i8 = counting<int8_t>(7);
  const std::vector<uint8_t> u8 = {0, 1, 254, 255};
  const std::vector<uint16_t> bf16 = {0x3f80, 0xc000, 0x0000};  // 1, -2, 0
  const std::vector<uint16_t> f16 = {0x3c00, 0xc000, 0x0000};   // 1, -2, 0
  const std::vector<float> empty;
  publish_safetensors(path,
                      {tensor("f32", DType::kF32, {2, 3}, f32), tensor("f64", DType::kF64, {5}, f64),
                       tensor("i64", DType::kI64, {4}, i64), tensor("i32", DType::kI32, {3, 1}, i32),
                       tensor("i8", DType::kI8, {7}, i8), tensor("u8", DType::kU8, {4}, u8),
                       tensor("bf16", DType::kBF16, {3}, bf16), tensor("f16", DType::kF16, {3}, f16),
                       tensor("empty", DType::kF32, {0, 4}, empty),
                       tensor("names are \"free\" \u00e9", DType::kU8, {2, 2}, u8)},
                      {{"made_by", "make_format_files"}, {"quote", "\"\\\n\u00e9"}});
}

void write_events(const Path& folder) {
  TensorboardWriter writer(folder);
  for (int64_t step = 0; step < 5; ++step)
    writer.scalar("loss/text", step * 10, 0.5 * static_cast<double>(step));
  writer.scalar("loss/image", 1'000'000'000'000, -2.25);
  writer.flush();
}

// npy/NAME.npy of an earlier call's folder, which numpy wrote, are read and written again as npy/NAME.again.npy.
void rewrite_arrays(const Path& folder) {
  std::vector<Path> files;
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  for (const Path& file : files) {
    const std::string bytes = read_file(file);
    publish_file(folder / (file.stem().string() + ".again.npy"),
                 write_npy(read_npy(std::as_bytes(std::span(bytes)), file.string())));
  }
}

}  // namespace
}  // namespace mom::formats

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_format_files FOLDER\n");
    return 2;
  }
  const mom::Path folder = argv[1];
  mom::formats::write_tensors(folder / "tensors.safetensors");
  mom::formats::write_events(folder / "events");
  mom::formats::rewrite_arrays(folder / "npy");
  return 0;
}
