#include "mom/codecs/text_codec.h"

#include "mom/base/error.h"
#include "mom/codecs/byte_pair_text.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/exact_pieces.h"
#include "mom/codecs/roundtrip.h"
#include "mom/config/schema.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {

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

namespace {

const Json kTextless = {{"vocabulary", modality::special::kCount}};

// The control symbols alone.
class NoText : public TextTokenizer {
 public:
  int64_t size() const override { return modality::special::kCount; }
  std::vector<int32_t> encode(std::string_view text) const override {
    if (!text.empty())
      throw InputError({"text", "none: the data were encoded without",
                        "\"" + std::string(text.substr(0, 40)) + "\"",
                        "encode data with text and a text codec"});
    return {};
  }
  const std::string& bytes_of(int32_t /*id*/) const override { return nothing_; }
  std::string piece(int32_t id) const override { return "<" + std::to_string(id) + ">"; }

 private:
  const std::string nothing_;
};

std::unique_ptr<TextTokenizer> open(const CodecInfo& info) {
  const Path pairs = info.folder / BytePairText::kFile, pieces = info.folder / "tokenizer.model";
  if (std::filesystem::exists(pairs)) return std::make_unique<BytePairText>(pairs, modality::special::kCount);
  if (info.config == kTextless && !std::filesystem::exists(pieces)) return std::make_unique<NoText>();
  config_of<TextCodecConfig>(info);
  return std::make_unique<ExactPieces>(pieces);
}

}  // namespace

TextCodec::TextCodec(CodecInfo codec_info) : Codec(std::move(codec_info), kKind), tokenizer_(open(info())) {}

void TextCodec::check(int32_t token) const {
  if (token < 0 || token >= vocabulary())
    throw InputError(
        {"token " + std::to_string(token), "an id below " + std::to_string(vocabulary()), "another", ""});
}

const std::string& TextCodec::bytes_of(int32_t token) const {
  check(token);
  return tokenizer_->bytes_of(token);
}

std::string TextCodec::decode(const std::vector<int32_t>& tokens) const {
  std::string text;
  for (const int32_t token : tokens) text += bytes_of(token);
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

bool TextCodec::has_pieces() const { return vocabulary() > modality::special::kCount; }

void write_textless_codec(const Path& folder) {
  std::filesystem::create_directories(folder);
  write_codec_info(folder, TextCodec::kKind, modality::kTextName, kTextless, Json::object());
}

std::string TextCodec::piece(int32_t token) const {
  check(token);
  return tokenizer_->piece(token);
}

}  // namespace mom::codecs
