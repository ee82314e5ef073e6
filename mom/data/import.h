// `mom data import`: users' own files -> a documents folder.
//
//   SRC                       becomes
//   .tar[.gz|.xz|.zst]        WebDataset samples: members with the same KEY (path up to the first dot of the base name)
//   folder                    the same over all files below it, in the order of their names, but KEY ends at the last dot;
//                             .tar and .jsonl files in it are read as if given by themselves
//   .jsonl[.gz|.xz|.zst]      one document per line: {"text": "...", "image": "a.png"}, or {"key": "...", "segments": [...]}
//                             with {"modality": "music", "codes": [3, 1, ...]} or {"modality": "music", "file": "a.npy"};
//                             null counts as absent; media paths are relative to the file; without "key" it is FILE:LINE
//   .txt                      one document, or one per paragraph; above 1 MiB several, cut at paragraphs
//   a-{000..012}.tar, {x,y}   each of them
//
// Files whose names differ only in numbers (or come from one such pattern) are one source; when they are tars, or a
// folder holds tars, documents are called TAR/KEY, since keys are unique within a tar only.
//
// A sample is KEY.txt with images and / or sounds (one of each: the order is left to the loader; KEY.left.png and
// KEY.right.png in a tar: the text, then these in their order), or KEY.json with ordered segments. KEY.MODALITY.npy is an
// encoded segment: codes or latents from outside (codecs/external_codec.h). Segments of a .json:
//   {"segments": [{"text": "a fox", "keywords": ["red"]}, {"image": "fox.0.png"}, {"speech": "fox.wav"}]}
// where image and speech name files beside it. The caption may also be KEY.caption, or "caption" or "text" of KEY.json.
// Text alone is a document when nothing in the same folder or tar has media, an array alone when nothing there has text.
// Extensions are read in any case.
// What else there is, is left out and accounted for (import_account.h): import ends with a line that says how much and
// why, and OUT/left_out.jsonl lists all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/data/import_account.h"

namespace mom::data {

struct ImportOptions {
  std::vector<Path> sources;
  Path out;
  std::string source_name;           // empty: the stem of each file or folder
  std::string split;                 // empty: by the hash of the key, as in split.h
  std::optional<double> validation;  // the share of keys, by hash, that go to validation; all others to train
  bool paragraphs = false;           // a .txt is one document per paragraph (blank lines between them)
  bool skip_bad = false;             // leave out bad samples instead of stopping at the first
  bool strict = false;               // stop at anything that would be left out
  bool replace = false;
};

struct ImportSummary {
  uint64_t num_documents = 0, num_skipped = 0;  // skipped: left out as faults
  ImportAccount left_out;
};

// InputError names file, sample and place; then nothing is left behind. Images and sound are checked by decoding.
ImportSummary import_documents(const ImportOptions& options);

}  // namespace mom::data
