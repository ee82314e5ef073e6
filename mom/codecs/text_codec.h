// Text <-> token ids, behind the control symbols of mom/modality/special_tokens.h. Either of
//   tokenizer.model   SentencePiece BPE with byte fallback, learned from the data: any text comes back exactly
//   tokenizer.json    of Hugging Face (mom/tokenizer), its id i as kCount + i: text comes back as it normalizes it
//   neither           of data without text: the control symbols alone, and no text can be encoded
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/codecs/codec.h"
#include "mom/codecs/text_tokenizer.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct TextCodecConfig {
  int64_t vocabulary = 4096;          // pieces in all, at most: specials, 256 bytes, learned
  int64_t sample_bytes = 12'000'000;  // text the merges are learned from, drawn evenly over the sources
  void describe(config::Table& table);
  void check() const {}
};

class TextCodec : public Codec {
 public:
  static constexpr const char* kKind = "text";
  explicit TextCodec(const Path& folder) : TextCodec(read_codec_info(folder)) {}
  explicit TextCodec(CodecInfo info);

  MediaKind media() const override { return MediaKind::kText; }
  modality::Modality modality() const override { return modality::Modality::tokens(info().modality); }
  int64_t num_ids() const override { return vocabulary(); }
  OrderedJson roundtrip(const RoundtripOptions& options) const override;

  int64_t vocabulary() const { return tokenizer_->size(); }
  std::vector<int32_t> encode(std::string_view text) const { return tokenizer_->encode(text); }
  // InputError: a token that is not below vocabulary().
  std::string decode(const std::vector<int32_t>& tokens) const;  // specials decode to nothing
  const std::string& bytes_of(int32_t token) const;
  std::string piece(int32_t token) const;
  bool has_pieces() const;  // false of data without text
  const TextTokenizer& tokenizer() const { return *tokenizer_; }

 private:
  void check(int32_t token) const;

  std::unique_ptr<TextTokenizer> tokenizer_;
};

// Writes the codec of data without text.
void write_textless_codec(const Path& folder);

}  // namespace mom::codecs
