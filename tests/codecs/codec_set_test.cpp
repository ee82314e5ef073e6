// Codecs behind their interface: opened by kind, checked alike, and together.
#include "mom/codecs/codec_set.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "mom/base/error.h"
#include "mom/codecs/codec_kinds.h"
#include "mom/codecs/image_vae_train.h"
#include "mom/codecs/image_vq_train.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/text_codec_train.h"
#include "mom/formats/image_file.h"
#include "mom/modality/special_tokens.h"
#include "tests/support/discs.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom::codecs {
namespace {

class CodecSetTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    folder_ = new test::TempFolder;
    ImageVaeConfig vae;
    vae.image_size = 16;
    vae.base_channels = 4;
    vae.steps = 1;
    train_image_vae(vae, {{test::discs(8, 1)}, test::discs(2, 2)}, *folder_ / "vae", false);
    ImageVqConfig vq;
    vq.image_size = 16;
    vq.codebook_size = 8;
    vq.base_channels = 4;
    vq.steps = 2;
    train_image_vq(vq, {{test::discs(8, 1)}, test::discs(2, 2)}, *folder_ / "image", false);
    TextCodecConfig text;
    text.vocabulary = 280;
    train_text_codec(text, {{"words", std::vector<std::string>(50, "red disc, blue bar")}}, {},
                     *folder_ / "text", false);
  }
  static void TearDownTestSuite() { delete folder_; }
  static Path copy_of(const char* codec) {
    const Path copy = *folder_ / "copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(*folder_ / codec, copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(CodecSetTest, AFolderIsOpenedByItsKind) {
  for (const auto& [folder, kind] : {std::pair{"vae", "image_vae"}, {"image", "vq_image"}, {"text", "text"}})
    EXPECT_EQ(open_codec(*folder_ / folder)->info().kind, kind);
  const Path copy = copy_of("text");
  const CodecInfo info = read_codec_info(copy);
  write_codec_info(copy, "phonemes", "text", info.config, info.report);
  test::expect_error<InputError>([&] { open_codec(copy); }, "text, image_vae, vq_image, speech");
  test::expect_error<InputError>([&] { ImageVae{*folder_ / "image"}; }, "vq_image");
}

// A config that training would refuse is refused when it is read, whatever the kind.
TEST_F(CodecSetTest, ConfigsAreCheckedOnLoad) {
  for (const char* folder : {"vae", "image"}) {
    const Path copy = copy_of(folder);
    CodecInfo info = read_codec_info(copy);
    info.config["downsample"] = 3;
    write_codec_info(copy, info.kind, info.modality, info.config, info.report);
    const std::string error = test::message_of<InputError>([&] { open_codec(copy); });
    EXPECT_NE(error.find("downsample"), std::string::npos) << folder << ": " << error;
    EXPECT_NE(error.find("codec.json"), std::string::npos) << folder << ": " << error;
  }
}

TEST_F(CodecSetTest, SaysTheModalitiesOfAnEncoding) {
  const CodecSet latents({*folder_ / "vae", *folder_ / "text"}),
      codes({*folder_ / "image", *folder_ / "text"});
  EXPECT_EQ(latents.vocabulary().names(), (std::vector<std::string>{"text", "image"}));
  EXPECT_EQ(latents.vocabulary().latents()->latent_shape, (std::vector<int64_t>{4, 4, 4}));
  EXPECT_EQ(codes.vocabulary().size(), 280 + 8);
  EXPECT_EQ(codes.vocabulary().find("image")->positions_per_item(), 4);
  EXPECT_EQ(codes.vocabulary().modalities()[1].brackets, modality::special::kImageBrackets);
  EXPECT_THROW(CodecSet({*folder_ / "vae", *folder_ / "image"}), UserError) << "two of one modality";
}

TEST_F(CodecSetTest, OpensThoseOfAModelAndNoOthers) {
  const std::string hash = read_codec_info(*folder_ / "image").hash;
  const CodecSet good(*folder_ / "", {{"image", hash}}, "model"), nowhere("", {}, "model"),
      other(*folder_ / "", {{"image", std::string(64, '0')}}, "model");
  EXPECT_EQ(good.of("image").info().hash, hash);
  EXPECT_EQ(&good.of("image"), &good.media("image"));
  test::expect_error<InputError>([&] { good.media("text"); }, "of files");
  test::expect_error<InputError>([&] { good.of("speech"); }, "codec.json");
  test::expect_error<InputError>([&] { nowhere.of("image"); }, "--codecs");
  test::expect_error<InputError>([&] { other.of("image"); }, "trained with");
}

// A file goes through any codec of files alike.
TEST_F(CodecSetTest, FilesBecomeItemsAndFilesAgain) {
  const std::string file = formats::encode_png(to_image(test::discs(1, 5)[0]));
  for (const char* folder : {"vae", "image"}) {
    const std::unique_ptr<Codec> codec = open_codec(*folder_ / folder);
    const auto& media = dynamic_cast<const MediaCodec&>(*codec);
    const auto inputs = media.read(std::as_bytes(std::span(file)), "file", 3, "key");
    ASSERT_EQ(inputs.size(), 3u);
    const std::vector<CodedItem> items = media.encode_items(inputs);
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(items[0].latents_CHW.defined(), codec->modality().is_continuous());
    EXPECT_EQ(std::ssize(items[0].codes), codec->modality().codes_per_item);
    const auto image = std::get<formats::Image>(media.decode_item(items[1]));
    EXPECT_EQ(image.width, 16);
    EXPECT_EQ(to_file(image), to_file(media.decode_items(items)[1]));
    EXPECT_THROW(media.read(std::as_bytes(std::span(file).first(9)), "file", 1, ""), InputError);
  }
}

}  // namespace
}  // namespace mom::codecs
