#include "mom/codecs/text_tokenizer.h"

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/codecs/byte_pair_text.h"
#include "mom/codecs/sentence_piece.h"

namespace mom::codecs {
namespace {

Json read_config(const Path& model_folder) {
  const Path path = model_folder / "tokenizer_config.json";
  Json config = std::filesystem::exists(path) ? read_json(path) : Json::object();
  if (!config.is_object()) throw InputError({path.string(), "an object", config.dump().substr(0, 80), ""});
  return config;
}

}  // namespace

std::unique_ptr<TextTokenizer> open_tokenizer(const Path& model_folder) {
  const Path pieces = model_folder / "tokenizer.model", pairs = model_folder / BytePairText::kFile;
  if (std::filesystem::exists(pieces)) return std::make_unique<SentencePiece>(pieces);
  if (!std::filesystem::exists(pairs)) return nullptr;
  auto tokenizer = std::make_unique<BytePairText>(pairs);
  // PyPI transformers lets this key overrule the file.
  const Json prefix = read_config(model_folder).value("add_prefix_space", Json());
  if (prefix.is_boolean() && prefix != tokenizer->file().add_prefix_space)
    throw InputError({(model_folder / "tokenizer_config.json").string() + ", \"add_prefix_space\"",
                      "what " + std::string(BytePairText::kFile) + " has", prefix.dump(), "make them agree"});
  return tokenizer;
}

std::optional<int32_t> first_token(const TextTokenizer& tokenizer, const Path& model_folder) {
  if (const auto* pieces = dynamic_cast<const SentencePiece*>(&tokenizer)) {
    const bool is_added = read_config(model_folder).value("add_bos_token", Json()) == Json(true);
    return is_added && pieces->bos() >= 0 ? std::optional(pieces->bos()) : std::nullopt;
  }
  const auto& file = dynamic_cast<const BytePairText&>(tokenizer).file();
  if (file.before.size() > 1 || !file.behind.empty())
    throw InputError({(model_folder / BytePairText::kFile).string() + ", \"post_processor\"",
                      "one token at most, before the text",
                      std::to_string(file.before.size()) + " before and " +
                          std::to_string(file.behind.size()) + " behind it",
                      "give the prompt as ids: --tokens"});
  return file.before.empty() ? std::nullopt : std::optional(file.before.front());
}

}  // namespace mom::codecs
