#include "mom/formats/npy.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "mom/base/error.h"
#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr size_t kMaxNpyHeader = 1 << 16, kMaxNpyRank = 32, kNpyAlignment = 64;
constexpr int64_t kMaxNpyElements = int64_t{1} << 32;

struct NpyHeader {
  char order = '<', kind = 'i';  // kind: i, u or f
  size_t item_bytes = 8;
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t data_offset = 0;

  int64_t num_elements() const {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return count;
  }
};

// The header is a literal of Python: {'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  void parse(NpyHeader& header) {
    expect('{');
    bool descr = false, order = false, shape = false;
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !descr)
        descr = true, set_dtype(header);
      else if (key == "fortran_order" && !order)
        order = true, header.fortran = truth();
      else if (key == "shape" && !shape)
        shape = true, header.shape = sizes();
      else
        fail("the keys descr, fortran_order and shape", "\"" + key + "\"");
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (at_ != text_.size() || !descr || !order || !shape)
      fail("the keys descr, fortran_order and shape", "others");
  }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const {
    throw InputError(
        {std::string(where_) + ": header of an .npy file", expected, found, "write it with numpy.save"});
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("'") + c + "'", rest());
  }
  std::string rest() const {
    return at_ < text_.size() ? "'" + std::string(text_.substr(at_, 20)) + "'" : "the end";
  }
  std::string string() {
    skip_blanks();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    const size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos) fail("a quoted name", rest());
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool truth() {
    skip_blanks();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    fail("True or False", rest());
  }
  std::vector<int64_t> sizes() {
    std::vector<int64_t> shape;
    expect('(');
    while (!accept(')')) {
      shape.push_back(size());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    if (shape.size() > kMaxNpyRank) fail("at most 32 dimensions", std::to_string(shape.size()));
    return shape;
  }
  int64_t size() {
    skip_blanks();
    int64_t value = -1;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = std::max<int64_t>(value, 0) * 10 + (text_[at_] - '0');
      if (value > kMaxNpyElements) fail("a size up to " + std::to_string(kMaxNpyElements), "a larger one");
    }
    if (value < 0) fail("a size", rest());
    accept('L');  // of Python 2
    return value;
  }

  void set_dtype(NpyHeader& header) {
    if (accept('[')) fail("integers or floats", "a structured array: save one of its fields");
    const std::string name = string();
    const auto is_one_of = [](char c, std::string_view list) { return list.find(c) != list.npos; };
    const bool known =
        name.size() == 3 && is_one_of(name[0], "<>|=") &&
        (is_one_of(name[1], "iu") ? is_one_of(name[2], "1248") : name[1] == 'f' && is_one_of(name[2], "248"));
    if (!known) fail("integers, f16, f32 or f64", dtype_in_words(name));
    header.order = name[0] == '>' ? '>' : '<';
    header.kind = name[1];
    header.item_bytes = static_cast<size_t>(name[2] - '0');
  }
  static std::string dtype_in_words(const std::string& name) {
    const char kind = name.size() > 1 ? name[1] : ' ';
    const char* words = kind == 'O'   ? " (Python objects, which are never loaded)"
                        : kind == 'b' ? " (bool: save it .astype(numpy.uint8))"
                        : kind == 'c' ? " (complex numbers)"
                        : kind == 'f' ? " (long floats: save it .astype(numpy.float32))"
                        : kind == 'V' ? " (raw bytes: bfloat16 is saved .astype(numpy.float32))"
                        : kind == 'U' || kind == 'S' ? " (text)"
                                                     : "";
    return "dtype '" + name.substr(0, 20) + "'" + words;
  }

  std::string_view text_, where_;
  size_t at_ = 0;
};

[[noreturn]] void fail_npy(std::string_view where, const std::string& expected, const std::string& found) {
  throw InputError({std::string(where), expected, found, "write it anew with numpy.save"});
}

uint64_t npy_bits(Bytes bytes, size_t offset, size_t size, char order) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t from = order == '<' ? size - 1 - i : i;
    value = value << 8 | static_cast<uint64_t>(bytes[offset + from]);
  }
  return value;
}

NpyHeader read_npy_header(Bytes bytes, std::string_view where) {
  if (!is_npy(bytes)) fail_npy(where, "an .npy file", bytes.empty() ? "nothing" : "another kind of file");
  if (bytes.size() < 10) fail_npy(where, "an .npy file", std::to_string(bytes.size()) + " bytes");
  const auto version = static_cast<int>(bytes[6]);
  if (version < 1 || version > 3 || bytes[7] != std::byte{0})
    fail_npy(where, "an .npy file of version 1, 2 or 3",
             std::to_string(version) + "." + std::to_string(static_cast<int>(bytes[7])));
  const size_t length_bytes = version == 1 ? 2 : 4, start = 8 + length_bytes;
  const uint64_t length = bytes.size() < start ? UINT64_MAX : npy_bits(bytes, 8, length_bytes, '<');
  if (length > kMaxNpyHeader || length > bytes.size() - start)
    fail_npy(where, "a header within the file", "one that ends behind it");
  NpyHeader header;
  NpyHeaderParser({reinterpret_cast<const char*>(bytes.data()) + start, static_cast<size_t>(length)}, where)
      .parse(header);
  header.data_offset = start + static_cast<size_t>(length);
  return header;
}

// Never trusts the header: its shape must be what the file has bytes for.
void check_npy_size(const NpyHeader& header, Bytes bytes, std::string_view where) {
  const uint64_t have = bytes.size() - header.data_offset;
  uint64_t count = 1;
  for (const int64_t size : header.shape) {
    count = size == 0 ? 0 : count;
    if (size > 0 && count > static_cast<uint64_t>(kMaxNpyElements) / static_cast<uint64_t>(size))
      fail_npy(where, "at most " + std::to_string(kMaxNpyElements) + " numbers", "more");
    count *= static_cast<uint64_t>(size);
  }
  if (have != count * header.item_bytes)
    fail_npy(where, std::to_string(count * header.item_bytes) + " bytes of numbers, as its header says",
             std::to_string(have));
}

float npy_float(uint64_t bits, size_t item_bytes) {
  if (item_bytes == 4) return std::bit_cast<float>(static_cast<uint32_t>(bits));
  if (item_bytes == 8) return static_cast<float>(std::bit_cast<double>(bits));
  const int exponent = static_cast<int>(bits >> 10 & 0x1f);
  const auto fraction = static_cast<float>(bits & 0x3ff);
  const float sign = bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 0x1f) return std::numeric_limits<float>::quiet_NaN();  // NaN and infinity alike: refused
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

// For each element in C order its index in the file's order.
template <class Visit>
void for_each_index(const NpyHeader& header, const Visit& visit) {
  const int64_t count = header.num_elements();
  if (!header.fortran) {
    for (int64_t i = 0; i < count; ++i) visit(static_cast<size_t>(i));
    return;
  }
  std::vector<int64_t> index(header.shape.size(), 0), stride(header.shape.size(), 1);
  for (size_t d = 1; d < stride.size(); ++d) stride[d] = stride[d - 1] * header.shape[d - 1];
  for (int64_t i = 0, at = 0; i < count; ++i) {
    visit(static_cast<size_t>(at));
    for (size_t d = index.size(); d-- > 0;) {
      at += stride[d];
      if (++index[d] < header.shape[d]) break;
      at -= stride[d] * header.shape[d];
      index[d] = 0;
    }
  }
}

std::string npy_shape(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

template <class T>
void append_numbers(const std::vector<T>& values, std::string& out) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace

bool is_npy(Bytes bytes) { return has_at(bytes, 0, kNpyMagic); }

Npy read_npy(Bytes bytes, std::string_view where) {
  const NpyHeader header = read_npy_header(bytes, where);
  check_npy_size(header, bytes, where);
  const auto bits_at = [&](size_t index) {
    return npy_bits(bytes, header.data_offset + index * header.item_bytes, header.item_bytes, header.order);
  };
  Npy array{header.shape, {}};
  if (header.kind == 'f') {
    auto& values = array.values.emplace<1>();
    values.reserve(static_cast<size_t>(header.num_elements()));
    for_each_index(header, [&](size_t index) {
      values.push_back(npy_float(bits_at(index), header.item_bytes));
      if (!std::isfinite(values.back()))
        fail_npy(where, "finite numbers that f32 can hold", "another at entry " + std::to_string(index));
    });
    return array;
  }
  auto& values = array.values.emplace<0>();
  values.reserve(static_cast<size_t>(header.num_elements()));
  const size_t unused = 64 - 8 * header.item_bytes;
  for_each_index(header, [&](size_t index) {
    const uint64_t bits = bits_at(index);
    if (header.kind == 'u' && bits > INT64_MAX)
      fail_npy(where, "integers below 2^63", std::to_string(bits) + " at entry " + std::to_string(index));
    values.push_back(header.kind == 'u' ? static_cast<int64_t>(bits)
                                        : static_cast<int64_t>(bits << unused) >> unused);
  });
  return array;
}

std::string write_npy(const Npy& array) {
  std::string header = std::string("{'descr': '") + (array.is_integer() ? "<i8" : "<f4") +
                       "', 'fortran_order': False, 'shape': " + npy_shape(array.shape) + ", }";
  const size_t unpadded = kNpyMagic.size() + 4 + header.size() + 1;
  header.append((kNpyAlignment - unpadded % kNpyAlignment) % kNpyAlignment, ' ').push_back('\n');
  std::string out(kNpyMagic);
  out += std::string("\x01\x00", 2);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  array.is_integer() ? append_numbers(array.integers(), out) : append_numbers(array.reals(), out);
  return out;
}

}  // namespace mom::formats
