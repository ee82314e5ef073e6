#include "mom/codecs/speech_codec.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/each_alone.h"
#include "mom/codecs/mel.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/speech_net.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/codecs/weights.h"
#include "mom/config/schema.h"
#include "mom/formats/resample.h"
#include "mom/formats/sound_file.h"
#include "mom/modality/special_tokens.h"
#include "mom/nn/tensor_io.h"

namespace mom::codecs {
namespace {

constexpr double kLoudness = 0.1, kMaxGain = 30;

// What the samples are multiplied by; checks that there are some, all finite.
double loudness_gain(std::span<const float> samples) {
  if (samples.empty()) throw InputError({"speech", "at least one sample", "none", "remove the sound"});
  double energy = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (!std::isfinite(samples[i]))
      throw InputError({"speech, sample " + std::to_string(i), "a finite number", std::to_string(samples[i]),
                        "repair or remove the sound"});
    energy += static_cast<double>(samples[i]) * samples[i];
  }
  const double rms = std::sqrt(energy / static_cast<double>(samples.size()));
  return std::min(kMaxGain, kLoudness / std::max(rms, 1e-12));
}

// Calls body(begin, end) for pieces of [0, total), each by one thread.
void for_each_piece(int64_t total, int64_t piece, const std::function<void(int64_t, int64_t)>& body) {
  for_each_alone(ceil_div(total, piece),
                 [&](int64_t i) { body(i * piece, std::min(total, (i + 1) * piece)); });
}

void check_codes(const SpeechCodes& codes, int64_t codebook_size) {
  for (const int32_t code : codes.codes) {
    if (code < 0 || code >= codebook_size)
      throw UserError({"speech code", "0 to " + std::to_string(codebook_size - 1), std::to_string(code), ""});
  }
  if (!codes.counts.empty() && codes.counts.size() != codes.codes.size())
    throw UserError({"speech codes", std::to_string(codes.codes.size()) + " counts, or none",
                     std::to_string(codes.counts.size()), ""});
  for (const int32_t count : codes.counts) {
    if (count < 1) throw UserError({"count of a speech code", "at least 1", std::to_string(count), ""});
  }
}

// Counts that add up to about mean_run a code.
std::vector<int32_t> even_counts(size_t num_codes, double mean_run) {
  std::vector<int32_t> counts;
  double end = 0;
  for (size_t i = 0; i < num_codes; ++i, end += mean_run)
    counts.push_back(std::max(1, static_cast<int32_t>(std::floor(end + mean_run) - std::floor(end))));
  return counts;
}

}  // namespace

void SpeechConfig::describe(config::Table& table) {
  table.field("code_rate_hz", code_rate_hz, "codes a second: 25 or 50").range(25, 50);
  table.field("codebook_size", codebook_size, "different codes").range(2, 65'536);
  table.field("deduplicate", deduplicate, "merge repeated codes, keeping their counts");
  table.field("width", width, "channels of the network").range(8, 4096);
  table.field("code_channels", code_channels, "numbers in a code's vector").range(1, 1024);
  table.field("steps", steps, "training steps").range(1, 1e8);
  table.field("batch_sounds", batch_sounds, "crops of speech a step").range(1, 4096);
  table.field("crop_seconds", crop_seconds, "seconds in a crop").range(0.5, 60);
  table.field("learning_rate", learning_rate, "peak learning rate").range(0, 1);
  table.field("l1_weight", l1_weight, "weight of the mean absolute error of log-mel").range(0, 1e6);
  table.field("mse_weight", mse_weight, "weight of the mean squared error of log-mel").range(0, 1e6);
  table.field("commitment_weight", commitment_weight, "weight of the distance from encoder output to code")
      .range(0, 1e6);
  table.field("griffin_lim_iterations", griffin_lim_iterations, "rounds of phase reconstruction")
      .range(1, 10'000);
  table.field("max_minutes", max_minutes, "minutes of training speech at most, drawn evenly")
      .range(0.01, 6000);
  table.field("seed", seed, "seed of weights and order").at_least(0);
}

void SpeechConfig::check() const {
  if (code_rate_hz != 25 && code_rate_hz != 50)
    throw UserError({"speech.code_rate_hz", "25 or 50", std::to_string(code_rate_hz), ""});
}

SpeechCodes deduplicated(std::span<const int32_t> codes) {
  SpeechCodes merged;
  for (const int32_t code : codes) {
    if (merged.codes.empty() || merged.codes.back() != code) {
      merged.codes.push_back(code);
      merged.counts.push_back(0);
    }
    ++merged.counts.back();
  }
  return merged;
}

std::vector<int32_t> expanded(const SpeechCodes& codes) {
  if (codes.counts.empty()) return codes.codes;
  std::vector<int32_t> all;
  for (size_t i = 0; i < codes.codes.size(); ++i)
    all.insert(all.end(), static_cast<size_t>(codes.counts[i]), codes.codes[i]);
  return all;
}

std::vector<float> decode_speech(std::span<const std::byte> bytes, std::string_view where) {
  const formats::Sound sound = formats::decode_sound(bytes, where);
  return formats::resample(formats::to_mono(sound), sound.rate_hz, kSpeechRateHz);
}

std::vector<float> at_codec_loudness(std::span<const float> samples) {
  const auto gain = static_cast<float>(loudness_gain(samples));
  std::vector<float> scaled(samples.begin(), samples.end());
  for (float& sample : scaled) sample *= gain;
  return scaled;
}

struct SpeechCodec::State {
  SpeechConfig config;
  SpeechNet net{nullptr};
  double mean_run = 1;
};

SpeechCodec::SpeechCodec(CodecInfo codec_info)
    : MediaCodec(std::move(codec_info), kKind), state_(std::make_unique<State>()) {
  state_->config = config_of<SpeechConfig>(info());
  state_->net = SpeechNet(state_->config);
  load_weights(*state_->net, info().folder / "model.safetensors");
  state_->mean_run = state_->net->mean_run.item<double>();
}

SpeechCodec::~SpeechCodec() = default;

const SpeechConfig& SpeechCodec::config() const { return state_->config; }

modality::Modality SpeechCodec::modality() const {
  return modality::Modality::codes(info().modality, modality::special::kSpeechBrackets, 0);
}

OrderedJson SpeechCodec::describe(int64_t) const {
  return {{"code_rate_hz", config().code_rate_hz}, {"deduplicated", config().deduplicate}};
}

std::vector<at::Tensor> SpeechCodec::read(std::span<const std::byte> bytes, std::string_view where, int64_t,
                                          std::string_view) const {
  return {torch::tensor(decode_speech(bytes, where))};
}

std::vector<CodedItem> SpeechCodec::encode_items(const std::vector<at::Tensor>& inputs) const {
  std::vector<CodedItem> items;
  for (const at::Tensor& samples : inputs) {
    SpeechCodes codes = encode({samples.const_data_ptr<float>(), static_cast<size_t>(samples.numel())});
    if (!config().deduplicate) codes.counts.clear();
    items.push_back({std::move(codes.codes), std::move(codes.counts), {}});
  }
  return items;
}

std::vector<Media> SpeechCodec::decode_items(const std::vector<CodedItem>& items) const {
  std::vector<Media> decoded;
  for (const CodedItem& item : items) decoded.emplace_back(decode({item.codes, item.counts}));
  return decoded;
}

OrderedJson SpeechCodec::roundtrip(const RoundtripOptions& options) const {
  const std::string bytes = read_file(options.file);
  const std::vector<float> samples = decode_speech(std::as_bytes(std::span(bytes)), options.file.string());
  const SpeechCodes codes = encode(samples);
  const at::Tensor original_FB = mel_of(samples), decoded_FB = decode_mel(codes);
  publish_file(options.out, to_file(decode(codes)));
  if (!options.mel.empty()) {
    publish_with(options.mel, [&](const Path& aside) {
      nn::write_tensors(aside, {{"original", original_FB}, {"decoded", decoded_FB}});
    });
  }
  return {{"kind", info().kind},
          {"hash", info().hash},
          {"seconds", static_cast<double>(samples.size()) / kSpeechRateHz},
          {"codes", codes.codes.size()},
          {"mel_l1", (original_FB - decoded_FB).abs().mean().item<double>()}};
}

int64_t SpeechCodec::samples_per_code() const { return config().frames_per_code() * kMelHop; }

SpeechCodes SpeechCodec::encode(std::span<const float> samples, int64_t piece_codes) const {
  const double gain = loudness_gain(samples);
  const int64_t P = config().frames_per_code(), reach = SpeechNetImpl::kReach;
  const int64_t total = ceil_div(std::ssize(samples), samples_per_code());
  std::vector<int32_t> codes(static_cast<size_t>(total));
  for_each_piece(total, piece_codes, [&](int64_t begin, int64_t end) {
    const at::Tensor mel = log_mel_FB(samples, (begin - reach) * P, (end - begin + 2 * reach) * P, gain);
    const at::Tensor latents_CL = state_->net->encode(mel.unsqueeze(0))[0];
    const at::Tensor vectors_LC = latents_CL.slice(1, reach, reach + end - begin).t().contiguous();
    const at::Tensor chosen_L = nearest_codes(vectors_LC, state_->net->codes_KC);
    std::copy_n(chosen_L.const_data_ptr<int64_t>(), end - begin, codes.begin() + begin);
  });
  if (config().deduplicate) return deduplicated(codes);
  const std::vector<int32_t> ones(codes.size(), 1);
  return {std::move(codes), ones};
}

at::Tensor SpeechCodec::mel_of(std::span<const float> samples) const {
  const double gain = loudness_gain(samples);
  const int64_t codes = ceil_div(std::ssize(samples), samples_per_code());
  at::Tensor mel;
  for_each_alone(1, [&](int64_t) { mel = log_mel_FB(samples, 0, codes * config().frames_per_code(), gain); });
  return mel;
}

at::Tensor SpeechCodec::decode_mel(const SpeechCodes& codes) const {
  check_codes(codes, codebook_size());
  const bool guess = codes.counts.empty() && config().deduplicate;
  const std::vector<int32_t> all =
      guess ? expanded({codes.codes, even_counts(codes.codes.size(), state_->mean_run)}) : expanded(codes);
  const int64_t total = std::ssize(all), P = config().frames_per_code(), reach = SpeechNetImpl::kReach;
  const at::Tensor all_L = torch::tensor(all, at::kLong);
  at::Tensor mel = torch::empty({total * P, kMelBands});
  for_each_piece(total, kPieceCodes, [&](int64_t begin, int64_t end) {
    const int64_t from = std::max<int64_t>(0, begin - reach), to = std::min(total, end + reach);
    const at::Tensor vectors_LC = state_->net->codes_KC.index_select(0, all_L.slice(0, from, to));
    const at::Tensor piece = state_->net->decode(vectors_LC.t().contiguous().unsqueeze(0))[0];
    mel.slice(0, begin * P, end * P).copy_(piece.slice(0, (begin - from) * P, (end - from) * P));
  });
  return mel;
}

std::vector<float> SpeechCodec::decode(const SpeechCodes& codes) const {
  std::vector<float> samples = waveform_of(decode_mel(codes), config().griffin_lim_iterations);
  for (float& sample : samples) sample = std::clamp(sample, -1.0f, 1.0f);
  return samples;
}

}  // namespace mom::codecs
