// Lines and tars as people import them.
#include "fuzz/targets.h"
#include "mom/data/import.h"
#include "mom/formats/image_file.h"
#include "mom/formats/tar.h"
#include "tests/support/temp_folder.h"

namespace mom::fuzz {
namespace {

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
  const std::string png = formats::encode_png({2, 1, 3, {200, 30, 40, 20, 90, 180}});
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

std::vector<Target> import_targets() {
  return {{"import_lines", import_lines, line_seeds}, {"import_tar", import_tar, import_tar_seeds}};
}

}  // namespace mom::fuzz
