#include "mom/codecs/text_codec.h"

#include <sentencepiece_processor.h>

#include <array>

#include "mom/base/error.h"
#include "mom/base/utf8.h"

namespace mom::codecs {

// SentencePiece writes a space as U+2581, so a U+2581 in the text would come back as a space; it and bytes
// that are not UTF-8 go around it, straight to byte pieces.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

void TextCodecConfig::describe(config::Table& table) {
  table
      .field("vocabulary", vocabulary,
             "pieces in all: 8 control symbols, newline, 256 bytes, the rest learned")
      .range(272, 1 << 20);
  table
      .field("sample_bytes", sample_bytes,
             "bytes of training text to learn from, drawn evenly over the sources")
      .range(1, 1e9);
}

struct TextCodec::State {
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> bytes_of_id;  // what each id decodes to
  std::array<int32_t, 256> id_of_byte{};

  void load(const Path& path);
  void encode_plain(std::string_view text, std::vector<int32_t>& tokens) const;
};

void TextCodec::State::load(const Path& path) {
  const std::string model = read_file(path);
  const auto status = processor.LoadFromSerializedProto(absl::string_view(model.data(), model.size()));
  if (!status.ok())
    throw InputError({path.string(), "a SentencePiece model", status.ToString(), "train the codec again"});
  id_of_byte.fill(-1);
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    std::string bytes;
    if (processor.IsByte(id)) {
      const int byte = std::stoi(processor.IdToPiece(id).substr(3, 2), nullptr, 16);  // "<0xE2>"
      id_of_byte[static_cast<size_t>(byte)] = id;
      bytes.assign(1, static_cast<char>(byte));
    } else if (!processor.IsControl(id) && !processor.IsUnknown(id)) {
      bytes = processor.IdToPiece(id);
      for (size_t at = 0; (at = bytes.find(kSpaceMark, at)) != std::string::npos;)
        bytes.replace(at, kSpaceMark.size(), " ");
    }
    bytes_of_id.push_back(std::move(bytes));
  }
  for (int32_t id : id_of_byte) {
    if (id < 0)
      throw InputError(
          {path.string(), "a model with byte fallback (256 byte pieces)", "fewer", "train the codec again"});
  }
}

void TextCodec::State::encode_plain(std::string_view text, std::vector<int32_t>& tokens) const {
  if (text.empty()) return;
  std::vector<int> ids;
  const auto status = processor.Encode(absl::string_view(text.data(), text.size()), &ids);
  if (!status.ok()) throw Error(ExitCode::kInternal, "SentencePiece: " + status.ToString());
  tokens.insert(tokens.end(), ids.begin(), ids.end());
}

TextCodec::TextCodec(const Path& folder) : info_(read_codec_info(folder)), state_(std::make_unique<State>()) {
  if (info_.kind != "text")
    throw InputError({folder.string(), "a text codec", "kind \"" + info_.kind + "\"", ""});
  state_->load(folder / "tokenizer.model");
}

TextCodec::~TextCodec() = default;

int64_t TextCodec::vocabulary() const { return static_cast<int64_t>(state_->bytes_of_id.size()); }

std::vector<int32_t> TextCodec::encode(std::string_view text) const {
  std::vector<int32_t> tokens;
  size_t plain = 0, at = 0;  // text[plain, at) is waiting to be encoded
  while (at < text.size()) {
    const size_t length = utf8_length(text.substr(at));
    const bool plain_character = length != 0 && text.substr(at, length) != kSpaceMark;
    if (!plain_character) {
      state_->encode_plain(text.substr(plain, at - plain), tokens);
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i) {
        tokens.push_back(state_->id_of_byte[static_cast<unsigned char>(text[at + i])]);
      }
      plain = at + std::max<size_t>(length, 1);
    }
    at += std::max<size_t>(length, 1);
  }
  state_->encode_plain(text.substr(plain), tokens);
  return tokens;
}

std::string TextCodec::decode(const std::vector<int32_t>& tokens) const {
  std::string text;
  for (int32_t token : tokens) {
    if (token < 0 || token >= vocabulary()) {
      throw InputError(
          {"token " + std::to_string(token), "an id below " + std::to_string(vocabulary()), "another", ""});
    }
    text += state_->bytes_of_id[static_cast<size_t>(token)];
  }
  return text;
}

std::string TextCodec::piece(int32_t id) const {
  if (id < 0 || id >= vocabulary())
    throw InputError(
        {"token " + std::to_string(id), "an id below " + std::to_string(vocabulary()), "another", ""});
  return state_->processor.IdToPiece(id);
}

}  // namespace mom::codecs
