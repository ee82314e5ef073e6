// `mom data quickstart`: a documents folder from installed Debian packages. Same packages, same bytes.
//
//   setting         sources    splits                          a document is
//   transfusion,    noto       train, validation, test         an emoji's name with keywords and its image, in free order
//   chameleon       gcide      train, validation (1 in 100)    a dictionary article
//                   anarchism  train, validation (1 in 100)    a chapter, Markdown
//                   foldoc     validation                      an encyclopedic article on computing
//   styles          the three text sources, and
//                   noto       train, validation, test         as above, emoji with a skin tone too
//                   twemoji    train, validation, test         the same emoji in another style
//                   fluent     validation                      those of the concepts held out, in a style that no
//                                                              training document has
//   showcase        the three text sources, and six styles of emoji without skin tones, each named in the caption
//                   ("red apple, twemoji"): noto, twemoji, fluent, fluent_flat, noto_v1, emojione
//                              train, validation, test, and
//                              recombined                      1 in 20 trained concepts of each style but noto: the
//                                                              concept is trained on in other styles only
//   three_modality  those of transfusion, and
//                   spoken     train, validation, test         an emoji's name, its image and its name spoken by a
//                                                              synthetic voice (slt, rms, awb), in free order
//                   spoken_kal16  validation                   the same for the concepts held out, in a voice that no
//                                                              training document has
//   tuxpaint        the three text sources, and
//                   stamps     train, validation, test         a stamp's image, its caption in one of six languages and
//                                                              a recording of a person reading it, in free order
// Images are split by concept, the same in every voice and language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/modality/presets.h"
#include "mom/quickstart/emoji_list.h"

namespace mom::quickstart {

// What can be made: documents for each setting of recipes (modality/presets.h), of two studies and of the showcase.
inline constexpr const char *kStyles = "styles", *kTuxpaint = "tuxpaint", *kShowcase = "showcase";
std::vector<std::string> quickstart_settings();

struct QuickstartOptions {
  Path out;
  Path packages;  // folder the packages were unpacked into; empty: the environment's MOM_PACKAGES, else "/"
  bool replace = false;
  std::string setting = modality::presets().front().name;
};

// InputError when a package is missing or a file of it cannot be read; nothing is left behind then.
void make_quickstart(const QuickstartOptions& options);

struct EmojiImage {
  Emoji emoji;
  std::string concept_name;  // that of the first of all emoji which look the same
  std::string png;           // 136 x 128 RGBA
  std::vector<std::string> keywords;
};
// Every emoji, those with a skin tone too, drawn by Noto's font.
std::vector<EmojiImage> draw_emoji(const Path& font, const std::vector<Emoji>& emoji,
                                   const Keywords& keywords);

}  // namespace mom::quickstart
