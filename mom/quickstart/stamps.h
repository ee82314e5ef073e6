// Tux Paint's stamps: images with captions in many languages and recordings of people reading them.
//
//   stamps/FOLDER/koala.png (or koala.svg)
//   stamps/FOLDER/koala.txt            line 1 English, then "fr.utf8=Un koala."
//   stamps/FOLDER/koala_desc_fr.ogg
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mom/quickstart/packages.h"

namespace mom::quickstart {

// Those whose recordings say what the caption says; Catalan, Belarusian and Dutch ones say something shorter.
inline constexpr std::array<std::string_view, 6> kStampLanguages = {"fr", "ru", "ro", "bg", "es", "el"};

struct Stamp {
  std::string key;           // "animals/marsupials/koala"
  std::string concept_name;  // that of the first of all stamps with the same name, caption or image
  Path image;                // PNG, or SVG where there is no other
  std::map<std::string, std::string, std::less<>> captions;  // by language, of kStampLanguages and "en"
  std::map<std::string, Path, std::less<>> recordings;       // likewise
};

// Every stamp with an image, by key; InputError when the package is missing or a caption is not UTF-8.
std::vector<Stamp> read_stamps(const Packages& packages);

// What a split must not separate, from the file's stem alone: in lower case, without numbers and words like "outline".
std::string concept_of_stem(std::string_view stem);

// PNG bytes of each stamp's image, in order. SVG is drawn by the program rsvg-convert, 512 pixels the longer side.
std::vector<std::string> draw_stamps(const std::vector<Stamp>& stamps);

}  // namespace mom::quickstart
