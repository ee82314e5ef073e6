#include "mom/codecs/text_import.h"

#include <memory>

#include "mom/base/error.h"
#include "mom/codecs/byte_pair_text.h"
#include "mom/codecs/codec_kinds.h"
#include "mom/codecs/exact_pieces.h"
#include "mom/codecs/text_codec.h"
#include "mom/codecs/tokenizer_json.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {

OrderedJson import_text_codec(const Path& source, const Path& out, bool replace) {
  const Path file = std::filesystem::is_directory(source) ? source / BytePairText::kFile : source;
  if (!std::filesystem::exists(file))
    throw InputError({source.string(), "a tokenizer.json, or a folder with one", "none", ""});
  FolderPublisher publisher(out, replace);
  publish_file(publisher.path() / BytePairText::kFile, read_file(file));
  const int64_t vocabulary = BytePairText(file, modality::special::kCount).size();
  write_codec_info(publisher.path(), TextCodec::kKind, modality::kTextName, {{"vocabulary", vocabulary}},
                   Json::object());
  const std::string hash = TextCodec(publisher.path()).info().hash;
  publisher.commit();
  return {{"kind", TextCodec::kKind}, {"hash", hash}, {"vocabulary", vocabulary}};
}

namespace {

const TextCodec& as_text(const Codec& codec) {
  if (const auto* text = dynamic_cast<const TextCodec*>(&codec)) return *text;
  throw InputError(
      {codec.info().folder.string(), "a codec of kind \"text\"", "kind \"" + codec.info().kind + "\"", ""});
}

OrderedJson as_json(const TextCodec& text) {
  const auto* pieces = dynamic_cast<const ExactPieces*>(&text.tokenizer());
  return pieces ? json_of_pieces(*pieces) : json_behind_controls(text.info().folder / BytePairText::kFile);
}

}  // namespace

OrderedJson text_codec_as_json(const Path& folder) { return as_json(as_text(*open_codec(folder))); }

OrderedJson export_text_codec(const Path& folder, const Path& out) {
  const std::unique_ptr<Codec> codec = open_codec(folder);
  const TextCodec& text = as_text(*codec);
  const OrderedJson json = as_json(text);
  publish_json(out, json);
  return {{"kind", text.info().kind},
          {"hash", text.info().hash},
          {"vocabulary", text.vocabulary()},
          {"merges", json["model"]["merges"].size()}};
}

}  // namespace mom::codecs
