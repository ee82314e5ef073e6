#include "mom/codecs/text_codec.h"

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/sentence_piece.h"
#include "mom/config/schema.h"

namespace mom::codecs {

// SentencePiece writes a space as U+2581, so a U+2581 in the text would come back as a space; it and bytes
// that are not UTF-8 go around it, straight to byte pieces. So do spaces where no text to learn from had any: there they
// would become the bytes of U+2581.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

void TextCodecConfig::describe(config::Table& table) {
  table
      .field(
          "vocabulary", vocabulary,
          "pieces in all, at most: 8 control symbols, newline, 256 bytes, the rest learned; fewer where the "
          "text gives no more")
      .range(266, 1 << 20);
  table
      .field("sample_bytes", sample_bytes,
             "bytes of training text to learn from, drawn evenly over the sources")
      .range(1, 1e9);
}

TextCodec::TextCodec(CodecInfo codec_info) : Codec(std::move(codec_info), kKind) {
  config_of<TextCodecConfig>(info());
  const Path model = info().folder / "tokenizer.model";
  pieces_ = std::make_unique<SentencePiece>(model);
  has_space_ = pieces_->contains(kSpaceMark);
  for (int byte = 0; byte < 256; ++byte) {
    if (pieces_->id_of_byte(static_cast<unsigned char>(byte)) < 0)
      throw InputError(
          {model.string(), "a model with byte fallback (256 byte pieces)", "fewer", "train the codec again"});
  }
}

TextCodec::~TextCodec() = default;

int64_t TextCodec::vocabulary() const { return pieces_->size(); }

std::vector<int32_t> TextCodec::encode(std::string_view text) const {
  std::vector<int32_t> tokens;
  auto append_plain = [&](std::string_view part) {
    const std::vector<int32_t> ids = pieces_->encode(part);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  size_t plain = 0, at = 0;  // text[plain, at) is waiting to be encoded
  while (at < text.size()) {
    const size_t length = utf8_length(text.substr(at));
    const bool plain_character =
        length != 0 && text.substr(at, length) != kSpaceMark && (text[at] != ' ' || has_space_);
    if (!plain_character) {
      append_plain(text.substr(plain, at - plain));
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i)
        tokens.push_back(pieces_->id_of_byte(static_cast<unsigned char>(text[at + i])));
      plain = at + std::max<size_t>(length, 1);
    }
    at += std::max<size_t>(length, 1);
  }
  append_plain(text.substr(plain));
  return tokens;
}

std::string TextCodec::decode(const std::vector<int32_t>& tokens) const {
  std::string text;
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocabulary()) {
      throw InputError(
          {"token " + std::to_string(token), "an id below " + std::to_string(vocabulary()), "another", ""});
    }
    text += pieces_->bytes_of(token);
  }
  return text;
}

OrderedJson TextCodec::roundtrip(const RoundtripOptions& options) const {
  const std::string text = read_file(options.file);
  const std::vector<int32_t> tokens = encode(text);
  const std::string back = decode(tokens);
  publish_file(options.out, back);
  const double per_byte =
      text.empty() ? 0 : static_cast<double>(tokens.size()) / static_cast<double>(text.size());
  return {{"kind", info().kind},     {"hash", info().hash},         {"bytes", text.size()},
          {"tokens", tokens.size()}, {"tokens_per_byte", per_byte}, {"exact", back == text}};
}

std::string TextCodec::piece(int32_t id) const {
  if (id < 0 || id >= vocabulary())
    throw InputError(
        {"token " + std::to_string(id), "an id below " + std::to_string(vocabulary()), "another", ""});
  return pieces_->piece(id);
}

}  // namespace mom::codecs
