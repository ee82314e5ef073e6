#include "mom/data/import_names.h"

#include <algorithm>

#include "mom/formats/media_kinds.h"

namespace mom::data {
namespace {

constexpr std::string_view kTars[] = {".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.zst"};
constexpr std::string_view kJsonLines[] = {".jsonl", ".jsonl.gz", ".jsonl.xz", ".jsonl.zst"};

// The ending of `name` that is in the list; empty when none is.
template <class List>
std::string_view ending_of(const std::string& lower, const List& endings) {
  for (const std::string_view ending : endings)
    if (lower.ends_with(ending)) return ending;
  return {};
}

FileKind kind_of(const std::string& extension) {
  if (extension == "txt" || extension == "caption") return FileKind::kTextFile;
  if (extension == "json") return FileKind::kJsonFile;
  if (extension == "npy") return FileKind::kArrayFile;
  if (formats::is_image_extension(extension)) return FileKind::kImageFile;
  if (formats::is_sound_extension(extension)) return FileKind::kSoundFile;
  if (formats::is_unreadable_media_extension(extension)) return FileKind::kUnreadMedia;
  return FileKind::kOther;
}

// Where the base name begins.
size_t base_of(std::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? 0 : slash + 1;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

bool is_tar_name(std::string_view name) { return !ending_of(lower_case(name), kTars).empty(); }
bool is_json_lines_name(std::string_view name) { return !ending_of(lower_case(name), kJsonLines).empty(); }

bool is_compressed_name(std::string_view name) {
  constexpr std::string_view kCompressed[] = {".gz", ".xz", ".zst", ".tgz"};
  return !ending_of(lower_case(name), kCompressed).empty();
}

std::string without_ending(std::string_view name) {
  const std::string lower = lower_case(name);
  std::string_view ending = ending_of(lower, kTars);
  if (ending.empty()) ending = ending_of(lower, kJsonLines);
  if (!ending.empty()) return std::string(name.substr(0, name.size() - ending.size()));
  const size_t dot = name.rfind('.');
  return std::string(
      name.substr(0, dot == std::string_view::npos || dot <= base_of(name) ? name.size() : dot));
}

NameParts split_name(std::string_view name, KeyRule rule) {
  const bool is_container = is_tar_name(name) || is_json_lines_name(name);
  const size_t first = name.find('.', base_of(name));
  if (first == std::string_view::npos) return {std::string(name), "", FileKind::kOther};
  size_t last = name.rfind('.');
  FileKind kind = is_container ? FileKind::kContainer : kind_of(lower_case(name.substr(last + 1)));
  std::string modality;
  if (kind == FileKind::kArrayFile && last > first) {
    const size_t before = name.rfind('.', last - 1);
    modality = name.substr(before + 1, last - before - 1);
    last = before;
  } else if (kind == FileKind::kArrayFile) {
    kind = FileKind::kUnreadMedia;
  }
  const size_t end = rule == KeyRule::kFirstDot ? first : last;
  return {std::string(name.substr(0, end)), std::string(name.substr(end, last - end)), kind, modality};
}

}  // namespace mom::data
