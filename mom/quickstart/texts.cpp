#include "mom/quickstart/texts.h"

#include <unordered_map>
#include <unordered_set>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/utf8.h"
#include "mom/formats/tar.h"
#include "mom/quickstart/dictionary.h"

namespace mom::quickstart {
namespace {

// Shorter dictionary articles are cross references ("Unsung See sung.").
constexpr size_t kMinArticleBytes = 40;

std::string split_of_text(std::string_view key) {
  return splitmix64_finalise(fnv1a64(key)) % 100 == 0 ? "validation" : "train";
}

void add_text(data::DocumentWriter& writer, const std::string& source, const std::string& split,
              const std::string& key, std::string text) {
  data::Document document{.key = key, .free_order = false, .segments = {}};
  document.segments.push_back({data::kText, std::move(text), {}, {}});
  writer.add(source, split, document);
}

// Keys are headwords; further articles of one headword are "headword#2", "headword#3", ...
class KeyMaker {
 public:
  std::string unique(const std::string& headword) {
    std::string key = headword;
    for (int number = ++uses_[headword]; !taken_.insert(key).second; number = ++uses_[headword])
      key = headword + "#" + std::to_string(number);
    return key;
  }

 private:
  std::unordered_map<std::string, int> uses_;
  std::unordered_set<std::string> taken_;
};

void add_gcide(data::DocumentWriter& writer, const TextFiles& files) {
  KeyMaker keys;
  std::unordered_set<std::string> seen;
  for (const Article& article : read_dictionary(files.gcide_index, files.gcide_dict)) {
    std::string text = clean_gcide(article.text);
    if (text.size() < kMinArticleBytes || !seen.insert(text).second) continue;
    std::string key = keys.unique(article.headword);
    add_text(writer, "gcide", split_of_text(key), key, std::move(text));
  }
}

void add_foldoc(data::DocumentWriter& writer, const TextFiles& files) {
  KeyMaker keys;
  for (const Article& article : read_dictionary(files.foldoc_index, files.foldoc_dict))
    add_text(writer, "foldoc", "validation", keys.unique(article.headword), clean_foldoc(article.text));
}

void add_chapters(data::DocumentWriter& writer, const TextFiles& files) {
  for (const Path& file : files.chapters) {
    std::string name = file.filename().string(), key = name.substr(0, name.find('.'));
    std::string text = name.ends_with(".gz") ? formats::read_compressed(file) : read_file(file);
    if (auto fault = find_invalid_utf8(text))
      throw InputError({file.string() + ": byte " + std::to_string(*fault), "UTF-8", "something else",
                        "reinstall the package anarchism"});
    add_text(writer, "anarchism", split_of_text(key), key, std::move(text));
  }
}

}  // namespace

TextFiles find_texts(const Packages& packages) {
  return {
      .gcide_index = packages.file("usr/share/dictd/gcide.index", "dict-gcide"),
      .gcide_dict = packages.file("usr/share/dictd/gcide.dict.dz", "dict-gcide"),
      .foldoc_index = packages.file("usr/share/dictd/foldoc.index", "dict-foldoc"),
      .foldoc_dict = packages.file("usr/share/dictd/foldoc.dict.dz", "dict-foldoc"),
      .chapters = packages.files("usr/share/doc/anarchism/markdown", {".md.gz", ".md"}, "anarchism"),
  };
}

void add_texts(data::DocumentWriter& writer, const TextFiles& files,
               const std::function<void(const std::string& source)>& done) {
  add_gcide(writer, files);
  done("gcide");
  add_chapters(writer, files);
  done("anarchism");
  add_foldoc(writer, files);
  done("foldoc");
}

}  // namespace mom::quickstart
