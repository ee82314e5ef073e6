#include "mom/data/import_draft.h"

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/data/import_names.h"
#include "mom/formats/image_file.h"
#include "mom/formats/npy.h"
#include "mom/formats/sound_file.h"

namespace mom::data {
namespace {

constexpr const char* kFile = "file";  // of an encoded segment

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n", kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

DraftSegment parse_text(const Json& json, const std::string& where) {
  DraftSegment segment = text_segment(json_string(json, kText, where), where);
  if (!has_value(json, "keywords")) return segment;
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
  std::optional<Found> found = find(name);
  if (!found)
    throw InputError({where, "a file '" + name + "' beside it", "none", "add it, or correct the name"});
  return media_segment(modality, std::move(name), std::move(found->bytes), found->place);
}

// Numbers in lists of one length, as deep as the shape is long.
void append_codes(const Json& json, size_t depth, const std::string& where, formats::Npy& array) {
  auto& values = std::get<0>(array.values);
  if (depth == array.shape.size()) {
    if (!json.is_number_integer())
      throw InputError({where, "\"codes\" of integers", json.dump().substr(0, 80), ""});
    return values.push_back(json.get<int64_t>());
  }
  if (!json.is_array() || std::ssize(json) != array.shape[depth])
    throw InputError({where, "\"codes\" in lists of one length", json.dump().substr(0, 80), ""});
  for (const Json& one : json) append_codes(one, depth + 1, where, array);
}

formats::Npy parse_codes(const Json& codes, const std::string& where) {
  constexpr size_t kMaxRank = 3;
  formats::Npy array;
  for (const Json* list = &codes; list->is_array(); list = &list->front()) {
    array.shape.push_back(std::ssize(*list));
    if (list->empty() || array.shape.size() > kMaxRank)
      throw InputError(
          {where, "\"codes\" as a list of integers, or of lists", list->dump().substr(0, 80), ""});
  }
  if (array.shape.empty()) throw InputError({where, "\"codes\" as a list", codes.dump().substr(0, 80), ""});
  append_codes(codes, 0, where, array);
  return array;
}

// {"modality": "music", "codes": [...]} or {"modality": "music", "file": "x.npy"}
DraftSegment parse_encoded(const Json& json, const std::string& where, const FindMedia& find) {
  const std::string modality = json_string(json, "modality", where);
  for (const auto& [key, value] : json.items())
    if (key != "modality" && key != "codes" && key != kFile)
      throw InputError(
          {where, "an encoded segment with \"modality\" and \"codes\" or \"file\"", "\"" + key + "\"", ""});
  if (has_value(json, "codes") == has_value(json, kFile))
    throw InputError({where, "\"codes\" or \"file\" beside \"modality\"",
                      has_value(json, "codes") ? "both" : "neither", ""});
  if (has_value(json, "codes"))
    return encoded_segment(modality, "codes." + modality + ".npy",
                           formats::write_npy(parse_codes(json["codes"], where)), where);
  const std::string name = json_string(json, kFile, where);
  std::optional<Found> found = find(name);
  if (!found)
    throw InputError({where, "a file '" + name + "' beside it", "none", "add it, or correct the name"});
  return encoded_segment(modality, name, std::move(found->bytes), found->place);
}

DraftSegment parse_segment(const Json& json, const std::string& where, const FindMedia& find) {
  if (has_value(json, "modality")) return parse_encoded(json, where, find);
  const char* kind = nullptr;
  for (const char* modality : {kText, kImage, kSpeech}) {
    if (!has_value(json, modality)) continue;
    if (kind != nullptr)
      throw InputError({where, "one of \"text\", \"image\", \"speech\"",
                        "both " + std::string(kind) + " and " + modality, "make them two segments"});
    kind = modality;
  }
  if (kind == nullptr)
    throw InputError({where, "an object with \"text\", \"image\", \"speech\" or \"modality\"",
                      json.dump().substr(0, 80), ""});
  return std::string_view(kind) == kText ? parse_text(json, where) : parse_media(json, kind, where, find);
}

// The first file that a value names, itself or inside of it; empty when there is none.
std::string named_file(const Json& value, const FindMedia& find) {
  if (value.is_structured()) {
    for (const Json& item : value)
      if (std::string name = named_file(item, find); !name.empty()) return name;
    return "";
  }
  if (!value.is_string()) return "";
  std::string name = value.get<std::string>();
  const FileKind kind = split_name(name, KeyRule::kLastDot).kind;
  const bool plain =
      kind != FileKind::kImageFile && kind != FileKind::kSoundFile && kind != FileKind::kUnreadMedia;
  return (plain && !lower_case(name).ends_with(".npy")) || !find(name) ? "" : name;
}

// {"text": "a fox", "file_name": "fox.png"} or "images": ["fox.png"]: a caption whose image would be lost.
void check_other_keys(const Json& json, const std::string& where, const FindMedia& find) {
  if (has_value(json, kImage) || has_value(json, kSpeech)) return;
  for (const auto& [key, value] : json.items()) {
    if (key == kText || key == "key") continue;
    const std::string name = named_file(value, find);
    if (name.empty()) continue;
    const std::string found = "\"" + key + "\": " + value.dump().substr(0, 80);
    if (lower_case(name).ends_with(".npy"))
      throw InputError({where, "arrays in \"segments\"", found,
                        "write {\"segments\": [{\"text\": ...}, {\"modality\": \"" + key +
                            "\", \"file\": \"" + name + "\"}]}"});
    const bool is_sound = split_name(name, KeyRule::kLastDot).kind == FileKind::kSoundFile;
    throw InputError({where, "media under \"image\" or \"speech\"", found,
                      value.is_string()
                          ? "rename the key"
                          : "write {\"segments\": [{\"text\": ...}, {\"" +
                                std::string(is_sound ? kSpeech : kImage) + "\": \"" + name + "\"}, ...]}"});
  }
}

// The short form: a caption with its image and its sound.
void parse_fields(const Json& json, const std::string& where, const FindMedia& find, Draft& draft) {
  check_other_keys(json, where, find);
  if (has_value(json, kText)) draft.segments.push_back(parse_text(json, where));
  for (const char* modality : {kImage, kSpeech})
    if (has_value(json, modality)) draft.segments.push_back(parse_media(json, modality, where, find));
  if (draft.segments.empty())
    throw InputError({where, "\"segments\" or \"text\"", "neither", "see 'mom data import --help'"});
  if (!has_value(json, kText))
    throw InputError({where, "\"text\" beside image or sound", "none", "use \"segments\" for media alone"});
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

bool has_value(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && !object[key].is_null();
}

std::set<std::string> media_named_by(const Json& json) {
  std::set<std::string> names;
  auto add = [&](const Json& object) {
    const auto add_name = [&](const char* key) {
      if (has_value(object, key) && object[key].is_string()) names.insert(object[key].get<std::string>());
    };
    if (has_value(object, "modality")) return add_name(kFile);
    add_name(kImage), add_name(kSpeech);
  };
  if (has_value(json, "segments")) {
    if (json["segments"].is_array())
      for (const Json& segment : json["segments"]) add(segment);
  } else {
    add(json);
  }
  return names;
}

void check_utf8(std::string_view text, std::string_view where) {
  if (auto fault = find_invalid_utf8(text))
    throw InputError({std::string(where) + ": byte " + std::to_string(*fault), "UTF-8 text",
                      "another encoding", "convert the text to UTF-8"});
}

DraftSegment text_segment(std::string text, std::string_view where) {
  check_utf8(text, where);
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

DraftSegment encoded_segment(const std::string& modality, std::string name, std::string bytes,
                             std::string_view where) {
  if (!may_be_encoded(modality))
    throw InputError({std::string(where), "a modality of letters, digits, \"_\" and \"-\", other than text",
                      "\"" + modality + "\"", ""});
  formats::read_npy(std::as_bytes(std::span(bytes)), where);
  return {.modality = modality,
          .text = {},
          .keywords = {},
          .media_name = std::move(name),
          .media_bytes = std::move(bytes),
          .encoded = true};
}

Draft parse_draft(const Json& json, const std::string& default_key, const std::string& where,
                  const FindMedia& find) {
  if (!json.is_object()) throw InputError({where, "an object", json.type_name(), ""});
  Draft draft{.key = default_key, .segments = {}};
  if (has_value(json, "key")) draft.key = json_string(json, "key", where);
  if (draft.key.empty()) throw InputError({where, "\"key\" with at least one character", "an empty one", ""});
  if (has_value(json, "segments")) {
    parse_segments(json, where, find, draft);
  } else {
    parse_fields(json, where, find, draft);
  }
  if (has_value(json, "free_order")) {
    const Json& said = json["free_order"];
    if (!said.is_boolean())
      throw InputError({where, "\"free_order\" as true or false", said.dump().substr(0, 80), ""});
    const bool is_true = said.get<bool>();
    if (is_true && !may_be_free(draft.segments))
      throw InputError({where, "\"free_order\" with one segment of a modality only", "several", ""});
    draft.free_order = is_true;
  }
  return draft;
}

}  // namespace mom::data
