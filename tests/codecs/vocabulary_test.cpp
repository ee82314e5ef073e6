// The joint vocabulary.
#include "mom/codecs/vocabulary.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"

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

}  // namespace
}  // namespace mom::codecs
