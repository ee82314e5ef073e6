// `mom data quickstart`: a documents folder from installed Debian packages. Same packages, same bytes.
//
//   source      splits                       documents
//   noto        train, validation, test      an emoji's name with keywords and its picture, order left free;
//   split by concept gcide       train, validation (1 in 100) a dictionary article anarchism   train,
//   validation (1 in 100) a chapter, Markdown foldoc      validation                   an encyclopedic
//   article on computing
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/quickstart/emoji_list.h"

namespace mom::quickstart {

struct QuickstartOptions {
  Path out;
  Path packages;  // folder the packages were unpacked into; empty: the environment's MOM_PACKAGES, else "/"
  bool replace = false;
};

// InputError when a package is missing or a file of it cannot be read; nothing is left behind then.
void make_quickstart(const QuickstartOptions& options);

struct Picture {
  Emoji emoji;
  std::string concept_name;  // that of the first of all emoji which look the same
  std::string png;           // 136 x 128 RGBA
  std::vector<std::string> keywords;
};
// Every emoji without a skin tone. All are drawn, those with a skin tone only to find equal pictures.
std::vector<Picture> draw_pictures(const Path& font, const std::vector<Emoji>& emoji,
                                   const Keywords& keywords);

}  // namespace mom::quickstart
