#include "mom/base/json.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom {
namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  return test::message_of<InputError>([&] { parse_json(text, "FILE", limits); });
}

void expect_at(std::string_view text, size_t byte) {
  const std::string where = "FILE: byte " + std::to_string(byte) + ":";
  EXPECT_EQ(error_of(text).substr(0, where.size()), where) << text << " gave: " << error_of(text);
}

TEST(Json, BuildsTheSameValuesAsTheLibrary) {
  for (const std::string text :
       {R"({"a":[1,-2,3.5,true,false,null,"x\u00e9"],"b":{"c":{},"d":[]},"":0})", "[[[]],[{}],[[1],[2]]]",
        "5", "\"s\"", "18446744073709551615", "-9223372036854775808", R"([{"a":1},{"a":1}])", " [ 1 ] ",
        R"([{"a":[{"b":[1,{"c":2}]},3]},4])"})
    EXPECT_EQ(parse_json(text, "FILE"), Json::parse(text)) << text;
}

TEST(Json, KeepsTheOrderOfKeysWhereAsked) {
  const std::string text = R"({"b":{"z":1,"a":[{"y":2,"x":3}]},"a":null})";
  EXPECT_EQ(parse_ordered_json(text, "FILE").dump(), text);
  EXPECT_THROW(parse_ordered_json(R"({"a":1,"a":2})", "FILE"), InputError);
}

TEST(Json, FaultsNameTheirByte) {
  expect_at("", 0);
  expect_at("[1,]", 3);
  expect_at("[1", 2);
  expect_at(R"({"a":1,"b" 2})", 11);
  expect_at("[1] x", 4);
  expect_at("[\"\xff\"]", 2);
  expect_at("[NaN]", 1);
  EXPECT_NE(error_of("[1e999]").find("byte"), std::string::npos);
}

TEST(Json, DuplicateKeysAreRefusedWithTheirByte) {
  expect_at(R"({"a":1,"a":2})", 10);
  EXPECT_NE(error_of(R"({"a":1,"a":2})").find("\"a\" twice"), std::string::npos);
  EXPECT_NE(error_of(R"([{"x":{"k":1,"k":1}}])"), "no error");
  EXPECT_NE(error_of(R"({"a":1,"\u0061":2})"), "no error");
  EXPECT_EQ(error_of(R"({"a":{"a":{"a":1}}})"), "no error");
}

TEST(Json, DepthAndSizeAreBounded) {
  auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(error_of(nested(64)), "no error");
  EXPECT_NE(error_of(nested(65)).find("at most 64 levels"), std::string::npos);
  EXPECT_NE(error_of(std::string(1000000, '[')).find("at most 64 levels"), std::string::npos);
  EXPECT_EQ(error_of("[10]", {4, 64}), "no error");
  EXPECT_NE(error_of("[100]", {4, 64}).find("at most 4 bytes"), std::string::npos);
  EXPECT_NE(error_of(R"({"a":{}})", {100, 1}), "no error");
}

TEST(Json, PublishAndRead) {
  test::TempFolder folder;
  const OrderedJson value = {{"z", 1}, {"a", {1, 2}}};
  publish_json(folder / "a.json", value);
  EXPECT_EQ(read_file(folder / "a.json"), "{\n  \"z\": 1,\n  \"a\": [\n    1,\n    2\n  ]\n}\n");
  EXPECT_EQ(read_json(folder / "a.json"), Json(value));
  EXPECT_THROW(read_json(folder / "absent.json"), InputError);
  EXPECT_THROW(read_json(folder / "a.json", {5, 64}), InputError);
}

TEST(Json, TypedAccess) {
  const Json object = parse_json(R"({"s":"x","i":-3,"big":18446744073709551615,"f":1.5,"n":null,"long":")" +
                                     std::string(500, 'y') + "\"}",
                                 "FILE");
  EXPECT_EQ(json_string(object, "s", "FILE"), "x");
  EXPECT_EQ(json_int(object, "i", "FILE"), -3);
  EXPECT_EQ(json_number(object, "f", "FILE"), 1.5);
  EXPECT_EQ(json_number(object, "i", "FILE"), -3);
  EXPECT_THROW(json_int(object, "big", "FILE"), InputError);
  EXPECT_THROW(json_int(object, "f", "FILE"), InputError);
  EXPECT_THROW(json_number(object, "n", "FILE"), InputError);
  EXPECT_THROW(json_string(object, "i", "FILE"), InputError);
  EXPECT_THROW(json_string(Json::array(), "i", "FILE"), InputError);
  try {
    json_int(object, "s", "FILE:3");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "FILE:3: expected \"s\" as an integer, found \"x\"");
  }
  try {
    json_int(object, "absent", "FILE:3");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "FILE:3: expected \"absent\" as an integer, found no such key");
  }
}

}  // namespace
}  // namespace mom
