#include "mom/formats/tensorboard.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <map>
#include <vector>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"

namespace mom::formats {
namespace {

template <class T>
T number_at(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.substr(at, sizeof value).data(), sizeof value);
  return value;
}

uint32_t unmask(uint32_t masked) { return std::rotl(masked - 0xa282ead8u, 15); }

// The payloads of a TFRecord file; every length and checksum must be right.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  for (size_t at = 0; at < file.size();) {
    const auto length = number_at<uint64_t>(file, at);
    EXPECT_EQ(unmask(number_at<uint32_t>(file, at + 8)), crc32c(std::string_view(file).substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(unmask(number_at<uint32_t>(file, at + 12 + length)), crc32c(records.back()));
    at += length + 16;
  }
  return records;
}

// A protobuf message as field number -> raw values: varints as 8 bytes, the others as they are.
std::multimap<int, std::string> fields_of(std::string_view bytes) {
  std::multimap<int, std::string> fields;
  size_t at = 0;
  auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.at(at++));
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.size()) {
    const uint64_t key = varint();
    std::string value;
    if ((key & 7) == 0) {
      const uint64_t number = varint();
      value.assign(reinterpret_cast<const char*>(&number), 8);
    } else {
      const size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint();
      value = bytes.substr(at, size);
      EXPECT_EQ(value.size(), size);
      at += size;
    }
    fields.emplace(static_cast<int>(key >> 3), value);
  }
  return fields;
}

std::string only(const std::multimap<int, std::string>& fields, int number) {
  EXPECT_EQ(fields.count(number), 1u) << "field " << number;
  return fields.count(number) ? fields.find(number)->second : std::string();
}

TEST(Crc32c, KnownVectors) {  // RFC 3720, appendix B.4
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Tensorboard, EventsReadBack) {
  test::TempFolder folder;
  {
    TensorboardWriter writer(folder / "tensorboard");
    writer.scalar("loss/text", 12345678901, 2.5);
  }
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "tensorboard"))
    files.push_back(entry.path());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].filename().string().find("events.out.tfevents."), 0u);
  const auto records = records_of(read_file(files[0]));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(only(fields_of(records[0]), 3), "brain.Event:2");

  const auto event = fields_of(records[1]);
  EXPECT_GT(number_at<double>(only(event, 1), 0), 1.6e9);
  EXPECT_EQ(number_at<int64_t>(only(event, 2), 0), 12345678901);
  const auto value = fields_of(only(fields_of(only(event, 5)), 1));
  EXPECT_EQ(only(value, 1), "loss/text");
  EXPECT_EQ(number_at<float>(only(value, 2), 0), 2.5f);
}

TEST(Tensorboard, FlushMakesRecordsVisibleAndRunsDoNotShareAFile) {
  test::TempFolder folder;
  TensorboardWriter first(folder.path()), second(folder.path());
  first.scalar("a", 1, 1);
  first.flush();
  size_t files = 0, records = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    ++files;
    records += records_of(read_file(entry.path())).size();
  }
  EXPECT_EQ(files, 2u);
  EXPECT_EQ(records, 3u);
}

}  // namespace
}  // namespace mom::formats
