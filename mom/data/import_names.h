// What the name of a file says about it.
#pragma once

#include <string>
#include <string_view>

#include "mom/data/import_members.h"

namespace mom::data {

std::string lower_case(std::string_view text);  // ASCII

bool is_tar_name(std::string_view name);  // .tar, .tgz, .tar.gz, .tar.xz, .tar.zst in any case, as all below
bool is_json_lines_name(std::string_view name);  // .jsonl, .jsonl.gz, .jsonl.xz, .jsonl.zst
bool is_compressed_name(std::string_view name);
// Without the ending of a tar or .jsonl, or else what follows the last dot of the base name.
std::string without_ending(std::string_view name);

enum class FileKind {
  kTextFile,
  kImageFile,
  kSoundFile,
  kArrayFile,
  kJsonFile,
  kUnreadMedia,
  kContainer,
  kOther
};

// "a/b.left.PNG" -> {"a/b", ".left", kImageFile} by its first dot, {"a/b.left", "", kImageFile} by its last. The
// extension, which says the kind, is what follows the last dot under either rule.
// Of an array the word before its extension is the modality, under either rule: "a/b.left.music.npy" ->
// {"a/b", ".left", kArrayFile, "music"} or {"a/b.left", "", kArrayFile, "music"}.
struct NameParts {
  std::string key, middle;
  FileKind kind;
  std::string modality = {};  // of an array; where its name does not say one it is kUnreadMedia
};
NameParts split_name(std::string_view name, KeyRule rule);

}  // namespace mom::data
