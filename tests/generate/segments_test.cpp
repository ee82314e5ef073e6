// Answers as people see them: segments, and text for a terminal.
#include <gtest/gtest.h>

#include <torch/types.h>

#include "mom/codecs/text_codec.h"
#include "mom/generate/outputs.h"
#include "mom/generate/segments.h"
#include "mom/generate/text_stream.h"
#include "tests/support/vocabularies.h"

namespace mom {
namespace {

using generate::Feed;
using generate::Segment;
using generate::TextStream;

modality::Vocabulary vocabulary() { return test::with_codes(40, 10, 2, 6); }

// modality:tokens, with a star where it was given.
std::string words(const std::vector<Segment>& segments) {
  std::string all;
  for (const Segment& segment : segments) {
    all += segment.modality + (segment.given ? "*" : "") + ":";
    for (const int32_t token : segment.tokens) all += std::to_string(token) + ",";
    all += segment.picture ? "picture " : " ";
  }
  return all;
}

TEST(Segments, InTheirOrderAndWhoseTheyAre) {
  EXPECT_EQ(words(generate::split({{2, 9, 10, 4}, {}}, {{41, 42, 5, 11, 6, 51, 7, 3}, {}}, vocabulary())),
            "text*:9,10, image:41,42, text:11, speech:51, ");
}

TEST(Segments, TextEndsWhereThePromptDoesAndCodesGoOn) {
  EXPECT_EQ(words(generate::split({{2, 9}, {}}, {{10, 3}, {}}, vocabulary())), "text*:9, text:10, ");
  EXPECT_EQ(words(generate::split({{2, 4, 41}, {}}, {{42, 5}, {}}, vocabulary())), "image:41,42, ");
  EXPECT_EQ(words(generate::split({{2, 4, 41, 5}, {}}, {{12}, {}}, vocabulary())), "image*:41, text:12, ");
}

TEST(Segments, PicturesAsLatents) {
  const modality::Vocabulary table = test::with_latents(40);
  Feed prompt, answer;
  for (const int32_t token : {2, 9, 4}) prompt.append(token);
  answer.append(generate::Picture{torch::ones({1}), 0});
  answer.append(5);
  const std::vector<Segment> segments = generate::split(prompt, answer, table);
  EXPECT_EQ(words(segments), "text*:9, image:picture ");
  EXPECT_TRUE(segments[1].picture->latent_CHW.defined());
}

TEST(Segments, OfAPlainLanguageModelAreText) {
  EXPECT_EQ(words(generate::split({{2, 4}, {}}, {{5, 3}, {}}, {})), "text*:2,4, text:5,3, ");
}

TEST(TextStream, GivesWholeCharacters) {
  TextStream stream;
  EXPECT_EQ(stream.push("a\xc3"), "a");
  EXPECT_EQ(stream.push("\xa4z"), "\xc3\xa4z");
  EXPECT_EQ(stream.push("\xf0\x9f"), "");
  EXPECT_EQ(stream.push("\x8d"), "");
  EXPECT_EQ(stream.push("\x8e"), "\xf0\x9f\x8d\x8e");
  EXPECT_EQ(stream.finish(), "");
}

// One mark for each maximal part of a character that is not whole, wherever the pieces are cut.
TEST(TextStream, MarksWhatIsNotWholeOnce) {
  const std::string mark = "\xef\xbf\xbd";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xe2\x82z", mark + "z"},  // cut off by another character
      {"\xf0\x9f\x98\xe2\x82\xac", mark + "\xe2\x82\xac"},
      {"\xe0\x80z", mark + mark + "z"},                 // overlong: its second byte begins nothing
      {"\xed\xa0\x80", mark + mark + mark},             // a surrogate
      {"\xf4\x90\x80\x80", mark + mark + mark + mark},  // beyond U+10FFFF
      {"\xf0\x9f\x98", mark}};
  for (const auto& [bytes, text] : cases)
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      TextStream stream;
      std::string shown = stream.push(bytes.substr(0, cut));
      shown += stream.push(bytes.substr(cut));
      EXPECT_EQ(shown + stream.finish(), text) << testing::PrintToString(bytes) << " cut at " << cut;
    }
}

TEST(TextStream, MarksFaultsAndControlCharacters) {
  const std::string mark = "\xef\xbf\xbd";
  TextStream stream;
  EXPECT_EQ(stream.push("\xff\x80x"), mark + mark + "x");
  EXPECT_EQ(stream.push("\xc3q"), mark + "q");  // not what would complete it
  EXPECT_EQ(stream.push("\x1b[2J\r\x7f\n\t"), mark + "[2J" + mark + mark + "\n\t");
  EXPECT_EQ(stream.push("\xe2\x82"), "");
  EXPECT_EQ(stream.finish(), mark);
  EXPECT_EQ(stream.finish(), "");
}

formats::Image one_colour(uint8_t value) { return {3, 2, 3, std::vector<uint8_t>(18, value)}; }

TEST(Grid, IsAboutSquareWithWhiteBetween) {
  const formats::Image grid = generate::picture_grid({one_colour(10), one_colour(20), one_colour(30)});
  EXPECT_EQ(grid.width, 2 * 3 + 2);
  EXPECT_EQ(grid.height, 2 * 2 + 2);
  auto at = [&](int64_t x, int64_t y) { return grid.pixels[static_cast<size_t>(3 * (y * grid.width + x))]; };
  EXPECT_EQ(at(0, 0), 10);
  EXPECT_EQ(at(3, 0), 255);
  EXPECT_EQ(at(5, 1), 20);
  EXPECT_EQ(at(2, 5), 30);
  EXPECT_EQ(at(7, 5), 255);  // nothing there
}

}  // namespace
}  // namespace mom
