// Modalities, the joint vocabulary, and documents as its tokens: every order of segments comes back as it
// went in.
#include "mom/modality/vocabulary.h"

#include <gtest/gtest.h>

#include <functional>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/modality/presets.h"
#include "mom/modality/special_tokens.h"
#include "tests/support/code_segments.h"
#include "tests/support/vocabularies.h"

namespace mom::modality {
namespace {

using test::CodeSegment, test::append_segment, test::join_segments, test::split_segments;

Vocabulary three() { return test::with_codes(40, 10, 3, 5); }

Vocabulary read(const Vocabulary& v) {
  return Vocabulary::from_json(parse_json(v.to_json().dump(), ""), parse_json(v.table_json().dump(), ""),
                               v.names(), "here");
}

TEST(Vocabulary, RangesFollowEachOtherAndTellTheModality) {
  const Vocabulary v = three();
  EXPECT_EQ(v.size(), 55);
  EXPECT_EQ(v.find("image")->begin, 40);
  EXPECT_EQ(v.find("image")->end, 50);
  EXPECT_EQ(v.find("smell"), nullptr);
  EXPECT_EQ(v.modality_of(special::kBoi), 0) << "specials are text";
  EXPECT_EQ(v.modality_of(39), 0);
  EXPECT_EQ(v.modality_of(40), 1);
  EXPECT_EQ(v.modality_of(54), 2);
  EXPECT_EQ(v.modality_of(55), -1);
  EXPECT_EQ(v.modality_of(-1), -1);
  EXPECT_EQ(v.text(), v.find("text"));
  EXPECT_EQ(v.latents(), nullptr);
  EXPECT_EQ(v.opened_by(special::kBosSpeech), v.find("speech"));
  EXPECT_EQ(v.closed_by(special::kEoi), v.find("image"));
  EXPECT_EQ(v.opened_by(special::kBos), nullptr);
  EXPECT_EQ(read(v), v);
}

TEST(Vocabulary, LatentsHaveNoIdsAndAreCutIntoPatches) {
  const Vocabulary v = test::with_latents(40, {4, 16, 8});
  EXPECT_EQ(v.size(), 40);
  ASSERT_EQ(v.latents(), v.find("image"));
  EXPECT_EQ(v.latents()->positions_per_item(), 32);
  EXPECT_EQ(v.latents()->patch_width(), 16);
  EXPECT_EQ(v.latents()->loss(), Loss::kNoise);
  EXPECT_EQ(v.text()->loss(), Loss::kNextToken);
  EXPECT_EQ(v.with_patch_size(4).latents()->positions_per_item(), 8);
  EXPECT_THROW(v.with_patch_size(3), UserError);
  EXPECT_EQ(read(v), v);
}

// A modality may have any name, and any tokens around it.
TEST(Vocabulary, NamesMeanNothing) {
  Vocabulary v;
  v.add(Modality::tokens("words"), 30);
  v.add(Modality::codes("sensor", {9, 8}, 0), 16);
  v.add(Modality::latents("depth", {10, 11}, {1, 8, 8}, 4), 0);
  EXPECT_EQ(v.text()->name, "words");
  EXPECT_FALSE(v.find("sensor")->has_fixed_length());
  EXPECT_EQ(read(v), v);
}

// Tokens around items may stand behind the tokenizer's pieces; none of them comes out of text.
TEST(Vocabulary, PiecesAreWhatTextIsMadeOf) {
  EXPECT_EQ(three().pieces().begin, special::kCount);
  EXPECT_EQ(three().pieces().end, 40);
  EXPECT_EQ(Vocabulary().pieces().end, 0);
  Vocabulary v;
  v.add(Modality::tokens("text"), 40);
  v.add(Modality::codes("image", special::kImageBrackets, 4), 10);
  v.add(Modality::codes("sensor", {36, 37}, 0), 16);
  v.add(Modality::latents("depth", {38, 39}, {1, 8, 8}, 4), 0);
  EXPECT_EQ(v.pieces().end, 36);
  EXPECT_FALSE(v.pieces().contains(special::kBoi));
  EXPECT_EQ(v.modality_of(38), 0) << "they are text all the same";
  EXPECT_EQ(read(v), v);
}

TEST(Vocabulary, RefusesWhatIsNoTable) {
  const std::vector<std::string> names = {"text", "image"};
  const Json table = parse_json(test::with_codes(4, 1, 1).table_json().dump(), "");
  for (const char* text :
       {"[]", "{}", R"({"text": [0, 4]})", R"({"text": [1, 4], "image": [4, 5]})",
        R"({"text": [0, 4], "image": [5, 6]})", R"({"text": [0, 4], "image": [4, 3]})",
        R"({"text": [0, 4], "image": [4, 4]})", R"({"text": [0, 4], "image": 7})",
        R"({"text": [0, -4], "image": [4, 5]})", R"({"text": [0, 4.5], "image": [4, 5]})",
        R"({"text": [0, 4], "smell": [4, 5]})", R"({"text": [0, 4611686018427387904], "image": [4, 5]})"})
    EXPECT_THROW(Vocabulary::from_json(parse_json(text, ""), table, names, "here"), InputError) << text;
}

TEST(Vocabulary, RefusesADescriptionThatDoesNotHold) {
  const auto refuse = [](const Vocabulary& good, const std::function<void(Json&)>& edit) {
    Json table = parse_json(good.table_json().dump(), "");
    edit(table);
    EXPECT_THROW(Vocabulary::from_json(parse_json(good.to_json().dump(), ""), table, good.names(), "here"),
                 InputError)
        << table.dump();
  };
  const Vocabulary codes = three(), latents = test::with_latents(40);
  refuse(codes, [](Json& t) { t.erase("image"); });
  refuse(codes, [](Json& t) { t["image"] = 3; });
  refuse(codes, [](Json& t) { t["image"].erase("representation"); });
  refuse(codes, [](Json& t) { t["image"]["representation"] = "pixels"; });
  refuse(codes, [](Json& t) { t["image"].erase("begin_token"); });
  refuse(codes, [](Json& t) { t["image"]["end_token"] = -1; });
  refuse(codes, [](Json& t) { t["image"]["end_token"] = 40; });  // a code
  refuse(codes, [](Json& t) { t["image"]["end_token"] = special::kBosSpeech; });
  refuse(codes, [](Json& t) { t["image"]["codes_per_item"] = -1; });
  refuse(codes, [](Json& t) { t["image"] = t["text"]; });  // two modalities of tokens
  refuse(latents, [](Json& t) { t["image"].erase("latent_shape"); });
  refuse(latents, [](Json& t) { t["image"]["latent_shape"] = {2, 0, 4}; });
  refuse(latents, [](Json& t) { t["image"]["patch_size"] = 3; });
  const Json text = {{"text", {{"representation", "tokens"}}}};
  EXPECT_THROW(Vocabulary::from_json(Json::object({{"../x", {0, 4}}}), text, {"../x"}, "here"), InputError);
}

// Files from before the table: three names with fixed meanings.
TEST(Vocabulary, OlderFilesAreReadAsTheyWereMeant) {
  const auto older = [](const Vocabulary& v, const OlderImages& images) {
    const Json ranges = parse_json(v.to_json().dump(), "");
    return Vocabulary::from_json(ranges, older_modality_table(ranges, v.names(), images, "here"), v.names(),
                                 "here");
  };
  EXPECT_EQ(older(three(), {{}, {}, 3}), three());
  EXPECT_EQ(older(test::with_latents(40), {{2, 4, 4}, {}, {}}), test::with_latents(40));
  EXPECT_EQ(older(test::with_latents(40), {{2, 4, 4}, 4, {}}), test::with_latents(40).with_patch_size(4));
  EXPECT_THROW(older(test::with_latents(40), {}), InputError);
  // config.json did not say how many codes an image has: its codec does.
  const Vocabulary unknown = older(three(), {});
  EXPECT_EQ(unknown.find("image")->positions_per_item(), kUnknownLength);
  EXPECT_TRUE(unknown.find("image")->has_fixed_length());
  EXPECT_EQ(unknown.with_codes_per_item(*unknown.find("image"), 3), three());
  EXPECT_EQ(read(unknown), unknown);
  Vocabulary other;
  other.add(Modality::tokens("smell"), 4);
  EXPECT_THROW(older(other, {}), InputError);
}

TEST(Presets, NameTheModalitiesOfTheirSettings) {
  EXPECT_EQ(preset_names(),
            (std::vector<std::string>{"transfusion", "chameleon", "three_modality", "custom"}));
  EXPECT_EQ(find_preset("video"), nullptr);
  EXPECT_TRUE(find_preset(kCustomSetting)->vocabulary.empty());
  for (const Preset& preset : presets()) {
    if (preset.name == kCustomSetting) continue;
    EXPECT_EQ(preset.codec_kinds.size(), preset.vocabulary.modalities().size());
    EXPECT_EQ(preset.has_latents(), preset.name == "transfusion");
    EXPECT_EQ(preset.vocabulary.size(), preset.has_latents() ? 32000 : 65536);
  }
}

TEST(Presets, TheTrainedSumIsTheSettingsWhereTheDataHaveNothingElse) {
  const auto table = [](const Vocabulary& v) { return parse_json(v.table_json().dump(), ""); };
  Vocabulary v = test::with_latents(40);
  const TrainedSum plain = trained_sum("transfusion", 5, table(v));
  EXPECT_EQ(plain.weight, 5);
  EXPECT_EQ(plain.latents, "image");
  v.add(Modality::codes("sensor", {6, 7}, 0), 16);
  for (const char* setting : {"transfusion", kCustomSetting}) {
    const TrainedSum more = trained_sum(setting, 5, table(v));
    EXPECT_EQ(more.weight, 0) << "the run's own sum: text and image are not all of it";
    EXPECT_EQ(more.continuous, std::set<std::string>{"image"});
  }
  EXPECT_EQ(trained_sum("transfusion", 5, Json()).weight, 5) << "of a run that says nothing";
  EXPECT_FALSE(trained_sum(kCustomSetting, 5, Json()).known);
  EXPECT_TRUE(trained_sum(kCustomSetting, 5, table(v)).known);
}

// What tokens can tell: texts side by side are one, empty ones nothing.
std::vector<CodeSegment> normal(const std::vector<CodeSegment>& segments) {
  std::vector<CodeSegment> out;
  for (const CodeSegment& segment : segments) {
    const bool text = segment.modality == kTextName;
    if (text && segment.codes.empty()) continue;
    if (text && !out.empty() && out.back().modality == kTextName) {
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
      const Modality& modality = vocabulary.modalities()[random.below(3)];
      const auto first = modality.is_text() ? special::kCount : 0;
      CodeSegment segment{modality.name, {}};
      for (uint64_t i = random.below(6); i > 0; --i)
        segment.codes.push_back(
            first + static_cast<int32_t>(random.below(static_cast<uint64_t>(modality.num_ids() - first))));
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
}  // namespace mom::modality
