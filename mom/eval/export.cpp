#include "mom/eval/export.h"

#include <string_view>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/codecs/sentence_piece.h"
#include "mom/eval/gguf_tokenizer.h"
#include "mom/modality/special_tokens.h"
#include "mom/models/export.h"
#include "mom/models/hugging_face.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::eval {

std::string_view embedded_file(std::string_view name);  // of python/

namespace {

constexpr const char* kPieces = "tokenizer.model";

// A model with what is around its text.
struct Source {
  explicit Source(const Export& options)
      : folder(train::find_model_folder(options.from)),
        model(models::load_model(folder)),
        text(find_text(options)) {}

  bool is_plain() const { return model->spec().vocabulary.empty(); }

  Path folder;
  models::Model model;
  Path text;  // the folder of its tokenizer; empty: none is known

 private:
  Path find_text(const Export& options) const {
    if (is_plain()) return folder;
    Path codecs = options.codecs;
    if (const Path recipe = options.from / "recipe.toml"; codecs.empty() && std::filesystem::exists(recipe))
      codecs = Path(train::load_recipe(recipe, {}).data.path) / "codecs";
    if (codecs.empty()) codecs = folder / "codecs";
    codecs /= model->spec().vocabulary.text()->name;
    if (std::filesystem::exists(codecs)) return codecs;
    log_warning(folder.string() +
                ": no text codec beside it, so no tokenizer is written: give --codecs FOLDER");
    return {};
  }
};

// The tokenizer and the special tokens of a model of ours, in Hugging Face's files.
void write_language(const Source& source, const Path& to) {
  if (source.is_plain()) return models::keep_language(source.folder, to);
  namespace special = modality::special;
  publish_json(
      to / "generation_config.json",
      {{"bos_token_id", special::kBos}, {"eos_token_id", special::kEos}, {"pad_token_id", special::kPad}});
  if (source.text.empty()) return;
  if (std::filesystem::exists(source.text / "tokenizer.json"))
    publish_file(to / "tokenizer.json", read_file(source.text / "tokenizer.json"));
  if (!std::filesystem::exists(source.text / kPieces)) return;
  publish_file(to / kPieces, read_file(source.text / kPieces));
  const codecs::SentencePiece pieces(source.text / kPieces);
  publish_json(to / "tokenizer_config.json", {{"tokenizer_class", "LlamaTokenizer"},
                                              {"add_bos_token", true},
                                              {"bos_token", pieces.piece(special::kBos)},
                                              {"eos_token", pieces.piece(special::kEos)},
                                              {"unk_token", pieces.piece(special::kUnknown)},
                                              {"pad_token", pieces.piece(special::kPad)}});
}

}  // namespace

void convert_text_only(const Export& options) {
  Source source(options);
  models::Model dense = models::text_only(*source.model);
  FolderPublisher publisher(options.out, /*replace=*/false);
  models::write_model(publisher.path(), *dense);
  write_language(source, publisher.path());
  publisher.commit();
}

void convert_to_hf(const Export& options) {
  Source source(options);
  const OrderedJson config = models::hugging_face_config(source.model->spec());
  FolderPublisher publisher(options.out, /*replace=*/false);
  models::write_model(publisher.path(), *source.model);
  publish_json(publisher.path() / "config.json", config);
  write_language(source, publisher.path());
  publish_file(publisher.path() / models::kModelingFile, embedded_file(models::kModelingFile));
  publisher.commit();
}

void convert_to_gguf(const Export& options) {
  if (std::filesystem::exists(options.out))
    throw UserError(
        {"--out", "a file that does not exist", options.out.string(), "remove it, or name another"});
  Source source(options);
  models::Model dense = models::text_only(*source.model);
  nn::NamedTensors weights = models::named_weights(*dense);
  formats::GgufFile file;
  file.set("general.architecture", "mamba");
  file.set("general.name", source.folder.filename().string());
  models::add_to_gguf(file, dense->spec(), weights);
  add_tokenizer(file, source.text, dense->spec().vocab_size, source.is_plain() ? source.folder : Path());
  file.publish(options.out);
}

}  // namespace mom::eval
