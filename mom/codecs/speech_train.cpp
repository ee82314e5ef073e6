#include "mom/codecs/speech_train.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <cstdio>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/each_alone.h"
#include "mom/codecs/fit.h"
#include "mom/codecs/mel.h"
#include "mom/codecs/speech_net.h"
#include "mom/codecs/speech_report.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/codecs/weights.h"

namespace mom::codecs {
namespace {

constexpr int64_t kTailFrames =
    3;  // of the last window's centre; so that the shortest sound has a code's frames
constexpr uint64_t kMaxGapFrames = 40;
constexpr int64_t kFirstVectors = 10'000;  // for the first codebook
constexpr size_t kPreviewSounds = 8;
constexpr int64_t kPieces =
    1;  // two take a fifth more processor time: every piece goes through two million weights

double seconds_of(const std::vector<std::vector<float>>& sounds) {
  size_t samples = 0;
  for (const auto& sound : sounds) samples += sound.size();
  return static_cast<double>(samples) / kSpeechRateHz;
}

std::vector<at::Tensor> mels_of(const std::vector<std::vector<float>>& sounds) {
  std::vector<at::Tensor> mels(sounds.size());
  for_each_alone(std::ssize(sounds), [&](int64_t i) {
    const std::vector<float> sound = at_codec_loudness(sounds[static_cast<size_t>(i)]);
    mels[static_cast<size_t>(i)] = log_mel_FB(sound, 0, std::ssize(sound) / kMelHop + 1 + kTailFrames);
  });
  return mels;
}

// All sounds one after another, every epoch in another order, with silent gaps between them whose length also
// shifts what part of a code's time a sound begins at. Crops are cut from this stream, so that no time goes
// into padding.
class SpeechStream {
 public:
  SpeechStream(const std::vector<at::Tensor>& mels, uint64_t seed)
      : mels_(mels), random_(stream_key({seed, fnv1a64("speech stream")})) {}

  // [count, frames, B]
  at::Tensor next(int64_t count, int64_t frames) {
    at::Tensor crops = torch::full({count * frames, kMelBands}, std::log(kMelFloor));
    for (int64_t at = 0; at < count * frames;) {
      if (mel_at_ == num_frames()) {
        at += begin_sound();
        continue;
      }
      const int64_t length = std::min(count * frames - at, num_frames() - mel_at_);
      crops.slice(0, at, at + length).copy_(mels_[order_[order_at_ - 1]].slice(0, mel_at_, mel_at_ + length));
      mel_at_ += length;
      at += length;
    }
    return crops.view({count, frames, kMelBands});
  }

 private:
  int64_t num_frames() const { return order_at_ == 0 ? 0 : mels_[order_[order_at_ - 1]].size(0); }

  int64_t begin_sound() {
    if (order_at_ == order_.size()) {
      order_.resize(mels_.size());
      for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
      random_.shuffle(order_);
      order_at_ = 0;
    }
    ++order_at_;
    mel_at_ = 0;
    return static_cast<int64_t>(random_.below(kMaxGapFrames));
  }

  const std::vector<at::Tensor>& mels_;
  RandomStream random_;
  std::vector<size_t> order_;
  size_t order_at_ = 0;
  int64_t mel_at_ = 0;
};

void measure_mel(SpeechNetImpl& net, const std::vector<at::Tensor>& mels) {
  const at::Tensor all = torch::cat(mels).to(at::kDouble);
  net.mel_mean.copy_(all.mean(0));
  net.mel_std.copy_(all.std(0, /*unbiased=*/false).clamp_min(0.1));
}

at::Tensor as_vectors(const at::Tensor& latents_NCL) {
  return latents_NCL.transpose(1, 2).reshape({-1, latents_NCL.size(1)});
}

// One training: a tenth of the steps without codes, so that the first codebook is one of outputs that mean
// something.
class SpeechTraining {
 public:
  SpeechTraining(const SpeechConfig& config, SpeechNetImpl& net, const std::vector<at::Tensor>& mels)
      : config_(config),
        net_(net),
        stream_(mels, static_cast<uint64_t>(config.seed)),
        quantizer_({.num_codes = config.codebook_size,
                    .width = config.code_channels,
                    .seed = static_cast<uint64_t>(config.seed)}) {}

  void run() {
    fit(
        {"speech codec", "speech", config_.steps, config_.learning_rate, kPieces}, net_.parameters(),
        [&](int64_t step) { return next_step(step); },
        [](double error) {
          char text[48];
          std::snprintf(text, sizeof text, "mel l1 %.3f nats", error);
          return std::string(text);
        });
    if (!quantizer_.started()) start_codebook();
    torch::NoGradGuard no_grad;
    net_.codes_KC.copy_(quantizer_.codes_KC());
  }

 private:
  at::Tensor next_crops() {
    const auto codes =
        static_cast<int64_t>(std::llround(config_.crop_seconds * static_cast<double>(config_.code_rate_hz)));
    return stream_.next(config_.batch_sounds, codes * config_.frames_per_code());
  }

  void start_codebook() {
    torch::NoGradGuard no_grad;
    std::vector<at::Tensor> vectors;
    for (int64_t count = 0; count < kFirstVectors; count += vectors.back().size(0))
      vectors.push_back(as_vectors(net_.encode(next_crops())));
    quantizer_.start_from(torch::cat(vectors));
  }

  Step next_step(int64_t step) {
    const bool with_codes = step >= config_.steps / 10;
    if (with_codes && !quantizer_.started()) start_codebook();
    const at::Tensor mels = next_crops();
    if (!with_codes)
      return {mels.size(0), [this, mels](const Piece& piece) {
                const at::Tensor mel = piece.of(mels);
                return loss_of(mel, net_.encode(mel), torch::zeros({}));
              }};
    return {mels.size(0),
            [this, mels](const Piece& piece) {
              const at::Tensor mel = piece.of(mels), latents_NCL = net_.encode(mel);
              const at::Tensor vectors_NC = as_vectors(latents_NCL);
              const Quantized quantized = quantizer_.quantize(vectors_NC);
              batch_codes_.add(piece.index, vectors_NC, quantized.codes_N);
              const at::Tensor chosen_NLC =
                  quantized.vectors_NC.view({latents_NCL.size(0), latents_NCL.size(2), -1});
              return loss_of(mel, chosen_NLC.transpose(1, 2).contiguous(), quantized.commitment);
            },
            [this] { batch_codes_.teach(quantizer_); }};
  }

  PieceLoss loss_of(const at::Tensor& mel, const at::Tensor& latents_NCL, const at::Tensor& commitment) {
    const at::Tensor error = net_.decode(latents_NCL) - mel, l1 = error.abs().mean();
    return {config_.l1_weight * l1 + config_.mse_weight * error.square().mean() +
                config_.commitment_weight * commitment,
            l1.item<double>()};
  }

  const SpeechConfig& config_;
  SpeechNetImpl& net_;
  SpeechStream stream_;
  VectorQuantizer quantizer_;
  BatchCodes batch_codes_;
};

// Codes of the training speech: how many are used, how evenly, and the mean run of equal ones.
Json code_figures(const SpeechConfig& config, SpeechNetImpl& net, const std::vector<at::Tensor>& mels) {
  const int64_t P = config.frames_per_code();
  std::vector<at::Tensor> codes(mels.size());
  for_each_alone(std::ssize(mels), [&](int64_t i) {
    const at::Tensor& mel = mels[static_cast<size_t>(i)];
    const at::Tensor whole = mel.slice(0, 0, mel.size(0) / P * P);
    codes[static_cast<size_t>(i)] = nearest_codes(as_vectors(net.encode(whole.unsqueeze(0))), net.codes_KC);
  });
  int64_t total = 0, runs = 0;
  for (const at::Tensor& sound_L : codes) {
    total += sound_L.numel();
    runs += 1 + sound_L.slice(0, 1).ne(sound_L.slice(0, 0, -1)).sum().item<int64_t>();
  }
  const CodeUse use = code_use(torch::cat(codes), config.codebook_size);
  return {{"codes_used_share", use.share_used},
          {"code_perplexity", use.perplexity},
          {"mean_run_length", static_cast<double>(total) / static_cast<double>(runs)}};
}

void add_held_out_errors(const SpeechCodec& codec, const std::vector<std::vector<float>>& sounds,
                         Json& report) {
  double l1 = 0, mse = 0, frames = 0;
  for (const std::vector<float>& sound : sounds) {
    const at::Tensor error = (codec.decode_mel(codec.encode(sound)) - codec.mel_of(sound)).to(at::kDouble);
    l1 += error.abs().sum().item<double>();
    mse += error.square().sum().item<double>();
    frames += static_cast<double>(error.numel());
  }
  report["validation_mel_l1"] = l1 / frames;
  report["validation_mel_mse"] = mse / frames;
}

}  // namespace

Json train_speech_codec(const SpeechConfig& config, SpeechSounds sounds, const Path& out, bool replace) {
  config.check();
  if (sounds.train.empty())
    throw UserError(
        "speech codec: expected training speech, found none in split \"train\"; import some sounds");
  FolderPublisher publisher(out, replace);
  Json report = {{"train_seconds", seconds_of(sounds.train)},
                 {"validation_seconds", seconds_of(sounds.validation)}};
  const std::vector<at::Tensor> mels = mels_of(sounds.train);
  sounds.train.resize(std::min(sounds.train.size(), kPreviewSounds));
  sounds.train.shrink_to_fit();
  torch::manual_seed(static_cast<uint64_t>(config.seed));
  SpeechNet net(config);
  measure_mel(*net, mels);
  SpeechTraining(config, *net, mels).run();
  report.update(code_figures(config, *net, mels));
  net->mean_run.fill_(report["mean_run_length"].get<double>());
  write_weights(publisher.path() / "model.safetensors", *net);
  write_codec_info(publisher.path(), SpeechCodec::kKind, "speech", config_json(config), Json::object());
  const SpeechCodec codec(publisher.path());
  if (!sounds.validation.empty()) add_held_out_errors(codec, sounds.validation, report);
  write_listening_folder(codec, sounds.validation.empty() ? sounds.train : sounds.validation,
                         publisher.path() / "report");
  write_codec_info(publisher.path(), SpeechCodec::kKind, "speech", config_json(config), report);
  publisher.commit();
  return report;
}

}  // namespace mom::codecs
