// The joint vocabulary and documents as its tokens: every order of segments comes back as it went in.
#include "mom/codecs/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/codecs/text_codec.h"
#include "mom/codecs/token_sequence.h"

namespace mom::codecs {
namespace {

Vocabulary three() {
  Vocabulary vocabulary;
  vocabulary.add("text", 40);
  vocabulary.add("image", 10);
  vocabulary.add("speech", 5);
  return vocabulary;
}

TEST(Vocabulary, RangesFollowEachOtherAndTellTheModality) {
  const Vocabulary v = three();
  EXPECT_EQ(v.size(), 55);
  EXPECT_EQ(*v.find("image"), (TokenRange{"image", 40, 50}));
  EXPECT_EQ(v.find("smell"), nullptr);
  EXPECT_EQ(v.modality_of(special::kBoi), 0) << "specials are text";
  EXPECT_EQ(v.modality_of(39), 0);
  EXPECT_EQ(v.modality_of(40), 1);
  EXPECT_EQ(v.modality_of(54), 2);
  EXPECT_EQ(v.modality_of(55), -1);
  EXPECT_EQ(v.modality_of(-1), -1);
  EXPECT_EQ(Vocabulary::from_json(parse_json(v.to_json().dump(), ""), v.modalities(), ""), v);
}

TEST(Vocabulary, RefusesWhatIsNoTable) {
  const std::vector<std::string> names = {"text", "image"};
  for (const char* text : {"[]", "{}", R"({"text": [0, 4]})", R"({"text": [1, 4], "image": [4, 5]})",
                           R"({"text": [0, 4], "image": [5, 6]})", R"({"text": [0, 4], "image": [4, 3]})",
                           R"({"text": [0, 4], "image": 7})", R"({"text": [0, -4], "image": [4, 5]})",
                           R"({"text": [0, 4.5], "image": [4, 5]})", R"({"text": [0, 4], "smell": [4, 5]})",
                           R"({"text": [0, 4611686018427387904], "image": [4, 5]})"})
    EXPECT_THROW(Vocabulary::from_json(parse_json(text, ""), names, "here"), InputError) << text;
}

// What tokens can tell: texts side by side are one, empty ones nothing.
std::vector<CodeSegment> normal(const std::vector<CodeSegment>& segments) {
  std::vector<CodeSegment> out;
  for (const CodeSegment& segment : segments) {
    const bool text = segment.modality == "text";
    if (text && segment.codes.empty()) continue;
    if (text && !out.empty() && out.back().modality == "text") {
      out.back().codes.insert(out.back().codes.end(), segment.codes.begin(), segment.codes.end());
    } else {
      out.push_back(segment);
    }
  }
  return out;
}

TEST(TokenSequence, EveryDocumentComesBack) {
  const Vocabulary vocabulary = three();
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomStream random(stream_key({seed, 7}));
    std::vector<CodeSegment> document;
    for (uint64_t n = random.below(7); n > 0; --n) {
      const TokenRange& range = vocabulary.ranges()[random.below(3)];
      const auto first = range.modality == "text" ? special::kCount : 0;
      CodeSegment segment{range.modality, {}};
      for (uint64_t i = random.below(6); i > 0; --i)
        segment.codes.push_back(
            first + static_cast<int32_t>(random.below(static_cast<uint64_t>(range.size() - first))));
      document.push_back(segment);
    }
    const std::vector<int32_t> tokens = join_segments(document, vocabulary);
    EXPECT_EQ(split_segments(tokens, vocabulary), normal(document)) << "seed " << seed;
    const std::span<const int32_t> inside(tokens.begin() + 1, tokens.end() - 1);
    EXPECT_EQ(split_segments(inside, vocabulary), normal(document))
        << "without <bos> and <eos>, seed " << seed;
  }
}

TEST(TokenSequence, TokensThatCannotStandThereAreNamed) {
  const Vocabulary vocabulary = three();
  auto error_of = [&](const std::vector<int32_t>& tokens) -> std::string {
    try {
      split_segments(tokens, vocabulary);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  using namespace special;
  EXPECT_NE(error_of({kBos, 41, kEos}).find("token 1"), std::string::npos) << "a code outside its segment";
  EXPECT_NE(error_of({kBos, kBoi, 41, 50, kEoi, kEos}).find("token 3"), std::string::npos)
      << "speech in a picture";
  EXPECT_NE(error_of({kBos, kBoi, 41, kEos}).find("token 3"), std::string::npos) << "<eos> inside a picture";
  EXPECT_NE(error_of({kBoi, 41}).find("the end of image"), std::string::npos);
  EXPECT_NE(error_of({kEoi}).find("token 0"), std::string::npos);
  EXPECT_NE(error_of({10, kBos}).find("token 1"), std::string::npos);
  EXPECT_NE(error_of({99}).find("token 0"), std::string::npos);
  EXPECT_NE(error_of({-3}).find("token 0"), std::string::npos);
  std::vector<int32_t> tokens;
  EXPECT_THROW(append_segment({"image", {10}}, vocabulary, tokens), InputError);
  EXPECT_THROW(append_segment({"text", {kBoi}}, vocabulary, tokens), InputError) << "a special is no text";
  EXPECT_THROW(append_segment({"smell", {}}, vocabulary, tokens), InputError);
}

}  // namespace
}  // namespace mom::codecs
