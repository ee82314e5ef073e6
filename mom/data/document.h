// Documents: what import makes and encode reads. A documents folder holds
//
//   dataset.json                {"format": "mom-documents", "version": 2, "skipped": n, "collections": [
//                                  {"source": "noto", "split": "train", "file": "train-noto.jsonl", "documents": n,
//                                   "sha256": "...", "segments": {"text": n, "image": n}}, ...],
//                                 "hash": of the manifest itself (base/manifest.h)}
//   SPLIT-SOURCE.jsonl          one document per line:
//       {"key": "...", "free_order": true, "segments": [{"text": "red apple", "keywords": ["fruit", "red"]},
//          {"image": {"file": "media-00000.tar", "offset": 512, "bytes": 1234, "sha256": "..."}},
//          {"speech": {"file": "media-00000.tar", "offset": 2560, "bytes": 40044, "seconds": 1.25}},
//          {"modality": "music", "file": "media-00000.tar", "offset": 43008, "bytes": 208}]}    encoded: an .npy file
//   left_out.jsonl              what the import left out, if anything: {"reason": "...", "place": "...", "message": "..."}
//   media-00000.tar ...         images, sound and arrays as they were imported, WebDataset style names (KEY.png)
//
// so that any tool with a JSON and a tar reader can use it. Format: docs/formats/documents.md
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/modality/modality.h"

namespace mom::data {

// What segments of text and media hold; the names are the keys of the format, and the modalities' names. Encoded
// segments (external_codec.h) name any other modality, or one of media.
inline constexpr const char *kText = modality::kTextName, *kImage = "image", *kSpeech = "speech";

// Bytes of a media file inside one of the folder's tars.
struct MediaRef {
  std::string file;
  uint64_t offset = 0;
  uint64_t num_bytes = 0;
  std::string sha256 = {};  // of the bytes; empty: the document does not say
};

struct Segment {
  std::string modality;               // kText, kImage, kSpeech or, of an encoded segment, another
  std::string text;                   // text only, UTF-8
  std::vector<std::string> keywords;  // text only: drawn and shuffled anew each time the document is used
  MediaRef media;                     // all but text
  double seconds = 0;                 // speech: its length, 0 when whoever wrote the document did not say
  bool encoded = false;               // the media are codes or latents: an .npy file (formats/npy.h)
};

struct Document {
  std::string key;          // unique in its collection
  bool free_order = false;  // the loader draws the order of the segments, see may_be_free
  std::vector<Segment> segments;
};

struct Collection {
  std::string source, split;  // split: "train", "validation", "test"
  std::string file;
  uint64_t num_documents = 0;
  std::map<std::string, uint64_t> num_segments;  // by modality
  double speech_seconds = 0;                     // of the segments that say their length
  std::string sha256 = {};                       // of the file; empty: dataset.json does not say
};

// Whether encoded segments may be of a modality of this name: letters, digits, "_" and "-", and not text.
bool may_be_encoded(std::string_view modality);

// A document of free order has at most one segment of each modality. Text with one picture: text first as
// often as the recipe says (data.caption_first); any others: every order is equally likely. `segments`:
// anything with a member `modality`.
template <class Segments>
bool may_be_free(const Segments& segments) {
  for (size_t i = 0; i < segments.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (segments[i].modality == segments[j].modality) return false;
  return true;
}

// InputError beginning with `where`: no segment, or an order that is free of such as have one.
template <class Segments>
void check_segments(const Segments& segments, bool free_order, const std::string& where) {
  if (segments.empty()) throw InputError({where, "at least one segment", "none", ""});
  if (!free_order || (segments.size() >= 2 && may_be_free(segments))) return;
  throw InputError(
      {where, "two segments or more, one a modality, as \"free_order\" says",
       std::to_string(segments.size()) + " segments" + (segments.size() < 2 ? "" : ", several of a modality"),
       ""});
}

class DocumentReader {
 public:
  explicit DocumentReader(const Path& folder);  // InputError when it is not a documents folder
  const Path& folder() const { return folder_; }
  const std::vector<Collection>& collections() const { return collections_; }
  uint64_t skipped() const { return skipped_; }
  // What the held-out documents of a source are, in words for tables and pages; sources without one are missing.
  const std::map<std::string, std::string>& titles() const { return titles_; }
  // In file order. Errors name file and line; of a file that is not what dataset.json states, no document is visited.
  void for_each(const Collection& collection, const std::function<void(const Document&)>& visit) const;
  std::string read_media(const MediaRef& media) const;  // checks bounds and content

 private:
  Path folder_;
  std::vector<Collection> collections_;
  uint64_t skipped_ = 0;
  std::map<std::string, std::string> titles_;
};

// Writes a documents folder whole or not at all.
class DocumentWriter {
 public:
  DocumentWriter(Path folder, bool replace);
  ~DocumentWriter();
  DocumentWriter(const DocumentWriter&) = delete;
  DocumentWriter& operator=(const DocumentWriter&) = delete;
  // Stores bytes under `name` ("KEY.png"); identical bytes are stored once.
  MediaRef add_media(std::string_view name, std::string_view bytes);
  void add(const std::string& source, const std::string& split, const Document& document);
  bool contains(const std::string& source, const std::string& split, const std::string& key) const;
  // A line of left_out.jsonl, which is made for the first of them.
  void add_left_out(const OrderedJson& item);
  void set_skipped(uint64_t count);
  // By source; those of sources without documents are left out.
  void set_titles(std::map<std::string, std::string> titles);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::data
