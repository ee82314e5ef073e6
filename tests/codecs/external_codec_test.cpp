// Codecs from outside: what their folders say, which items they take, and that items come back in the owner's numbers.
#include "mom/codecs/external_codec.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/codec_set.h"
#include "mom/codecs/decode_command.h"
#include "mom/codecs/text_codec_train.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom::codecs {
namespace {

class ExternalCodecTest : public testing::Test {
 protected:
  ExternalCodec make(const std::string& name, const ExternalCodecConfig& config, const at::Tensor& mean = {},
                     const at::Tensor& std = {}) {
    write_external_codec(folder_ / name, true, name, config, mean, std, Json::object());
    return ExternalCodec(folder_ / name);
  }
  ExternalCodec photo() {
    return make("photo", {.representation = "latents", .shape = {2, 2, 3}}, torch::tensor({10.f, -1.f}),
                torch::tensor({4.f, 0.5f}));
  }
  test::TempFolder folder_;
};

std::string bytes_of(const formats::Npy& array) { return formats::write_npy(array); }

at::Tensor read(const ExternalCodec& codec, const std::string& bytes) {
  return codec.read(std::as_bytes(std::span(bytes)), "a.npy", 4, "key").at(0);
}

TEST_F(ExternalCodecTest, CodesComeBackInTheirShape) {
  const ExternalCodec grid = make("sketch", {.codebook_size = 9, .codes_per_item = 6, .shape = {2, 3}}),
                      stream = make("sensor", {.codebook_size = 9});
  const std::vector<int64_t> codes = {8, 0, 1, 2, 3, 4};
  for (const auto& [codec, shape] : {std::pair{&grid, std::vector<int64_t>{2, 3}}, {&stream, {6}}}) {
    const std::string bytes = bytes_of({shape, codes});
    const CodedItem item = codec->encode_items({read(*codec, bytes)}).at(0);
    EXPECT_EQ(item.codes, (std::vector<int32_t>{8, 0, 1, 2, 3, 4}));
    EXPECT_EQ(to_file(codec->decode_item(item)), bytes);
  }
  EXPECT_EQ(grid.modality().codes_per_item, 6);
  EXPECT_EQ(stream.modality().codes_per_item, 0);
  EXPECT_EQ(stream.num_ids(), 9);
  // A codec may say the grid of codes that are stored as a list.
  EXPECT_EQ(read(grid, bytes_of({{6}, codes})).numel(), 6);
}

TEST_F(ExternalCodecTest, LatentsAreScaledByChannelAndBack) {
  const ExternalCodec codec = photo();
  const formats::Npy array{{2, 2, 3}, std::vector<float>{10, 14, 6, 10, 10, 30, -1, -0.5f, -1.5f, -1, -1, 0}};
  const CodedItem item = codec.encode_items({read(codec, bytes_of(array))}).at(0);
  EXPECT_TRUE(item.latents_CHW.equal(
      torch::tensor({0.f, 1.f, -1.f, 0.f, 0.f, 5.f, 0.f, 1.f, -1.f, 0.f, 0.f, 2.f}).view({2, 2, 3})));
  EXPECT_EQ(to_file(codec.decode_item(item)), bytes_of(array));
  EXPECT_EQ(codec.modality().latent_shape, (std::vector<int64_t>{2, 2, 3}));
  const ExternalCodec signal =
      make("signal", {.representation = "latents", .shape = {2, 5}}, torch::zeros({2}), torch::ones({2}));
  EXPECT_EQ(signal.modality().latent_shape, (std::vector<int64_t>{2, 1, 5}));
  const std::string bytes = bytes_of({{2, 5}, std::vector<float>(10, 0.25f)});
  EXPECT_EQ(to_file(signal.decode_item(signal.encode_items({read(signal, bytes)}).at(0))), bytes);
}

TEST_F(ExternalCodecTest, RefusesItemsThatAreNotItsOwn) {
  const ExternalCodec grid = make("sketch", {.codebook_size = 9, .codes_per_item = 6, .shape = {2, 3}}),
                      stream = make("sensor", {.codebook_size = 9}), latents = photo();
  const auto error = [](const ExternalCodec& codec, const formats::Npy& array) {
    return test::message_of<Error>([&] { read(codec, bytes_of(array)); });
  };
  EXPECT_NE(error(stream, {{2}, std::vector<int64_t>{8, 9}}).find("0 to 8"), std::string::npos);
  EXPECT_NE(error(stream, {{1}, std::vector<int64_t>{-1}}).find("-1 at entry 0"), std::string::npos);
  EXPECT_NE(error(stream, {{0}, std::vector<int64_t>{}}).find("at least one"), std::string::npos);
  EXPECT_NE(error(stream, {{1}, std::vector<float>{1}}).find("floats"), std::string::npos);
  EXPECT_NE(error(grid, {{5}, std::vector<int64_t>(5, 0)}).find("6 codes"), std::string::npos);
  EXPECT_NE(error(grid, {{3, 2}, std::vector<int64_t>(6, 0)}).find("[2, 3]"), std::string::npos);
  EXPECT_NE(error(latents, {{2, 3, 2}, std::vector<float>(12, 0)}).find("[2, 2, 3]"), std::string::npos);
  EXPECT_NE(error(latents, {{12}, std::vector<int64_t>(12, 0)}).find("integers"), std::string::npos);
  // Encoded data keeps latents in f16.
  EXPECT_NE(test::message_of<Error>([&] {
              latents.encode_items({torch::full({2, 2, 3}, 1e6f)});
            }).find("65504"),
            std::string::npos);
}

TEST_F(ExternalCodecTest, ConfigsThatDoNotHold) {
  const auto refuse = [](const ExternalCodecConfig& config, const std::string& word) {
    EXPECT_NE(test::message_of<Error>([&] { config.check(); }).find(word), std::string::npos) << word;
  };
  refuse({}, "codebook_size");
  refuse({.codebook_size = 4, .codes_per_item = 5, .shape = {2, 2}}, "shape");
  refuse({.representation = "latents", .shape = {4}}, "[C, H, W]");
  refuse({.representation = "latents", .shape = {4, 0, 4}}, "sizes");
  refuse({.representation = "latents", .codebook_size = 3, .shape = {4, 4, 4}}, "codebook_size");
  refuse({.codebook_size = 4, .decode = "python x {in} {out}"}, "decodes_to");
  refuse({.codebook_size = 4, .decodes_to = "png"}, "decodes_to");
  refuse({.codebook_size = 4, .decode = "python x {in}", .decodes_to = "png"}, "{out}");
}

// Items stand between ids of text that its tokenizer does not know.
TEST_F(ExternalCodecTest, TheirTokensStandBehindTheTokenizersPieces) {
  TextCodecConfig text;
  text.vocabulary = 280;
  train_text_codec(text, {{"words", std::vector<std::string>(50, "red disc, blue bar")}}, {},
                   folder_ / "text", false);
  make("sensor", {.codebook_size = 9});
  photo();
  const modality::Vocabulary v =
      CodecSet({folder_ / "sensor", folder_ / "text", folder_ / "photo"}).vocabulary();
  EXPECT_EQ(v.names(), (std::vector<std::string>{"text", "sensor", "photo"}));
  EXPECT_EQ(v.text()->end, 280 + 4);
  EXPECT_EQ(v.pieces().end, 280);
  EXPECT_EQ(v.find("sensor")->brackets, (modality::Brackets{280, 281}));
  EXPECT_EQ(v.find("photo")->brackets, (modality::Brackets{282, 283}));
  EXPECT_NE(test::message_of<Error>([&] { CodecSet({folder_ / "sensor"}).vocabulary(); }).find("text codec"),
            std::string::npos);
}

TEST(DecodeCommand, WordsWithoutAShell) {
  EXPECT_EQ(words_of_command("python 'my file.py' {in} --out={out} \"a 'b\" ''", "x y", "z"),
            (std::vector<std::string>{"python", "my file.py", "x y", "--out=z", "a 'b", ""}));
  EXPECT_EQ(words_of_command("a;b $HOME `x` {in}{out}", "i", "o"),
            (std::vector<std::string>{"a;b", "$HOME", "`x`", "io"}));
  for (const char* wrong : {"", "{in}", "a {in}", "a {out}", "a 'b {in} {out}"})
    EXPECT_THROW(words_of_command(wrong, "i", "o"), UserError) << wrong;
}

TEST(DecodeCommand, SaysWhatWentWrong) {
  const test::TempFolder folder;
  const Path in = folder / "a.npy", out = folder / "a.png";
  test::write_file(in, "content");
  const auto error = [&](const std::string& command, double limit_s = 20) {
    return test::message_of<Error>([&] { run_decode_command(command, in, out, limit_s); });
  };
  EXPECT_EQ(error("cp {in} {out}"), "no error");
  EXPECT_EQ(read_file(out), "content");
  std::filesystem::remove(out);
  EXPECT_NE(error("sh -c 'echo no net >&2; exit 3' {in} {out}").find("exit code 3: no net"),
            std::string::npos);
  EXPECT_NE(error("true {in} {out}").find("{out}"), std::string::npos);
  EXPECT_NE(error("no-such-program {in} {out}").find("no-such-program"), std::string::npos);
  EXPECT_NE(error("sh -c 'sleep 20' {in} {out}", 0.05).find("--decode-limit"), std::string::npos);
}

}  // namespace
}  // namespace mom::codecs
