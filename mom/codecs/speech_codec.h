// Speech <-> discrete codes: log-mel, a 1-D convolutional network with a vector quantiser (25 or 50 codes per
// second), and back to a waveform by Griffin-Lim. Samples are 16 kHz mono in [-1, 1]. L codes, H samples per
// code (640 at 25 Hz), F mel frames.
//
// A sound is scaled to one loudness before it is encoded, so that codes need not carry it: decoded speech has
// that loudness. Outside its ends a sound counts as silent. Its codes are a function of the samples alone:
// sounds are encoded in pieces of 16 s with as much context as the network sees, each by one thread, so
// memory stays small and threads change nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mom/codecs/codec.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct SpeechConfig {
  int64_t code_rate_hz = 25;  // 25 or 50
  int64_t codebook_size = 500;
  bool deduplicate = false;
  int64_t width = 192;
  int64_t code_channels = 32;
  int64_t steps = 1400;
  int64_t batch_sounds = 8;
  double crop_seconds = 2.56;
  double learning_rate = 4e-3;
  double l1_weight = 1.0, mse_weight = 1.0, commitment_weight = 0.25;
  int64_t griffin_lim_iterations = 60;
  double max_minutes = 120;
  int64_t seed = 1;
  void describe(config::Table& table);
  void check() const;  // UserError: values that do not go together
  int64_t frames_per_code() const { return 100 / code_rate_hz; }
};

struct SpeechCodes {
  std::vector<int32_t> codes;  // values < codebook_size
  // Frames of 1 / code_rate_hz that each code stands for; all 1 unless the codec deduplicates.
  std::vector<int32_t> counts;
};

class SpeechCodec : public MediaCodec {
 public:
  static constexpr const char* kKind = "speech";
  static constexpr int64_t kPieceCodes = 400;

  explicit SpeechCodec(const Path& folder) : SpeechCodec(read_codec_info(folder)) {}
  explicit SpeechCodec(CodecInfo info);
  ~SpeechCodec() override;

  MediaKind media() const override { return MediaKind::kSound; }
  modality::Modality modality() const override;
  int64_t num_ids() const override { return codebook_size(); }
  OrderedJson describe(int64_t variants) const override;
  // Items are f32 [samples]; there is one view of a sound. Each is encoded alone.
  std::vector<at::Tensor> read(std::span<const std::byte> bytes, std::string_view where, int64_t variants,
                               std::string_view key) const override;
  bool prefers_batches() const override { return false; }
  std::vector<CodedItem> encode_items(const std::vector<at::Tensor>& inputs) const override;
  std::vector<Media> decode_items(const std::vector<CodedItem>& items) const override;
  OrderedJson roundtrip(const RoundtripOptions& options) const override;

  const SpeechConfig& config() const;
  int64_t codebook_size() const { return config().codebook_size; }
  int64_t samples_per_code() const;
  // ceil(samples / H) codes, merged where they repeat when the codec deduplicates. InputError: no samples, or
  // one that is not finite. Uses the calling thread's number of tensor threads for pieces of `piece_codes`
  // (only tests pass another: it may tip a vector that lies between two codes to within rounding).
  SpeechCodes encode(std::span<const float> samples, int64_t piece_codes = kPieceCodes) const;
  // H samples per code and count. Empty counts: 1 each, or the mean run of the training speech when the codec
  // deduplicates. UserError: a code out of range, counts of another length or below 1.
  std::vector<float> decode(const SpeechCodes& codes) const;
  // Log-mel frames (mel.h) of the scaled sound as the codec hears it, and of codes as it renders them: f32
  // [F, B] with frames_per_code() frames per code and count.
  at::Tensor mel_of(std::span<const float> samples) const;
  at::Tensor decode_mel(const SpeechCodes& codes) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Merges runs of equal codes, and undoes that.
SpeechCodes deduplicated(std::span<const int32_t> codes);
std::vector<int32_t> expanded(const SpeechCodes& codes);

// The 16 kHz mono samples of a sound file (WAV, FLAC, Ogg, MP3) of any rate and channels. InputError
// beginning with `where`.
std::vector<float> decode_speech(std::span<const std::byte> bytes, std::string_view where);

// The samples at the loudness the codec works with: a root mean square of 0.1, but never louder than 30 x.
std::vector<float> at_codec_loudness(std::span<const float> samples);

}  // namespace mom::codecs
