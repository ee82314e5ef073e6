#include "mom/data/import_draft.h"

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"

namespace mom::data {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n", kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

DraftSegment parse_text(const Json& json, const std::string& where) {
  DraftSegment segment = text_segment(json_string(json, kText, where), where);
  if (!json.contains("keywords")) return segment;
  const Json& keywords = json["keywords"];
  bool strings = keywords.is_array();
  for (const Json& word : keywords) strings = strings && word.is_string();
  if (!strings)
    throw InputError({where, "\"keywords\" as a list of strings", keywords.dump().substr(0, 80), ""});
  segment.keywords = keywords.get<std::vector<std::string>>();
  return segment;
}

DraftSegment parse_media(const Json& json, const char* modality, const std::string& where,
                         const FindMedia& find) {
  std::string name = json_string(json, modality, where);
  Found found = find(name, where);
  return media_segment(modality, std::move(name), std::move(found.bytes), found.place);
}

DraftSegment parse_segment(const Json& json, const std::string& where, const FindMedia& find) {
  const char* kind = nullptr;
  for (const char* modality : {kText, kImage, kSpeech}) {
    if (!json.is_object() || !json.contains(modality)) continue;
    if (kind != nullptr)
      throw InputError({where, "one of \"text\", \"image\", \"speech\"",
                        "both " + std::string(kind) + " and " + modality, "make them two segments"});
    kind = modality;
  }
  if (kind == nullptr)
    throw InputError(
        {where, "an object with \"text\", \"image\" or \"speech\"", json.dump().substr(0, 80), ""});
  return std::string_view(kind) == kText ? parse_text(json, where) : parse_media(json, kind, where, find);
}

// The short form: a caption with its picture and its sound.
void parse_fields(const Json& json, const std::string& where, const FindMedia& find, Draft& draft) {
  if (json.contains(kText)) draft.segments.push_back(parse_text(json, where));
  for (const char* modality : {kImage, kSpeech})
    if (json.contains(modality)) draft.segments.push_back(parse_media(json, modality, where, find));
  if (draft.segments.empty())
    throw InputError({where, "\"segments\" or \"text\"", "neither", "see 'mom data import --help'"});
  if (!json.contains(kText))
    throw InputError({where, "\"text\" beside picture or sound", "none", "use \"segments\" for media alone"});
  draft.free_order = draft.segments.size() > 1;
}

void parse_segments(const Json& json, const std::string& where, const FindMedia& find, Draft& draft) {
  const Json& segments = json["segments"];
  if (!segments.is_array() || segments.empty())
    throw InputError({where, "\"segments\" as a list of at least one", segments.dump().substr(0, 80), ""});
  for (size_t i = 0; i < segments.size(); ++i)
    draft.segments.push_back(parse_segment(segments[i], where + ": segment " + std::to_string(i), find));
}

}  // namespace

DraftSegment text_segment(std::string text, std::string_view where) {
  if (auto fault = find_invalid_utf8(text))
    throw InputError({std::string(where) + ": byte " + std::to_string(*fault), "UTF-8 text",
                      "another encoding", "convert the text to UTF-8"});
  std::string_view trimmed = trim(text);
  if (trimmed.empty()) throw InputError({std::string(where), "text", "nothing but blanks", ""});
  return {
      .modality = kText, .text = std::string(trimmed), .keywords = {}, .media_name = {}, .media_bytes = {}};
}

DraftSegment media_segment(const std::string& modality, std::string name, std::string bytes,
                           std::string_view where) {
  auto data = std::as_bytes(std::span(bytes.data(), bytes.size()));
  double seconds = 0;
  if (modality == kImage) {
    formats::decode_image(data, where);
  } else {
    seconds = formats::read_sound_info(data, where).seconds();
  }
  return {.modality = modality,
          .text = {},
          .keywords = {},
          .media_name = std::move(name),
          .media_bytes = std::move(bytes),
          .seconds = seconds};
}

Draft parse_draft(const Json& json, const std::string& default_key, const std::string& where,
                  const FindMedia& find) {
  if (!json.is_object()) throw InputError({where, "an object", json.type_name(), ""});
  Draft draft{.key = default_key, .segments = {}};
  if (json.contains("key")) draft.key = json_string(json, "key", where);
  if (draft.key.empty()) throw InputError({where, "\"key\" with at least one character", "an empty one", ""});
  if (json.contains("segments")) {
    parse_segments(json, where, find, draft);
  } else {
    parse_fields(json, where, find, draft);
  }
  if (json.contains("free_order")) {
    bool is_true = json["free_order"] == Json(true);
    if (is_true && !may_be_free(draft.segments))
      throw InputError({where, "\"free_order\" with one segment of a modality only", "several", ""});
    draft.free_order = is_true;
  }
  return draft;
}

}  // namespace mom::data
