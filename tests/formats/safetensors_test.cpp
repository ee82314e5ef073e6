#include "mom/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"

namespace mom::formats {
namespace {

using test::TempFolder;

template <class T>
TensorView view_of(DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values))};
}

// Header and data as given, length right unless stated otherwise.
std::string raw_file(const std::string& header, const std::string& data, int64_t length_error = 0) {
  const uint64_t length = header.size() + static_cast<uint64_t>(length_error);
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

class Safetensors : public ::testing::Test {
 protected:
  std::string error_of(const std::string& bytes) {
    test::write_file(folder_ / "x.safetensors", bytes);
    try {
      SafetensorsReader reader(folder_ / "x.safetensors");
      return "no error";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("x.safetensors"), std::string::npos) << error.what();
      return error.what();
    }
  }
  std::string error_of_header(const std::string& header, size_t data_bytes) {
    return error_of(raw_file(header, std::string(data_bytes, '\1')));
  }
  void expect_error(const std::string& header, size_t data_bytes, const std::string& part) {
    EXPECT_NE(error_of_header(header, data_bytes).find(part), std::string::npos)
        << header << " gave: " << error_of_header(header, data_bytes);
  }
  Path write_sample(const std::string& name) {
    write_safetensors(folder_ / name,
                      {{"weights", view_of(DType::kF32, {2, 3}, floats_)},
                       {"ids", view_of(DType::kI64, {2}, longs_)},
                       {"flags", view_of(DType::kU8, {3}, bytes_)},
                       {"half", view_of(DType::kF16, {1, 1}, halves_)},
                       {"empty", view_of(DType::kF32, {0, 7}, std::vector<float>())},
                       {"scalar", view_of(DType::kF64, {}, doubles_)}},
                      {{"format", "pt"}, {"a", "b \"quoted\" \xc3\xa9"}});
    return folder_ / name;
  }

  TempFolder folder_;
  const std::vector<float> floats_ = {1, 2, 3, 4, 5, -6.5f};
  const std::vector<int64_t> longs_ = {INT64_MIN, 7};
  const std::vector<uint8_t> bytes_ = {1, 2, 255};
  const std::vector<uint16_t> halves_ = {0x3c00};
  const std::vector<double> doubles_ = {0.1};
};

TEST_F(Safetensors, RoundTrip) {
  const SafetensorsReader reader(write_sample("a.safetensors"));
  EXPECT_EQ(reader.tensors().size(), 6u);
  EXPECT_EQ(reader.metadata(),
            (std::map<std::string, std::string>{{"format", "pt"}, {"a", "b \"quoted\" \xc3\xa9"}}));
  const auto floats = reader.values<float>("weights", DType::kF32, 2);
  EXPECT_TRUE(std::equal(floats.begin(), floats.end(), floats_.begin(), floats_.end()));
  EXPECT_EQ(reader.values<int64_t>("ids", DType::kI64, 1)[0], INT64_MIN);
  EXPECT_EQ(reader.values<uint8_t>("flags", DType::kU8, 1)[2], 255);
  EXPECT_EQ(reader.values<double>("scalar", DType::kF64, 0)[0], 0.1);
  EXPECT_EQ(reader.get("empty").shape, (std::vector<int64_t>{0, 7}));
  EXPECT_EQ(reader.get("empty").numel(), 0);
  EXPECT_EQ(reader.get("scalar").numel(), 1);
  for (const auto& [name, view] : reader.tensors())
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.bytes.data()) % dtype_bytes(view.dtype), 0u) << name;
}

TEST_F(Safetensors, SameInputSameBytesInAnyOrder) {
  std::vector<TensorToWrite> tensors = {{"b", view_of(DType::kF32, {6}, floats_)},
                                        {"a", view_of(DType::kF32, {6}, floats_)},
                                        {"c", view_of(DType::kU8, {3}, bytes_)},
                                        {"d", view_of(DType::kI64, {2}, longs_)}};
  write_safetensors(folder_ / "one", tensors, {{"k", "v"}, {"j", "w"}});
  std::reverse(tensors.begin(), tensors.end());
  publish_safetensors(folder_ / "two", tensors, {{"j", "w"}, {"k", "v"}});
  EXPECT_EQ(read_file(folder_ / "one"), read_file(folder_ / "two"));
  // The bytes themselves are a contract: widest dtype first, then by name, header padded to 8.
  std::string header =
      R"({"__metadata__":{"j":"w","k":"v"},"d":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
      R"("a":{"dtype":"F32","shape":[6],"data_offsets":[16,40]},"b":{"dtype":"F32","shape":[6],"data_offsets":[40,64]},)"
      R"("c":{"dtype":"U8","shape":[3],"data_offsets":[64,67]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string file = read_file(folder_ / "one");
  EXPECT_EQ(file.substr(8, header.size()), header);
  EXPECT_EQ(file.size(), 8 + header.size() + 67);
}

TEST_F(Safetensors, EveryTruncationAndEveryAppendedByteIsRefused) {
  const std::string whole = read_file(write_sample("a.safetensors"));
  EXPECT_EQ(error_of(whole), "no error");
  for (size_t size = 0; size < whole.size(); ++size)
    ASSERT_NE(error_of(whole.substr(0, size)), "no error") << size << " of " << whole.size();
  EXPECT_NE(error_of(whole + '\0'), "no error");
}

TEST_F(Safetensors, AnEmptyListOfTensorsIsAFile) {
  write_safetensors(folder_ / "none", {}, {});
  EXPECT_TRUE(SafetensorsReader(folder_ / "none").tensors().empty());
}

TEST_F(Safetensors, HeaderLengthThatLies) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  const std::string data = "abcd";
  EXPECT_EQ(error_of(raw_file(header, data)), "no error");
  for (const int64_t lie : {-8, -1, 1, 4, 5, 1000})
    EXPECT_NE(error_of(raw_file(header, data, lie)), "no error") << lie;
  for (const uint64_t length : {UINT64_C(0), UINT64_C(0x7fffffffffffffff), UINT64_MAX, UINT64_MAX - 7}) {
    std::string bytes = raw_file(header, data);
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_NE(error_of(bytes), "no error") << length;
  }
  EXPECT_NE(error_of(raw_file(" " + header, data)).find("'{'"), std::string::npos);
}

TEST_F(Safetensors, LayoutMustCoverTheDataExactly) {
  auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  EXPECT_EQ(error_of_header(two("[0,4]", "[4,8]"), 8), "no error");
  EXPECT_EQ(error_of_header(two("[4,8]", "[0,4]"), 8), "no error");
  expect_error(two("[0,4]", "[3,7]"), 7, "overlap");
  expect_error(two("[0,4]", "[0,4]"), 4, "overlap");
  expect_error(two("[0,4]", "[5,9]"), 9, "gap");
  expect_error(two("[1,5]", "[5,9]"), 9, "gap");
  expect_error(two("[0,4]", "[4,8]"), 9, "expected 8 bytes of tensor data, found 9");
  expect_error(two("[0,4]", "[5,9]"), 8, "within the 8 bytes");
  expect_error(two("[4,0]", "[4,8]"), 8, "data_offsets within");
  expect_error(two("[0,5]", "[5,9]"), 9, "expected 4 bytes");
  expect_error(two("[0,4,4]", "[4,8]"), 8, "two data_offsets");
  expect_error(two("[-1,3]", "[3,7]"), 8, "whole numbers");
  expect_error(two("[0.0,4.0]", "[4,8]"), 8, "whole numbers");
  expect_error(two("[0,18446744073709551615]", "[4,8]"), 8, "whole numbers");
}

TEST_F(Safetensors, ShapesThatOverflow) {
  auto shaped = [](const std::string& dtype, const std::string& shape, uint64_t end) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[0,)" +
           std::to_string(end) + "]}}";
  };
  expect_error(shaped("F32", "[4611686018427387904]", 0), 0, "fit 64 bits");  // 2^62 * 4 wraps to 0
  expect_error(shaped("F32", "[2147483648,2147483648,2]", 8), 8, "fit 64 bits");
  expect_error(shaped("U8", "[18446744073709551615]", 8), 8, "whole numbers");
  expect_error(shaped("U8", "[-4]", 4), 4, "whole numbers");
  expect_error(shaped("U8", "[\"4\"]", 4), 4, "whole numbers");
  expect_error(shaped("U8", "4", 4), 4, "shape as a list");
  expect_error(shaped("U9", "[4]", 4), 4, "dtype");
  EXPECT_EQ(error_of_header(shaped("F32", "[0,9223372036854775807]", 0), 0), "no error");
}

TEST_F(Safetensors, HeaderMustBeExactlyTheFormat) {
  const std::string a = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(error_of_header("{" + a + "}", 1), "no error");
  expect_error("{" + a + "," + a + "}", 1, "\"a\" twice");
  expect_error(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "twice");
  expect_error(R"({"a":{"dtype":"U8","shape":[1]}})", 1, "exactly dtype, shape and data_offsets");
  expect_error(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}})", 1, "exactly");
  expect_error(R"({"a":5})", 1, "exactly");
  expect_error("{" + a, 1, "byte");
  expect_error("{" + a + "} x", 1, "byte");
  expect_error(R"({"__metadata__":{"k":1},)" + a + "}", 1, "\"k\"");
  expect_error(R"({"__metadata__":[],)" + a + "}", 1, "__metadata__");
  expect_error(R"({"a":[[[[[[1]]]]]]})", 1, "levels");
}

TEST_F(Safetensors, UnalignedTensorsAreReadAndAligned) {
  const std::vector<float> values = {1.5f, -2.5f};
  std::string data = "x";
  data.append(reinterpret_cast<const char*>(values.data()), 8);
  const std::string header =
      R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  test::write_file(folder_ / "odd", raw_file(header, data));
  const SafetensorsReader reader(folder_ / "odd");
  const auto floats = reader.values<float>("f", DType::kF32, 1);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(floats.data()) % alignof(float), 0u);
  EXPECT_EQ(floats[0], 1.5f);
  EXPECT_EQ(floats[1], -2.5f);
}

TEST_F(Safetensors, GetSaysWhatIsThere) {
  const SafetensorsReader reader(write_sample("a.safetensors"));
  auto message = [](auto&& call) {
    try {
      call();
      return std::string("no error");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_NE(message([&] { reader.get("weight"); }).find("nearest is \"weights\""), std::string::npos);
  EXPECT_NE(message([&] { reader.get("weights", DType::kF32, 1); }).find("found F32 [2, 3]"),
            std::string::npos);
  EXPECT_NE(message([&] { reader.get("weights", DType::kF16, 2); }).find("expected F16"), std::string::npos);
  EXPECT_THROW(SafetensorsReader(folder_ / "absent"), InputError);
}

TEST_F(Safetensors, WriterRefusesWhatItCannotStore) {
  const TensorView view = view_of(DType::kU8, {3}, bytes_);
  EXPECT_THROW(write_safetensors(folder_ / "x", {{"a", view}, {"a", view}}, {}), Error);
  EXPECT_THROW(write_safetensors(folder_ / "x", {{"__metadata__", view}}, {}), Error);
  EXPECT_THROW(write_safetensors(folder_ / "x", {{"a", view_of(DType::kU8, {4}, bytes_)}}, {}), Error);
  EXPECT_THROW(write_safetensors("/dev/full", {{"a", view}}, {}), ResourceError);
}

}  // namespace
}  // namespace mom::formats
