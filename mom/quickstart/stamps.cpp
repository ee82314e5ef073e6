#include "mom/quickstart/stamps.h"

#include <algorithm>
#include <cctype>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/utf8.h"
#include "mom/quickstart/concepts.h"
#include "mom/quickstart/workers.h"

namespace mom::quickstart {
namespace {

constexpr const char* kPackage = "tuxpaint-stamps-default";
constexpr const char* kFolder = "usr/share/tuxpaint/stamps";
constexpr const char* kStampSide = "512";

bool is_language(std::string_view name) {
  return std::find(kStampLanguages.begin(), kStampLanguages.end(), name) != kStampLanguages.end();
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

void read_captions(const Path& file, Stamp& stamp) {
  constexpr std::string_view kMark = ".utf8=";
  for_each_line(file, [&](std::string_view line, uint64_t number) {
    const size_t mark = line.find(kMark);
    const bool english = number == 1;
    if (!english && (mark == std::string_view::npos || !is_language(line.substr(0, mark)))) return;
    if (const auto fault = find_invalid_utf8(line))
      throw InputError({file.string() + ":" + std::to_string(number) + ": byte " + std::to_string(*fault),
                        "UTF-8", "something else", std::string("reinstall the package ") + kPackage});
    std::string text = trimmed(english ? line : line.substr(mark + kMark.size()));
    if (!text.empty()) stamp.captions[english ? "en" : std::string(line.substr(0, mark))] = std::move(text);
  });
}

void find_recordings(const Path& stem, Stamp& stamp) {
  const auto add = [&](std::string_view language, const std::string& ending) {
    Path file = stem.string() + ending;
    if (std::filesystem::is_regular_file(file)) stamp.recordings[std::string(language)] = std::move(file);
  };
  add("en", "_desc.ogg");
  for (const std::string_view language : kStampLanguages)
    add(language, "_desc_" + std::string(language) + ".ogg");
}

// False for captions of sounds alone and similar ones.
bool find_image(const Path& stem, Stamp& stamp) {
  for (const char* ending : {".png", ".svg"}) {
    stamp.image = stem.string() + ending;
    if (std::filesystem::is_regular_file(stamp.image)) return true;
  }
  return false;
}

std::vector<Path> caption_files(const Path& folder) {
  std::vector<Path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ignored))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void merge_concepts(std::vector<Stamp>& stamps) {
  ConceptMerger merger;
  for (const Stamp& stamp : stamps) {
    merger.merge_by("image " + sha256_hex_of_file(stamp.image), stamp.concept_name);
    for (const auto& [ignored, text] : stamp.captions) merger.merge_by("caption " + text, stamp.concept_name);
  }
  for (Stamp& stamp : stamps) stamp.concept_name = merger.find(stamp.concept_name);
}

enum class Letter { kLetter, kDigit, kOther };

Letter kind_of(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalpha(byte) != 0   ? Letter::kLetter
         : std::isdigit(byte) != 0 ? Letter::kDigit
                                   : Letter::kOther;
}

// Maximal runs of letters and of digits, in lower case.
std::vector<std::string> words_of(std::string_view stem) {
  std::vector<std::string> words;
  Letter before = Letter::kOther;
  for (const char c : stem) {
    const Letter kind = kind_of(c);
    if (kind != Letter::kOther && kind != before) words.emplace_back();
    if (kind != Letter::kOther)
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    before = kind;
  }
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

std::string concept_of_stem(std::string_view stem) {
  static constexpr std::array<std::string_view, 10> kVariants = {
      "outline", "filled", "photo", "left", "right", "silo", "mirror", "drawing", "small", "large"};
  const std::vector<std::string> words = words_of(stem);
  std::vector<std::string> kept = words;
  std::erase_if(kept, [](const std::string& word) {
    return kind_of(word.front()) == Letter::kDigit ||
           std::find(kVariants.begin(), kVariants.end(), word) != kVariants.end();
  });
  return join(kept.empty() ? words : kept);
}

std::vector<Stamp> read_stamps(const Packages& packages) {
  const Path folder = packages.folder(kFolder, kPackage);
  std::vector<Stamp> stamps;
  for (const Path& file : caption_files(folder)) {
    const Path stem = file.parent_path() / file.stem();
    Stamp stamp{.key = stem.lexically_relative(folder).generic_string(),
                .concept_name = concept_of_stem(stem.filename().string()),
                .image = {},
                .captions = {},
                .recordings = {}};
    if (!find_image(stem, stamp)) continue;
    read_captions(file, stamp);
    find_recordings(stem, stamp);
    stamps.push_back(std::move(stamp));
  }
  if (stamps.empty())
    throw InputError({folder.string(), "stamps", "none", std::string("reinstall the package ") + kPackage});
  merge_concepts(stamps);
  return stamps;
}

std::vector<std::string> draw_stamps(const std::vector<Stamp>& stamps) {
  const auto draw = [&](int64_t i) {
    const std::string file = stamps[static_cast<size_t>(i)].image.string();
    if (file.ends_with(".png")) return read_file(file);
    return run_program(
        {"rsvg-convert", "--keep-aspect-ratio", "--width", kStampSide, "--height", kStampSide, file}, file,
        "librsvg2-bin");
  };
  return run_in_processes(static_cast<int64_t>(stamps.size()), default_processes(), "drawing stamps", draw,
                          [](int64_t) {});
}

}  // namespace mom::quickstart
