// `mom data import`: users' own files -> a documents folder.
//
//   SRC                     becomes
//   .tar[.gz|.xz|.zst]      WebDataset samples: members with the same KEY (path up to the first dot of the base name)
//   folder                  the same rule over all files below it, in the order of their names; .tar and .jsonl files in
//                           it are read as if given by themselves
//   .jsonl                  one document per line: {"text": "...", "image": "a.png"}, or
//                           {"key": "...", "segments": [...]}; media paths are relative to the
//                           file; without "key" the key is FILE:LINE
//   .txt                    one document, or one per paragraph
//
// A sample is KEY.txt with KEY.png|jpg|jpeg|webp and / or KEY.wav|flac|ogg|mp3 (one of each: the order is left to the
// loader), or KEY.json with ordered segments:
//   {"segments": [{"text": "a fox", "keywords": ["red"]}, {"image": "fox.0.png"}, {"speech": "fox.wav"}]}
// where image and speech name files beside it. A .json without "segments" is taken as metadata when the sample has other
// files. Text alone is a document when nothing in the same folder or tar has media.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

struct ImportOptions {
  std::vector<Path> sources;
  Path out;
  std::string source_name;  // empty: the stem of each file or folder
  std::string split;        // empty: by the hash of the key, as in split.h
  bool paragraphs = false;  // a .txt is one document per paragraph (blank lines between them)
  bool skip_bad = false;    // count and list bad samples instead of stopping at the first
  bool replace = false;
};

struct ImportSummary {
  uint64_t num_documents = 0, num_skipped = 0;
};

// InputError names file, sample and place; then nothing is left behind. Pictures and sound are checked by decoding.
ImportSummary import_documents(const ImportOptions& options);

}  // namespace mom::data
