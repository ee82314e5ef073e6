// .npy: what numpy writes is read in tests/e2e/formats_oracle_test.py; here is what it does not write.
#include "mom/formats/npy.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/thrown.h"

namespace mom::formats {
namespace {

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += version, bytes += '\0';
  bytes += static_cast<char>(header.size()), bytes += '\0';
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

std::string header(const std::string& dtype, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + dtype + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

Npy read(const std::string& bytes) { return read_npy(std::as_bytes(std::span(bytes)), "a.npy"); }

std::string error_of(const std::string& bytes) {
  return test::message_of<InputError>([&] { read(bytes); });
}

void expect_refused(const std::string& bytes, const std::string& word) {
  const std::string error = error_of(bytes);
  EXPECT_TRUE(error.starts_with("a.npy")) << error;
  EXPECT_NE(error.find(word), std::string::npos) << error << ", expected " << word;
}

TEST(Npy, ReadsWhatItWrites) {
  const Npy codes{{2, 3}, std::vector<int64_t>{0, 1, -2, INT64_MAX, INT64_MIN, 5}},
      none{{0}, std::vector<float>{}}, latents{{1, 2, 1}, std::vector<float>{0.5f, -3e38f}};
  for (const Npy& array : {codes, none, latents}) {
    const std::string bytes = write_npy(array);
    EXPECT_EQ(bytes.find('\n') % 64, 63u) << "numbers begin at a multiple of 64 bytes";
    EXPECT_EQ(read(bytes).shape, array.shape);
    EXPECT_EQ(read(bytes).values, array.values);
  }
}

TEST(Npy, FortranOrderAndBigEndian) {
  const Npy array =
      read(npy(header(">i2", "(2, 3)", "True"), std::string("\0\1\0\2\0\3\0\4\0\5\xff\xff", 12)));
  EXPECT_EQ(array.integers(), (std::vector<int64_t>{1, 3, 5, 2, 4, -1}));
  EXPECT_EQ(read(npy("{\"shape\":(2,),\"descr\":\"|u1\",\"fortran_order\":False}", "\xff\1", 2)).integers(),
            (std::vector<int64_t>{255, 1}));
}

TEST(Npy, RefusesOtherDtypesByName) {
  for (const auto& [dtype, word] : {std::pair{"|O", "Python objects"},
                                    {"|b1", "bool"},
                                    {"<c8", "complex"},
                                    {"|V2", "bfloat16"},
                                    {"<U4", "text"},
                                    {"<f16", "numpy.float32"},
                                    {"<M8[s]", "'<M8[s]'"},
                                    {"i4", "'i4'"},
                                    {"<i3", "'<i3'"}})
    expect_refused(npy(header(dtype, "(1,)"), std::string(16, '\0')), word);
  expect_refused(npy("{'descr': [('x', '<i4')], 'fortran_order': False, 'shape': (1,), }", "1234"),
                 "structured");
}

// A header may say anything; only the file's own length is believed.
TEST(Npy, RefusesSizesThatAreNotThere) {
  const std::string four(4, '\1');
  expect_refused(npy(header("<i4", "(2,)"), four), "8 bytes");
  expect_refused(npy(header("<i4", "(1,)"), four + "x"), "4 bytes");
  expect_refused(npy(header("<i4", "(1000000000000,)"), four), "size");
  expect_refused(npy(header("<i4", "(65536, 65536, 65536)"), four), "at most");
  expect_refused(npy(header("<i4", "(4294967296, 4294967296, 4294967296, 4294967296)"), four), "at most");
  expect_refused(npy(header("<i4", "(4294967296, 0, 4294967296)"), four), "0 bytes");
  expect_refused(npy(header("<i4", "(-1,)"), four), "size");
  std::string many = "(1";
  for (int i = 0; i < 32; ++i) many += ",1";
  expect_refused(npy(header("<i4", many + ")"), four), "dimensions");
}

TEST(Npy, RefusesDamagedFiles) {
  const std::string good = npy(header("<f4", "(1,)"), std::string("\0\0\200\77", 4));
  EXPECT_EQ(read(good).reals(), std::vector<float>{1});
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(error_of(good.substr(0, length)), "no error") << length;
  expect_refused("", "nothing");
  expect_refused("\x89PNG\r\n", "another kind");
  expect_refused(npy(header("<f4", "(1,)"), std::string("\0\0\200\177", 4)), "finite");
  expect_refused(npy(header("<f2", "(1,)"), std::string("\1\174", 2)), "finite");
  expect_refused(npy(header("<u8", "(1,)"), std::string(8, '\xff')), "2^63");
  expect_refused(npy(header("<i4", "(1,)"), std::string(4, 'x'), 4), "version");
  for (const char* wrong : {"{'descr': '<i4', 'fortran_order': False}",
                            "{'descr': '<i4', 'fortran_order': False, 'shape': (1,)} x",
                            "{'descr': '<i4', 'fortran_order': 0, 'shape': (1,)}",
                            "{'descr': '<i4', 'descr': '<i4', 'shape': (1,)}",
                            "{'descr': '<i4, 'fortran_order': False, 'shape': (1,)}", "[]", ""})
    expect_refused(npy(wrong, "1234"), "header");
}

}  // namespace
}  // namespace mom::formats
