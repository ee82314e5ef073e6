// A codec from outside: its encoder and decoder are someone else's program. Documents hold what that encoder made, as .npy
// arrays; this folder says what the numbers mean, checks them, and gives generated ones back in the owner's terms.
//
//   codes      integers from 0 below codebook_size, of any shape; read row by row, the last index fastest
//   latents    f32 (or f16, f64), [C, H, W] or [C, T] (which is [C, 1, T] here), all items of one shape; scaled to mean 0 and
//              variance 1 in each channel by latent_mean and latent_std [C] of model.safetensors
//
// Made by `mom codec describe` (data/codec_describe.h).
#pragma once

#include <optional>

#include "mom/codecs/codec.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct ExternalCodecConfig {
  std::string representation = "codes";
  int64_t codebook_size = 0;        // of codes
  int64_t codes_per_item = 0;       // of codes; 0: any number
  std::vector<int64_t> shape = {};  // of an item's array; of codes of any number: empty
  double rate_hz = 0;               // codes per second; 0: unknown, or not in time
  std::string note = {};            // where to decode, for people
  std::string decode = {};          // a command line with {in} and {out} (decode_command.h); empty: none
  std::string decodes_to = {};      // the ending of what it writes: "png", "wav"
  void describe(config::Table& table);
  void check() const;  // UserError: values that do not go together
};

class ExternalCodec : public MediaCodec {
 public:
  static constexpr const char* kKind = "external";
  explicit ExternalCodec(const Path& folder) : ExternalCodec(read_codec_info(folder)) {}
  explicit ExternalCodec(CodecInfo info);

  const ExternalCodecConfig& config() const { return config_; }
  MediaKind media() const override { return MediaKind::kArray; }
  modality::Modality modality() const override;
  int64_t num_ids() const override { return config_.codebook_size; }
  OrderedJson describe(int64_t variants) const override;
  // i64 [L] codes, or f32 [C, H, W] as they are in the file. InputError: another dtype, shape, or a code out of range.
  std::vector<at::Tensor> read(std::span<const std::byte> bytes, std::string_view where, int64_t variants,
                               std::string_view key) const override;
  bool prefers_batches() const override { return false; }
  std::vector<CodedItem> encode_items(const std::vector<at::Tensor>& inputs) const override;
  std::vector<Media> decode_items(const std::vector<CodedItem>& items) const override;
  OrderedJson roundtrip(const RoundtripOptions& options) const override;

 private:
  ExternalCodecConfig config_;
  at::Tensor mean_C11_, std_C11_;  // of latents
};

// Writes the folder whole. `mean_C`, `std_C`: of latents; else undefined.
void write_external_codec(const Path& folder, bool replace, const std::string& modality,
                          const ExternalCodecConfig& config, const at::Tensor& mean_C,
                          const at::Tensor& std_C, const Json& report);

}  // namespace mom::codecs
