// `mom codec describe`: what codes and latents in documents say of their codec, and what does not fit them by name.
#include "mom/data/codec_describe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "mom/base/error.h"
#include "mom/codecs/external_codec.h"
#include "mom/data/document.h"
#include "mom/formats/npy.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom::data {
namespace {

formats::Npy codes_of(std::vector<int64_t> values, std::vector<int64_t> shape = {}) {
  if (shape.empty()) shape = {std::ssize(values)};
  return {std::move(shape), std::move(values)};
}

formats::Npy latents_of_shape(std::vector<int64_t> shape, std::vector<float> values) {
  return {std::move(shape), std::move(values)};
}

class CodecDescribeTest : public testing::Test {
 protected:
  // Documents "d0", "d1", ... of split "train" with an item of "music" each; those of `held_out` are "v0", ...
  CodecDescribeOptions options(const std::vector<formats::Npy>& train,
                               const std::vector<formats::Npy>& held_out = {}) {
    CodecDescribeOptions options;
    options.documents = folder_ / ("documents-" + std::to_string(++count_));
    options.name = "music";
    options.out = folder_ / ("codec-" + std::to_string(count_));
    DocumentWriter writer(options.documents, false);
    for (const auto& [items, split, letter] :
         {std::tuple{&train, "train", "d"}, std::tuple{&held_out, "validation", "v"}})
      for (size_t i = 0; i < items->size(); ++i) {
        const MediaRef media = writer.add_media("a.npy", formats::write_npy((*items)[i]));
        writer.add("songs", split,
                   {letter + std::to_string(i),
                    false,
                    {{"text", "a song", {}, {}}, {"music", "", {}, media, 0, true}}});
      }
    writer.commit();
    return options;
  }
  CodecDescribeOptions of_codes(const std::vector<formats::Npy>& train) {
    CodecDescribeOptions given = options(train);
    given.codebook_size = 16;
    return given;
  }
  template <class Kind>
  static void expect_refused(const CodecDescribeOptions& given, const std::string& expected) {
    test::expect_error<Kind>([&] { describe_codec(given); }, expected);
    EXPECT_FALSE(std::filesystem::exists(given.out));
  }
  static Json config_of(const CodecDescribeOptions& given) { return describe_codec(given)["config"]; }

  test::TempFolder folder_;
  int count_ = 0;
};

TEST_F(CodecDescribeTest, CodesOfOneLengthAreFixed) {
  CodecDescribeOptions given = of_codes({codes_of({3, 1, 2}), codes_of({7, 7, 3})});
  given.rate_hz = 50, given.note = "decode elsewhere";
  const OrderedJson result = describe_codec(given);
  EXPECT_EQ(result["modality"], "music");
  EXPECT_EQ(Json(result["report"]),
            (Json{{"items", 2}, {"codes", 6}, {"codes_used_share", 0.25}, {"mean_length", 3.0}}));
  const codecs::ExternalCodec codec(given.out);
  EXPECT_EQ(codec.info().hash, result["hash"]);
  EXPECT_EQ(codec.config().representation, "codes");
  EXPECT_EQ(codec.config().codebook_size, 16);
  EXPECT_EQ(codec.config().codes_per_item, 3);
  EXPECT_EQ(codec.config().shape, std::vector<int64_t>{3});
  EXPECT_EQ(codec.config().rate_hz, 50);
  EXPECT_EQ(codec.config().note, "decode elsewhere");
}

TEST_F(CodecDescribeTest, ShapesOfCodes) {
  const formats::Npy square = codes_of({1, 2, 3, 4}, {2, 2}), list = codes_of({1, 2, 3, 4});
  EXPECT_EQ(config_of(of_codes({square, square}))["shape"], (Json{2, 2}));
  EXPECT_EQ(config_of(of_codes({list, square, list}))["shape"], (Json{2, 2})) << "flat ones are given it";
  const formats::Npy tall = codes_of({1, 2, 3, 4}, {4, 1});
  expect_refused<InputError>(of_codes({list, square, tall, square}), "expected shape [2, 2], as in ");
  CodecDescribeOptions as_grid = of_codes({square, tall});
  as_grid.length = "variable";
  EXPECT_EQ(config_of(as_grid)["shape"], Json::array());
  as_grid = of_codes({square});
  as_grid.grid = "4x1";
  expect_refused<UserError>(as_grid, "--grid: expected sizes [2, 2], as in ");
  as_grid = of_codes({list});
  as_grid.grid = "1x4";
  EXPECT_EQ(config_of(as_grid)["shape"], (Json{1, 4}));
  as_grid = of_codes({list});
  as_grid.grid = "3x2";
  expect_refused<UserError>(as_grid, "4 codes in all, found [3, 2]");
  for (const std::string grid : {"4x", "x4", "2by2", "2x-2", "0x4", "99999999x1"}) {
    as_grid = of_codes({list});
    as_grid.grid = grid;
    expect_refused<UserError>(as_grid, "--grid: expected sizes such as 16x16, found '" + grid + "'");
  }
}

TEST_F(CodecDescribeTest, CodesOfAnyNumber) {
  const auto describe_as = [&](const std::vector<formats::Npy>& items, const std::string& length) {
    CodecDescribeOptions given = of_codes(items);
    given.length = length;
    return config_of(given);
  };
  const formats::Npy two = codes_of({1, 2}), three = codes_of({1, 2, 3});
  for (const Json& config : {describe_as({two, three}, ""), describe_as({two, three}, "variable"),
                             describe_as({two, two}, "variable")}) {
    EXPECT_EQ(config["codes_per_item"], 0);
    EXPECT_EQ(config["shape"], Json::array());
  }
  EXPECT_EQ(describe_as({two, two}, "fixed")["codes_per_item"], 2);
  CodecDescribeOptions given = of_codes({two, three});
  given.length = "fixed";
  expect_refused<UserError>(given, "--length: expected variable: items of the data differ in length");
  given.length = "";
  given.grid = "1x2";
  expect_refused<UserError>(given, "--grid: expected none for items of variable length, found 1x2");
}

TEST_F(CodecDescribeTest, LatentsAreMeasuredOnTrainingItems) {
  const OrderedJson result = describe_codec(
      options({latents_of_shape({2, 1, 2}, {1, 3, 10, 20}), latents_of_shape({2, 1, 2}, {1, 3, 30, 40})},
              {latents_of_shape({2, 1, 2}, {900, 900, 900, 900})}));
  EXPECT_EQ(result["config"]["representation"], "latents");
  EXPECT_EQ(result["config"]["shape"], (Json{2, 1, 2}));
  EXPECT_EQ(result["report"]["items"], 3);
  EXPECT_EQ(result["report"]["mean"], (Json{2.0, 25.0}));
  EXPECT_FLOAT_EQ(result["report"]["std"][0].get<float>(), 1);
  EXPECT_FLOAT_EQ(result["report"]["std"][1].get<float>(), std::sqrt(125.0f));
}

TEST_F(CodecDescribeTest, AConstantChannelIsKeptAsItIsAndSaid) {
  const CodecDescribeOptions given = options({latents_of_shape({2, 2}, {0.1f, 0.1f, 0, 4})});
  testing::internal::CaptureStderr();
  const OrderedJson result = describe_codec(given);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("channel 0 of music is constant"), std::string::npos) << log;
  EXPECT_EQ(log.find("channel 1"), std::string::npos) << log;
  EXPECT_EQ(result["report"]["std"], (Json{1.0, 2.0}));
}

TEST_F(CodecDescribeTest, LatentsOfHeldOutItemsAloneCannotBeMeasured) {
  expect_refused<InputError>(options({}, {latents_of_shape({1, 2}, {1, 2})}),
                             "latents of music in split \"train\" to measure");
}

TEST_F(CodecDescribeTest, OptionsMustGoWithTheData) {
  CodecDescribeOptions given = options({codes_of({3, 9})});
  expect_refused<UserError>(given,
                            "--codebook-size: expected how many codes the codec has (the largest code "
                            "in the data is 9), found none");
  given.codebook_size = 9;
  expect_refused<UserError>(given, "--codebook-size: expected more than 9");
  given.codebook_size = 10;
  given.representation = "latents";
  expect_refused<UserError>(given,
                            "--representation: expected codes, as the arrays of music are, found latents");
  given.representation = "codes";
  EXPECT_EQ(config_of(given)["codebook_size"], 10);
  const std::vector<formats::Npy> latents = {latents_of_shape({1, 2}, {1, 2})};
  CodecDescribeOptions sized = options(latents), long_ = options(latents), grid = options(latents);
  sized.codebook_size = 5, long_.length = "fixed", grid.grid = "1x2";
  for (const CodecDescribeOptions& one : {sized, long_, grid})
    expect_refused<UserError>(one, "--codebook-size, --length and --grid: expected none of latents");
}

TEST_F(CodecDescribeTest, NamesMustBeThoseOfTheDocuments) {
  CodecDescribeOptions given = of_codes({codes_of({1})});
  for (const std::string name : {"", "text", "mu sic", "../music"}) {
    given.name = name;
    expect_refused<UserError>(
        given, "--name: expected letters, digits, \"_\" and \"-\", other than text, found '" + name + "'");
  }
  given.name = "musik";
  expect_refused<UserError>(given,
                            "--name: expected a modality of the documents (music, text), found 'musik'");
}

TEST_F(CodecDescribeTest, ItemsUnlikeTheOthersAreNamed) {
  const std::string second = "train-songs.jsonl, document \"d1\": ",
                    as_in = ", as in train-songs.jsonl, document \"d0\", found ";
  const formats::Npy code = codes_of({1}), latent = latents_of_shape({1, 2}, {1, 2});
  const std::vector<std::tuple<formats::Npy, formats::Npy, std::string>> cases = {
      {code, codes_of({4, -1}), second + "expected codes from 0 on, found -1"},
      {code, codes_of({}, {0}), second + "expected an array with numbers, found an empty one"},
      {code, latent, second + "expected integers" + as_in + "floats"},
      {latent, code, second + "expected floats" + as_in + "integers"},
      {latent, latents_of_shape({1, 3}, {1, 2, 3}), second + "expected shape [1, 2]" + as_in + "[1, 3]"},
      {latents_of_shape({2}, {1, 2}), latent,
       "document \"d0\": expected latents of shape [C, H, W] or [C, T], "
       "found [2]"},
      {latents_of_shape({1, 1, 1, 2}, {1, 2}), latent, "found [1, 1, 1, 2]"}};
  for (const auto& [first, other, expected] : cases)
    expect_refused<InputError>(options({first, other}), expected);
}

TEST_F(CodecDescribeTest, ImagesAndSoundHaveCodecsThatAreTrained) {
  DocumentWriter writer(folder_ / "photos", false);
  writer.add("pets", "train", {"fox", false, {{"image", "", {}, writer.add_media("fox.png", "a picture")}}});
  writer.commit();
  CodecDescribeOptions given;
  given.documents = folder_ / "photos", given.out = folder_ / "codec", given.name = "image";
  expect_refused<InputError>(given,
                             "train-pets.jsonl, document \"fox\": expected encoded segments of image (.npy)");
}

}  // namespace
}  // namespace mom::data
