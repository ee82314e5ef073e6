// draw_emoji: the emoji as PNG files, each with the concept that decides its split.
#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/quickstart/concepts.h"
#include "mom/quickstart/emoji_renderer.h"
#include "mom/quickstart/quickstart.h"

namespace mom::quickstart {
std::vector<EmojiImage> draw_emoji(const Path& font, const std::vector<Emoji>& emoji,
                                   const Keywords& keywords) {
  EmojiRenderer renderer(font);
  ConceptMerger merger;
  std::vector<EmojiImage> images;
  for (const Emoji& one : emoji) {
    auto image = renderer.render(one.code_points);
    if (!image)
      throw InputError({font.string(), "an image of " + one.key() + " (" + one.name + ")", "none",
                        "use fonts-noto-color-emoji and unicode-data of the same Debian release"});
    std::string name = concept_of(one);
    std::string_view pixels(reinterpret_cast<const char*>(image->pixels.data()), image->pixels.size());
    merger.merge_by(sha256_hex(pixels), name);
    images.push_back({one, name, formats::encode_png(*image), keywords_of(one, keywords)});
  }
  for (EmojiImage& image : images) image.concept_name = merger.find(image.concept_name);
  return images;
}

}  // namespace mom::quickstart
