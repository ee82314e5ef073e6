// NumPy's .npy files: one array, as codes and latents of other people's codecs come. Versions 1 to 3 of the format
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), both byte orders, C and Fortran order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mom::formats {

// Values in C order: the last index changes fastest.
struct Npy {
  std::vector<int64_t> shape;
  std::variant<std::vector<int64_t>, std::vector<float>> values;

  bool is_integer() const { return values.index() == 0; }
  const std::vector<int64_t>& integers() const { return std::get<0>(values); }
  const std::vector<float>& reals() const { return std::get<1>(values); }
};

// Integers of 1 to 8 bytes, with and without sign, and finite f16, f32 and f64, which becomes f32. InputError beginning
// with `where`: another dtype (by name), a header that is not what numpy writes, a length that is not the array's.
Npy read_npy(std::span<const std::byte> bytes, std::string_view where);
bool is_npy(std::span<const std::byte> bytes);  // by its first bytes

// Version 1, little endian, C order: <i8 or <f4. The bytes that numpy.save writes.
std::string write_npy(const Npy& array);

}  // namespace mom::formats
