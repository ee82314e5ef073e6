// Texts: JSON and its lines, recipes, tokenizer files, and what they tokenize.
#include "fuzz/targets.h"
#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/utf8.h"
#include "mom/config/schema.h"
#include "mom/data/import.h"
#include "mom/formats/tar.h"
#include "mom/tokenizer/tokenizer.h"
#include "mom/tokenizer/unicode.h"
#include "mom/train/recipe.h"
#include "tests/support/temp_folder.h"
#include "tests/tokenizer/tiny.h"

namespace mom::fuzz {
namespace {

void read_json_text(std::string_view bytes) {
  const Json json = parse_json(bytes, "text");
  expect(parse_json(json.dump(), "copy") == json, "JSON that was written is what was read");
}

std::vector<std::string> json_seeds() {
  return {
      R"({"a": [1, -2.5e3, true, null, "x\u00e9\ud83d\ude00"], "b": {"c": {}}, "d": 12345678901234567890})",
      "[]"};
}

void read_recipe(std::string_view bytes) {
  const MemoryFile file(bytes);
  const train::Recipe recipe = train::load_recipe(file.path(), {});
  const std::string dumped = train::dump_recipe(recipe);
  const MemoryFile again(dumped);
  expect(train::dump_recipe(train::load_recipe(again.path(), {})) == dumped,
         "a recipe that was written is what was read");
}

std::vector<std::string> recipe_seeds() {
  return {source_file("configs/transfusion.toml"), source_file("configs/chameleon.toml"),
          "train.steps = 7\n"};
}

void read_override(std::string_view bytes) {
  train::Recipe recipe;
  config::Schema schema = recipe.schema();
  config::apply_override(schema, bytes);
}

std::vector<std::string> override_seeds() {
  return {"train.steps=20", "data.mixture={a=0.5}", "model.backbone=mamba"};
}

void read_tokenizer(std::string_view bytes) {
  const MemoryFile file(bytes);
  const tokenizer::Tokenizer tokenizer(file.path());
  for (const int32_t id : tokenizer.encode("the 12 discs\xF0\x9F\x98\x80 <end>"))
    expect(id >= 0 && id < tokenizer.size(), "an id of the vocabulary");
}

std::vector<std::string> tokenizer_seeds() { return {test::tiny_tokenizer().dump()}; }

// Without a normal form what was tokenized comes back.
void tokenize(std::string_view bytes) {
  static const tokenizer::Tokenizer tokenizer = [] {
    Json json = test::tiny_tokenizer();
    json["normalizer"] = nullptr;
    json["added_tokens"] = Json::array();
    const std::string text = json.dump();
    const MemoryFile file(text);
    return tokenizer::Tokenizer(file.path());
  }();
  std::string again, buffer;
  for (const int32_t id : tokenizer.encode(bytes)) again += tokenizer.bytes_of(id);
  expect(again == tokenizer::to_utf8(bytes, buffer), "the text of its tokens");
  std::string composed, twice;
  const std::string normal(tokenizer::to_nfc(again, composed));
  expect(tokenizer::to_nfc(normal, twice) == normal, "a normal form is its own");
}

std::vector<std::string> tokenize_seeds() {
  return {"the other 12 's\tA\xCC\x8A  \xEA\xB0\x80\xE1\x86\xA8", ""};
}

// A file of that name as people import it, without media beside it.
void import_as(const char* name, std::string_view bytes) {
  static const test::TempFolder folder;
  test::write_file(folder / name, bytes);
  data::ImportOptions options;
  options.sources = {folder / name};
  options.out = folder / "documents";
  options.replace = true;
  options.skip_bad = bytes.size() % 2 == 0;
  data::import_documents(options);
}

void import_lines(std::string_view bytes) { import_as("lines.jsonl", bytes); }
void import_tar(std::string_view bytes) { import_as("pairs.tar", bytes); }

std::vector<std::string> line_seeds() {
  return {
      "{\"text\": \"a red disc\"}\n{\"key\": \"b\", \"segments\": [{\"text\": \"x\", \"keywords\": "
      "[\"y\"]}]}\n",
      "{\"segments\": [{\"modality\": \"music\", \"codes\": [1, 2, 3]}, {\"text\": \"a tune\"}]}\n"};
}

std::vector<std::string> import_tar_seeds() {
  std::vector<std::string> seeds;
  const std::string png = find_target("image").seeds().front();
  seeds.push_back(written([&](const Path& path) {
    formats::TarWriter tar(path);
    tar.add("a/0.txt", "a red disc");
    tar.add("a/0.png", png);
    tar.add("1.json", R"({"segments": [{"text": "a fox", "keywords": ["red"]}, {"image": "1.0.png"}]})");
    tar.add("1.0.png", png);
    tar.add("2.caption", "words");
    tar.close();
  }));
  return seeds;
}

}  // namespace

std::vector<Target> text_targets() {
  return {{"json", read_json_text, json_seeds},        {"recipe", read_recipe, recipe_seeds},
          {"override", read_override, override_seeds}, {"tokenizer", read_tokenizer, tokenizer_seeds},
          {"tokenize", tokenize, tokenize_seeds},      {"import_lines", import_lines, line_seeds},
          {"import_tar", import_tar, import_tar_seeds}};
}

}  // namespace mom::fuzz
