// A document on its way in: checked, its media still in memory.
#pragma once

#include <functional>
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
  double seconds = 0;  // of speech
};

struct Draft {
  std::string key;
  bool free_order = false;
  std::vector<DraftSegment> segments;
};

// Each throws InputError beginning with `where`.
DraftSegment text_segment(std::string text, std::string_view where);  // valid UTF-8, not empty; trimmed
DraftSegment media_segment(const std::string& modality, std::string name, std::string bytes,
                           std::string_view where);

// A file that a document names, with the place to tell in errors.
struct Found {
  std::string bytes, place;
};
// `where` names the segment; throws InputError when there is no such file.
using FindMedia = std::function<Found(const std::string& name, const std::string& where)>;

// {"segments": [...]} or {"text": ..., "image": ..., "speech": ...}, both with optional "key" and "free_order".
Draft parse_draft(const Json& json, const std::string& default_key, const std::string& where,
                  const FindMedia& find);

}  // namespace mom::data
