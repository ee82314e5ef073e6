#include "mom/eval/export.h"

#include <string_view>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/codecs/text_codec.h"
#include "mom/codecs/text_import.h"
#include "mom/eval/gguf_tokenizer.h"
#include "mom/modality/special_tokens.h"
#include "mom/models/export.h"
#include "mom/models/hugging_face.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::eval {

std::string_view embedded_file(std::string_view name);  // of python/

namespace {

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
    log_warning(codecs.string() + ": not there, so no tokenizer is written: give --codecs FOLDER");
    return {};
  }
};

// A post-processor of tokenizer.json: every text begins with that token, as our documents do.
OrderedJson begin_with(int32_t id, const OrderedJson& vocabulary) {
  std::string token;
  for (const auto& [name, number] : vocabulary.items())
    if (number == id) token = name;
  const auto special = [&](int type) -> OrderedJson {
    return {{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto text = [](const char* name, int type) -> OrderedJson {
    return {{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {special(0), text("A", 0)}},
          {"pair", {special(0), text("A", 0), text("B", 1)}},
          {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
}

// The tokenizer and the special tokens of a model of ours, in Hugging Face's files.
void write_language(const Source& source, const Path& to) {
  if (source.is_plain()) return models::keep_language(source.folder, to);
  namespace special = modality::special;
  publish_json(
      to / "generation_config.json",
      {{"bos_token_id", special::kBos}, {"eos_token_id", special::kEos}, {"pad_token_id", special::kPad}});
  if (source.text.empty() || !codecs::TextCodec(source.text).has_pieces()) return;
  OrderedJson tokenizer = codecs::text_codec_as_json(source.text);
  tokenizer["post_processor"] = begin_with(special::kBos, tokenizer["model"]["vocab"]);
  publish_json(to / "tokenizer.json", tokenizer);
  publish_json(to / "tokenizer_config.json",
               {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"add_bos_token", true}});
  if (const Path pieces = source.text / "tokenizer.model"; std::filesystem::exists(pieces))
    publish_file(to / pieces.filename(), read_file(pieces));
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
