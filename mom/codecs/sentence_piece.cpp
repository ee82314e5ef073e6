#include "mom/codecs/sentence_piece.h"

#include <sentencepiece_processor.h>

#include <array>

#include "mom/base/error.h"

namespace mom::codecs {

struct SentencePiece::State {
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> bytes_of_id;
  std::array<int32_t, 256> id_of_byte{};
};

SentencePiece::SentencePiece(const Path& path) : state_(std::make_unique<State>()) {
  auto& [processor, bytes_of_id, id_of_byte] = *state_;
  const std::string model = read_file(path);
  const auto status = processor.LoadFromSerializedProto(absl::string_view(model.data(), model.size()));
  if (!status.ok()) throw InputError({path.string(), "a SentencePiece model", status.ToString(), ""});
  id_of_byte.fill(-1);
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    std::string bytes;
    if (processor.IsByte(id)) {
      const int byte = std::stoi(processor.IdToPiece(id).substr(3, 2), nullptr, 16);  // "<0xE2>"
      id_of_byte[static_cast<size_t>(byte)] = id;
      bytes.assign(1, static_cast<char>(byte));
    } else if (is_text(id)) {
      bytes = processor.IdToPiece(id);
      for (size_t at = 0; (at = bytes.find(kSpaceMark, at)) != std::string::npos;)
        bytes.replace(at, kSpaceMark.size(), " ");
    }
    bytes_of_id.push_back(std::move(bytes));
  }
}

SentencePiece::~SentencePiece() = default;

int64_t SentencePiece::size() const { return static_cast<int64_t>(state_->bytes_of_id.size()); }

std::vector<int32_t> SentencePiece::encode(std::string_view text) const {
  if (text.empty()) return {};
  std::vector<int> ids;
  const auto status = state_->processor.Encode(absl::string_view(text.data(), text.size()), &ids);
  if (!status.ok()) throw Error(ExitCode::kInternal, "SentencePiece: " + status.ToString());
  return {ids.begin(), ids.end()};
}

const std::string& SentencePiece::bytes_of(int32_t id) const {
  return state_->bytes_of_id[static_cast<size_t>(id)];
}

std::string SentencePiece::piece(int32_t id) const { return state_->processor.IdToPiece(id); }

bool SentencePiece::is_byte(int32_t id) const { return state_->processor.IsByte(id); }

bool SentencePiece::is_text(int32_t id) const {
  const auto& processor = state_->processor;
  return !processor.IsByte(id) && !processor.IsControl(id) && !processor.IsUnknown(id);
}

float SentencePiece::score(int32_t id) const { return state_->processor.GetScore(id); }

bool SentencePiece::contains(std::string_view piece) const {
  const auto& processor = state_->processor;
  return processor.PieceToId(absl::string_view(piece.data(), piece.size())) != processor.unk_id();
}

int32_t SentencePiece::id_of_byte(unsigned char byte) const { return state_->id_of_byte[byte]; }

bool SentencePiece::adds_space() const { return bytes_of(encode("a").front()).starts_with(' '); }

SentencePiece::Kind SentencePiece::kind(int32_t id) const {
  const auto& processor = state_->processor;
  if (processor.IsUnknown(id)) return Kind::kUnknown;
  if (processor.IsControl(id)) return Kind::kControl;
  if (processor.IsByte(id)) return Kind::kByte;
  return processor.IsUnused(id) ? Kind::kUnused : Kind::kNormal;
}

int32_t SentencePiece::bos() const { return state_->processor.bos_id(); }

}  // namespace mom::codecs
