// draw_pictures: the emoji as PNG files, each with the concept that decides its split.
#include <unordered_map>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/quickstart/emoji_renderer.h"
#include "mom/quickstart/quickstart.h"

namespace mom::quickstart {
namespace {

// Concepts that turn out to be one: each points to its successor, the last of a chain to itself.
class ConceptMerger {
 public:
  std::string find(const std::string& name) {
    auto [entry, added] = parent_.try_emplace(name, name);
    if (added || entry->second == name) return name;
    std::string root = find(entry->second);
    parent_[name] = root;
    return root;
  }
  // `first` came earlier in the list and stays.
  void merge(const std::string& first, const std::string& second) { parent_[find(second)] = find(first); }

 private:
  std::unordered_map<std::string, std::string> parent_;
};

}  // namespace

std::vector<Picture> draw_pictures(const Path& font, const std::vector<Emoji>& emoji,
                                   const Keywords& keywords) {
  EmojiRenderer renderer(font);
  ConceptMerger merger;
  std::unordered_map<std::string, std::string> concept_by_pixels;  // sha256 of the pixels
  std::vector<Picture> pictures;
  for (const Emoji& one : emoji) {
    auto image = renderer.render(one.code_points);
    if (!image)
      throw InputError({font.string(), "a picture of " + one.key() + " (" + one.name + ")", "none",
                        "use fonts-noto-color-emoji and unicode-data of the same Debian release"});
    std::string name = concept_of(one);
    std::string_view pixels(reinterpret_cast<const char*>(image->pixels.data()), image->pixels.size());
    auto [same, added] = concept_by_pixels.try_emplace(sha256_hex(pixels), name);
    if (!added) merger.merge(same->second, name);
    if (!one.has_skin_tone())
      pictures.push_back({one, name, formats::encode_png(*image), keywords_of(one, keywords)});
  }
  for (Picture& picture : pictures) picture.concept_name = merger.find(picture.concept_name);
  return pictures;
}

}  // namespace mom::quickstart
