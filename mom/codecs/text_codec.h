// Text <-> token ids: SentencePiece BPE with byte fallback, so that any UTF-8 comes back exactly as it went in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/codecs/codec.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct TextCodecConfig {
  int64_t vocabulary = 4096;          // pieces in all, at most: specials, 256 bytes, learned
  int64_t sample_bytes = 12'000'000;  // text the merges are learned from, drawn evenly over the sources
  void describe(config::Table& table);
  void check() const {}
};

class SentencePiece;

class TextCodec : public Codec {
 public:
  static constexpr const char* kKind = "text";
  explicit TextCodec(const Path& folder) : TextCodec(read_codec_info(folder)) {}
  explicit TextCodec(CodecInfo info);
  ~TextCodec() override;

  MediaKind media() const override { return MediaKind::kText; }
  modality::Modality modality() const override { return modality::Modality::tokens(info().modality); }
  int64_t num_ids() const override { return vocabulary(); }
  OrderedJson roundtrip(const RoundtripOptions& options) const override;

  int64_t vocabulary() const;
  std::vector<int32_t> encode(std::string_view text) const;
  std::string decode(const std::vector<int32_t>& tokens) const;  // specials decode to nothing
  std::string piece(int32_t id) const;

 private:
  std::unique_ptr<SentencePiece> pieces_;
  bool has_space_ = false;  // as a piece of its own
};

}  // namespace mom::codecs
