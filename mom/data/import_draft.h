// A document on its way in: checked, its media still in memory.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"
#include "mom/data/document.h"

namespace mom::data {

struct DraftSegment {
  std::string modality;
  std::string text;
  std::vector<std::string> keywords;
  std::string media_name, media_bytes;
  double seconds = 0;    // of speech
  bool encoded = false;  // an .npy file
};

struct Draft {
  std::string key;
  bool free_order = false;
  std::vector<DraftSegment> segments;
};

// Each throws InputError beginning with `where`.
void check_utf8(std::string_view text, std::string_view where);
DraftSegment text_segment(std::string text, std::string_view where);  // valid UTF-8, not empty; trimmed
DraftSegment media_segment(const std::string& modality, std::string name, std::string bytes,
                           std::string_view where);

// An encoded segment: the bytes of an .npy file. Its codes or latents are checked where they meet their codec.
DraftSegment encoded_segment(const std::string& modality, std::string name, std::string bytes,
                             std::string_view where);

// A file that a document names, with the place to tell in errors.
struct Found {
  std::string bytes, place;
};
// Nothing when there is no such file.
using FindMedia = std::function<std::optional<Found>(const std::string& name)>;

// True for a key that is there and not null.
bool has_value(const Json& object, const char* key);
// The files that "image", "speech" and "file" name, of the document itself or of its segments; nothing of what is no
// document.
std::set<std::string> media_named_by(const Json& json);

// {"segments": [...]} or {"text": ..., "image": ..., "speech": ...}, both with optional "key" and "free_order". An encoded
// segment is {"modality": ..., "codes": [...]} (a list, or lists of one length) or {"modality": ..., "file": "x.npy"}. Keys that
// are null count as absent, others are passed over unless they name a media file that `find` finds.
Draft parse_draft(const Json& json, const std::string& default_key, const std::string& where,
                  const FindMedia& find);

}  // namespace mom::data
