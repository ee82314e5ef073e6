#include "mom/quickstart/quickstart.h"

#include <unordered_map>
#include <unordered_set>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/base/utf8.h"
#include "mom/data/document.h"
#include "mom/data/split.h"
#include "mom/formats/tar.h"
#include "mom/quickstart/dictionary.h"
#include "mom/quickstart/packages.h"

namespace mom::quickstart {
namespace {

// Shorter dictionary articles are cross references ("Unsung See sung.").
constexpr size_t kMinArticleBytes = 40;

struct Inputs {
  Path font, emoji_list;
  std::vector<Path> annotations;
  Path gcide_index, gcide_dict, foldoc_index, foldoc_dict;
  std::vector<Path> chapters;
};

// All of them, before any work: what is missing is said at once.
Inputs find_inputs(const Packages& packages) {
  return {
      .font = packages.file("usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"),
      .emoji_list = packages.file("usr/share/unicode/emoji/emoji-test.txt", "unicode-data"),
      .annotations = {packages.file("usr/share/unicode/cldr/common/annotations/en.xml", "unicode-cldr-core"),
                      packages.file("usr/share/unicode/cldr/common/annotationsDerived/en.xml",
                                    "unicode-cldr-core")},
      .gcide_index = packages.file("usr/share/dictd/gcide.index", "dict-gcide"),
      .gcide_dict = packages.file("usr/share/dictd/gcide.dict.dz", "dict-gcide"),
      .foldoc_index = packages.file("usr/share/dictd/foldoc.index", "dict-foldoc"),
      .foldoc_dict = packages.file("usr/share/dictd/foldoc.dict.dz", "dict-foldoc"),
      .chapters = packages.files("usr/share/doc/anarchism/markdown", {".md.gz", ".md"}, "anarchism"),
  };
}

void add_pictures(data::DocumentWriter& writer, const Inputs& inputs) {
  auto pictures =
      draw_pictures(inputs.font, read_emoji_list(inputs.emoji_list), read_keywords(inputs.annotations));
  for (const Picture& picture : pictures) {
    data::Document document{.key = picture.emoji.key(), .free_order = true, .segments = {}};
    data::MediaRef media = writer.add_media(document.key + ".png", picture.png);
    document.segments.push_back({"text", picture.emoji.name, picture.keywords, {}});
    document.segments.push_back({"image", "", {}, media});
    writer.add("noto", data::split_by_hash(picture.concept_name), document);
  }
}

std::string split_of_text(std::string_view key) {
  return splitmix64_finalise(fnv1a64(key)) % 100 == 0 ? "validation" : "train";
}

void add_text(data::DocumentWriter& writer, const std::string& source, const std::string& split,
              const std::string& key, std::string text) {
  data::Document document{.key = key, .free_order = false, .segments = {}};
  document.segments.push_back({"text", std::move(text), {}, {}});
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

void add_gcide(data::DocumentWriter& writer, const Inputs& inputs) {
  KeyMaker keys;
  std::unordered_set<std::string> seen;
  for (const Article& article : read_dictionary(inputs.gcide_index, inputs.gcide_dict)) {
    std::string text = clean_gcide(article.text);
    if (text.size() < kMinArticleBytes || !seen.insert(text).second) continue;
    std::string key = keys.unique(article.headword);
    add_text(writer, "gcide", split_of_text(key), key, std::move(text));
  }
}

void add_foldoc(data::DocumentWriter& writer, const Inputs& inputs) {
  KeyMaker keys;
  for (const Article& article : read_dictionary(inputs.foldoc_index, inputs.foldoc_dict))
    add_text(writer, "foldoc", "validation", keys.unique(article.headword), clean_foldoc(article.text));
}

void add_chapters(data::DocumentWriter& writer, const Inputs& inputs) {
  for (const Path& file : inputs.chapters) {
    std::string name = file.filename().string(), key = name.substr(0, name.find('.'));
    std::string text = name.ends_with(".gz") ? formats::read_compressed(file) : read_file(file);
    if (auto fault = find_invalid_utf8(text))
      throw InputError({file.string() + ": byte " + std::to_string(*fault), "UTF-8", "something else",
                        "reinstall the package anarchism"});
    add_text(writer, "anarchism", split_of_text(key), key, std::move(text));
  }
}

}  // namespace

void make_quickstart(const QuickstartOptions& options) {
  Packages packages(options.packages);
  Inputs inputs = find_inputs(packages);
  data::DocumentWriter writer(options.out, options.replace);
  Progress progress("quickstart data", "sources", 4);
  add_pictures(writer, inputs);
  progress.update(1, "pictures");
  add_gcide(writer, inputs);
  progress.update(2, "gcide");
  add_chapters(writer, inputs);
  progress.update(3, "anarchism");
  add_foldoc(writer, inputs);
  progress.update(4, "foldoc");
  writer.commit();
  progress.finish();
}

}  // namespace mom::quickstart
