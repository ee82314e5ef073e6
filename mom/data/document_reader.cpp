// DocumentReader: checks everything it hands out, because a documents folder may come from anywhere.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/manifest.h"
#include "mom/base/utf8.h"
#include "mom/data/document.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxMediaBytes = uint64_t{1} << 30;
constexpr const char* kMakeAnew = "make the documents anew";
constexpr double kMaxSeconds = 1e9;  // a sum beyond it is nonsense, and would print as such

// A file of the folder itself: no path may lead out of it.
std::string checked_name(const Json& object, const char* key, const std::string& where) {
  std::string name = json_string(object, key, where);
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
    throw InputError(
        {where, "\"" + std::string(key) + "\" as a file name in the same folder", "'" + name + "'", ""});
  return name;
}

// 0 when it is not told.
double checked_seconds(const Json& object, const char* key, const std::string& where) {
  if (!object.contains(key)) return 0;
  const double seconds = object[key].is_number() ? object[key].get<double>() : -1;
  if (!(seconds >= 0 && seconds <= kMaxSeconds))
    throw InputError({where, "\"" + std::string(key) + "\" as a number not below 0",
                      object[key].dump().substr(0, 80), ""});
  return seconds;
}

std::string checked_text(const Json& value, const char* what, const std::string& where) {
  if (!value.is_string())
    throw InputError({where, std::string(what) + " as a string", value.type_name(), ""});
  return value.get<std::string>();
}

// Empty when it is not told.
std::string checked_sha256(const Json& object, const std::string& where) {
  return object.contains("sha256") ? json_string(object, "sha256", where) : "";
}

MediaRef parse_media(const Json& media, const std::string& where) {
  return {checked_name(media, "file", where), json_count(media, "offset", where),
          json_count(media, "bytes", where), checked_sha256(media, where)};
}

Segment parse_segment(const Json& json, const std::string& where) {
  Segment segment;
  if (!json.is_object()) throw InputError({where, "a segment as an object", json.type_name(), ""});
  if (json.contains("modality")) {
    segment.modality = json_string(json, "modality", where);
    if (!may_be_encoded(segment.modality))
      throw InputError({where, "\"modality\" of letters, digits, \"_\" and \"-\", other than text",
                        "\"" + segment.modality + "\"", ""});
    segment.media = parse_media(json, where);
    segment.encoded = true;
    return segment;
  }
  if (json.contains(kText)) {
    segment.modality = kText;
    segment.text = checked_text(json[kText], "\"text\"", where);
    const Json keywords = json.value("keywords", Json::array());
    if (!keywords.is_array())
      throw InputError({where, "\"keywords\" as a list of strings", keywords.type_name(), ""});
    for (const Json& word : keywords) segment.keywords.push_back(checked_text(word, "a keyword", where));
    return segment;
  }
  for (const char* modality : {kImage, kSpeech}) {
    if (!json.contains(modality)) continue;
    const Json& media = json[modality];
    if (!media.is_object()) throw InputError({where, "media as an object", media.type_name(), ""});
    segment.modality = modality;
    segment.media = parse_media(media, where);
    segment.seconds = checked_seconds(media, "seconds", where);
    return segment;
  }
  throw InputError({where, "a segment with \"text\", \"image\", \"speech\" or \"modality\"",
                    json.dump().substr(0, 80), ""});
}

Document parse_document(std::string_view line, const std::string& where) {
  Json json = parse_json(line, where);
  if (!json.is_object()) throw InputError({where, "a document as an object", json.type_name(), ""});
  Document document;
  document.key = json_string(json, "key", where);
  if (json.contains("free_order")) {
    if (!json["free_order"].is_boolean())
      throw InputError({where, "\"free_order\" as true or false", json["free_order"].type_name(), ""});
    document.free_order = json["free_order"].get<bool>();
  }
  if (!json.contains("segments") || !json["segments"].is_array() || json["segments"].empty())
    throw InputError({where, "\"segments\" as a list of at least one", "none", ""});
  for (const Json& segment : json["segments"]) document.segments.push_back(parse_segment(segment, where));
  if (document.free_order && !may_be_free(document.segments))
    throw InputError({where, "one segment of a modality, as \"free_order\" says", "several", ""});
  return document;
}

Collection parse_collection(const Json& json, const std::string& where) {
  if (!json.is_object()) throw InputError({where, "a collection as an object", json.type_name(), ""});
  Collection collection;
  collection.source = json_string(json, "source", where);
  collection.split = json_string(json, "split", where);
  collection.file = checked_name(json, "file", where);
  collection.num_documents = json_count(json, "documents", where);
  if (!json.contains("segments") || !json["segments"].is_object())
    throw InputError({where, "\"segments\" as an object", "none", ""});
  for (const auto& [modality, ignored] : json["segments"].items())
    collection.num_segments[modality] = json_count(json["segments"], modality.c_str(), where);
  collection.speech_seconds = checked_seconds(json, "speech_seconds", where);
  collection.sha256 = checked_sha256(json, where);
  return collection;
}

std::string read_range(const Path& path, uint64_t offset, uint64_t num_bytes) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string bytes(num_bytes, '\0');
  size_t done = 0;
  while (fd >= 0 && done < num_bytes) {
    ssize_t got = ::pread(fd, bytes.data() + done, num_bytes - done, static_cast<off_t>(offset + done));
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  if (fd >= 0) ::close(fd);
  if (fd < 0 || done < num_bytes)
    throw InputError({path.string() + ": byte " + std::to_string(offset),
                      std::to_string(num_bytes) + " bytes of a media file",
                      fd < 0 ? "no such file" : std::to_string(done) + " bytes", kMakeAnew});
  return bytes;
}

}  // namespace

bool may_be_encoded(std::string_view modality) {
  return !modality.empty() && modality != kText &&
         std::all_of(modality.begin(), modality.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

DocumentReader::DocumentReader(const Path& folder) : folder_(folder) {
  Path manifest = folder / "dataset.json";
  std::string where = manifest.string();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(manifest, ignored))
    throw InputError({folder.string(), "a documents folder with dataset.json", "none",
                      "make one with 'mom data import' or 'mom data quickstart'"});
  Json json = read_json(manifest);
  check_hash(json, where, kMakeAnew);
  std::string format = json.is_object() ? json.value("format", Json()).dump() : "none";
  if (format != "\"mom-documents\"")
    throw InputError(
        {where, "\"format\": \"mom-documents\"", format, "give the folder that 'mom data import' made"});
  if (const int64_t version = json_int(json, "version", where); version < 1 || version > 2)
    throw InputError(
        {where, "\"version\": 1 or 2", json["version"].dump(), "make the documents anew with this version"});
  skipped_ = json_count(json, "skipped", where);
  if (json.contains("titles")) {
    if (!json["titles"].is_object())
      throw InputError({where, "\"titles\" as an object", json["titles"].type_name(), ""});
    for (const auto& [source, title] : json["titles"].items())
      titles_[source] = checked_text(title, "a title", where);
  }
  if (!json.contains("collections") || !json["collections"].is_array())
    throw InputError({where, "\"collections\" as a list", "none", ""});
  for (const Json& collection : json["collections"])
    collections_.push_back(parse_collection(collection, where));
}

void DocumentReader::for_each(const Collection& collection,
                              const std::function<void(const Document&)>& visit) const {
  Path file = folder_ / collection.file;
  const bool damaged = !collection.sha256.empty() && sha256_hex_of_file(file) != collection.sha256;
  uint64_t num_documents = 0;
  for_each_line(
      file, [&](std::string_view line, uint64_t number) {  // where it is damaged, for the line that is
        const Document document = parse_document(line, file.string() + ":" + std::to_string(number));
        if (!damaged) visit(document);
        ++num_documents;
      });
  if (num_documents != collection.num_documents)
    throw InputError({file.string(), std::to_string(collection.num_documents) + " documents",
                      std::to_string(num_documents), kMakeAnew});
  if (damaged)
    throw InputError({file.string(), "the content that dataset.json states", "other bytes (checksum differs)",
                      std::string(kMakeAnew) +
                          "; where the change is meant, take \"sha256\" and \"hash\" out of dataset.json"});
}

std::string DocumentReader::read_media(const MediaRef& media) const {
  Path file = folder_ / media.file;
  std::error_code error;
  uint64_t file_bytes = std::filesystem::file_size(file, error);
  if (error) file_bytes = 0;
  bool inside =
      media.num_bytes <= std::min(file_bytes, kMaxMediaBytes) && media.offset <= file_bytes - media.num_bytes;
  if (!inside)
    throw InputError({file.string() + ": byte " + std::to_string(media.offset),
                      std::to_string(media.num_bytes) + " bytes of a media file",
                      error ? "no such file" : "a file of " + std::to_string(file_bytes) + " bytes",
                      kMakeAnew});
  std::string bytes = read_range(file, media.offset, media.num_bytes);
  if (!media.sha256.empty() && sha256_hex(bytes) != media.sha256)
    throw InputError({file.string() + ": byte " + std::to_string(media.offset),
                      "the content that its document states", "other bytes (checksum differs)", kMakeAnew});
  return bytes;
}

}  // namespace mom::data
