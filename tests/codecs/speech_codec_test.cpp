#include "mom/codecs/speech_codec.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <limits>

#include "mom/base/error.h"
#include "mom/codecs/mel.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/speech_net.h"
#include "mom/codecs/speech_train.h"
#include "mom/formats/sound_file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tones.h"

namespace mom::codecs {
namespace {

using test::babble;

SpeechConfig small_speech() {
  SpeechConfig config;
  config.width = 48;
  config.codebook_size = 32;
  config.code_channels = 8;
  config.steps = 120;
  config.batch_sounds = 4;
  config.griffin_lim_iterations = 8;
  return config;
}

SpeechSounds small_sounds() {
  SpeechSounds sounds;
  for (uint64_t i = 0; i < 12; ++i) sounds.train.push_back(babble(1.5, i));
  for (uint64_t i = 0; i < 3; ++i) sounds.validation.push_back(babble(1.2, 100 + i));
  return sounds;
}

class SpeechCodecTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);  // at these sizes more threads only wait for each other on a busy machine
    folder_ = new test::TempFolder;
    report_ = new Json(train_speech_codec(small_speech(), small_sounds(), *folder_ / "codec", false));
    codec_ = new SpeechCodec(*folder_ / "codec");
  }
  static void TearDownTestSuite() {
    delete codec_;
    delete report_;
    delete folder_;
  }
  static inline test::TempFolder* folder_ = nullptr;
  static inline SpeechCodec* codec_ = nullptr;
  static inline Json* report_ = nullptr;
};

TEST_F(SpeechCodecTest, NumberOfCodesAndSamples) {
  for (const size_t length : {1u, 639u, 640u, 641u, 16'000u}) {
    std::vector<float> sound = babble(1, 5);
    sound.resize(length);
    const SpeechCodes codes = codec_->encode(sound);
    ASSERT_EQ(codes.codes.size(), (length + 639) / 640);
    EXPECT_EQ(codes.counts, std::vector<int32_t>(codes.codes.size(), 1));
    for (const int32_t code : codes.codes) EXPECT_TRUE(code >= 0 && code < 32);
    EXPECT_EQ(codec_->decode(codes).size(), codes.codes.size() * 640);
    EXPECT_EQ(codec_->mel_of(sound).sizes(), codec_->decode_mel(codes).sizes());
  }
  EXPECT_TRUE(codec_->decode({}).empty());
}

TEST_F(SpeechCodecTest, CodesDependOnTheSoundAlone) {
  const std::vector<float> sound = babble(40, 6);  // three pieces
  const SpeechCodes expected = codec_->encode(sound);
  const std::vector<float> decoded = codec_->decode(expected);
  EXPECT_GT(deduplicated(expected.codes).codes.size(), 50u);  // not one code all the time
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    EXPECT_EQ(codec_->encode(sound).codes, expected.codes) << threads << " threads";
    EXPECT_EQ(codec_->decode(expected), decoded) << threads << " threads";
    EXPECT_EQ(at::get_num_threads(), threads);
  }
  at::set_num_threads(1);
  for (const int64_t piece : {7, 64, 333, 10'000})
    EXPECT_EQ(codec_->encode(sound, piece).codes, expected.codes) << "pieces of " << piece;
}

TEST_F(SpeechCodecTest, LoudnessChangesNothing) {
  std::vector<float> sound = babble(1, 7), quiet = sound;
  for (float& sample : quiet) sample *= 0.25f;
  EXPECT_EQ(codec_->encode(sound).codes, codec_->encode(quiet).codes);
  EXPECT_NO_THROW(codec_->decode(codec_->encode(std::vector<float>(5'000, 0.0f))));  // silence
}

TEST_F(SpeechCodecTest, ReachIsExactlyWhatTheNetworkSees) {
  torch::NoGradGuard no_grad;
  SpeechNet net(small_speech());
  for (at::Tensor& weight : net->parameters()) weight.normal_(0, 0.3);
  const int64_t L = 60, P = 4, at = 30, reach = SpeechNetImpl::kReach;
  at::Tensor mel = torch::randn({1, L * P, kMelBands}), changed = mel.clone();
  changed.slice(1, at * P, (at + 1) * P).add_(1);
  const at::Tensor moved_L = (net->encode(mel) - net->encode(changed)).abs().amax({0, 1}) > 0;
  EXPECT_EQ(moved_L.nonzero().min().item<int64_t>(), at - reach);
  EXPECT_EQ(moved_L.nonzero().max().item<int64_t>(), at + reach);
  at::Tensor latents = torch::randn({1, 8, L}), other = latents.clone();
  other.select(2, at).add_(1);
  const at::Tensor heard_F = (net->decode(latents) - net->decode(other)).abs().amax({0, 2}) > 0;
  EXPECT_EQ(heard_F.nonzero().min().item<int64_t>(), (at - reach) * P);
  EXPECT_EQ(heard_F.nonzero().max().item<int64_t>(), (at + reach) * P + P - 1);
}

TEST(SpeechCodes, MergedRunsComeBackExactly) {
  RandomStream random(stream_key({fnv1a64("runs")}));
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<int32_t> codes(random.below(30));
    for (int32_t& code : codes) code = static_cast<int32_t>(random.below(3));
    const SpeechCodes merged = deduplicated(codes);
    EXPECT_EQ(expanded(merged), codes);
    for (size_t i = 1; i < merged.codes.size(); ++i) EXPECT_NE(merged.codes[i - 1], merged.codes[i]);
  }
}

TEST_F(SpeechCodecTest, DeduplicatedCodesDecodeToTheSameSound) {
  SpeechConfig config = small_speech();
  config.deduplicate = true;
  train_speech_codec(config, small_sounds(), *folder_ / "merged", false);
  const SpeechCodec merging(*folder_ / "merged");
  const std::vector<float> sound = babble(3, 8);
  const SpeechCodes plain = codec_->encode(sound), merged = merging.encode(sound);
  ASSERT_EQ(expanded(merged), plain.codes);
  EXPECT_LT(merged.codes.size(), plain.codes.size());
  EXPECT_EQ(merging.decode(merged), codec_->decode(plain));
  // Without counts, as a model writes them: the mean run length.
  const double run = merging.info().report["mean_run_length"].get<double>();
  const auto frames = static_cast<double>(merging.decode({merged.codes, {}}).size()) / 640;
  EXPECT_NEAR(frames, run * static_cast<double>(merged.codes.size()), 1.01);
}

TEST_F(SpeechCodecTest, RefusesBadSoundsAndCodesByName) {
  EXPECT_THROW(codec_->encode({}), InputError);
  std::vector<float> sound = babble(0.1, 9);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    sound[123] = bad;
    try {
      codec_->encode(sound);
      FAIL() << "encoded a sound with " << bad;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("sample 123"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(codec_->decode({{32}, {}}), UserError);
  EXPECT_THROW(codec_->decode({{-1}, {}}), UserError);
  EXPECT_THROW(codec_->decode({{1, 2}, {1}}), UserError);
  EXPECT_THROW(codec_->decode({{1}, {0}}), UserError);
  SpeechConfig config = small_speech();
  config.code_rate_hz = 30;
  EXPECT_THROW(train_speech_codec(config, small_sounds(), *folder_ / "no", false), UserError);
  EXPECT_THROW(train_speech_codec(small_speech(), {}, *folder_ / "no", false), UserError);
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "no"));
}

TEST_F(SpeechCodecTest, HeldOutMelIsBetterThanItsMean) {
  double error = 0, of_mean = 0;
  for (const std::vector<float>& sound : small_sounds().validation) {
    const at::Tensor mel = codec_->mel_of(sound);
    error += (codec_->decode_mel(codec_->encode(sound)) - mel).abs().mean().item<double>() / 3;
    of_mean += (mel - mel.mean(0)).abs().mean().item<double>() / 3;
  }
  EXPECT_LT(error, 0.8 * of_mean);
  EXPECT_NEAR((*report_)["validation_mel_l1"].get<double>(), error, 0.01);
  EXPECT_NEAR((*report_)["train_seconds"].get<double>(), 18, 0.01);
  EXPECT_NEAR((*report_)["validation_seconds"].get<double>(), 3.6, 0.01);
  EXPECT_GT((*report_)["codes_used_share"].get<double>(), 0.5);
  EXPECT_GT((*report_)["code_perplexity"].get<double>(), 8);
  for (const char* name : {"01-original.wav", "03-decoded.wav", "index.html", "mel.png"})
    EXPECT_TRUE(std::filesystem::exists(*folder_ / "codec" / "report" / name)) << name;
}

TEST_F(SpeechCodecTest, SameSeedSameCodecAndFiftyHertz) {
  SpeechConfig config = small_speech();
  config.steps = 4;
  config.code_rate_hz = 50;
  train_speech_codec(config, small_sounds(), *folder_ / "a", false);
  train_speech_codec(config, small_sounds(), *folder_ / "b", false);
  EXPECT_EQ(read_codec_info(*folder_ / "a").hash, read_codec_info(*folder_ / "b").hash);
  const SpeechCodec codec(*folder_ / "a");
  EXPECT_EQ(codec.encode(babble(1, 10)).codes.size(), 50u);
  config.seed = 2;
  train_speech_codec(config, small_sounds(), *folder_ / "c", false);
  EXPECT_NE(read_file(*folder_ / "a" / "model.safetensors"), read_file(*folder_ / "c" / "model.safetensors"));
}

TEST_F(SpeechCodecTest, RoundtripWritesSoundAndFigures) {
  const std::vector<float> sound = babble(0.5, 11);
  test::write_file(*folder_ / "in.wav", formats::encode_wav(sound, 16'000));
  const OrderedJson figures = roundtrip(
      {*folder_ / "codec", *folder_ / "in.wav", *folder_ / "out.wav", *folder_ / "mel.safetensors"});
  EXPECT_EQ(figures["kind"], "speech");
  EXPECT_EQ(figures["codes"], 13);
  EXPECT_NEAR(figures["seconds"].get<double>(), 0.5, 1e-9);
  const std::string bytes = read_file(*folder_ / "out.wav");
  EXPECT_EQ(formats::decode_sound(std::as_bytes(std::span(bytes)), "out.wav").num_frames(), 13 * 640);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "mel.safetensors"));
}

}  // namespace
}  // namespace mom::codecs
