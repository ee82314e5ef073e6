#include "mom/codecs/codec.h"

#include <algorithm>
#include <map>
#include <type_traits>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/codecs/codec_config.h"
#include "mom/config/schema.h"

namespace mom::codecs {
namespace {

constexpr const char* kInfoFile = "codec.json";

std::vector<Path> files_below(const Path& folder) {
  std::vector<Path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(std::filesystem::relative(entry.path(), folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

using FileHashes = std::map<std::string, std::string>;  // by path

FileHashes hash_files(const Path& folder) {
  FileHashes hashes;
  for (const Path& file : files_below(folder))
    if (file != kInfoFile) hashes[file.generic_string()] = sha256_hex_of_file(folder / file);
  return hashes;
}

std::string content_hash(const FileHashes& files, const Json& info_without_hash) {
  std::string listing;
  std::map<Path, std::string> in_order(files.begin(), files.end());
  for (const auto& [file, hash] : in_order) listing += hash + "  " + file.generic_string() + "\n";
  return sha256_hex(listing + info_without_hash.dump());
}

// Where the hash does not fit: which file it is. codec.json itself is as it was where the hash fits the files that it lists.
[[noreturn]] void fail_damaged(const CodecInfo& info, const FileHashes& found,
                               const Json& info_without_hash) {
  const std::string advice = "the folder was changed or damaged: train or copy it again";
  const Json listed = info_without_hash.value("files", Json::object());
  FileHashes stated;
  for (const auto& [file, hash] : listed.items())
    if (hash.is_string()) stated[file] = hash.get<std::string>();
  if (content_hash(stated, info_without_hash) == info.hash) {
    for (const auto& [file, hash] : stated)
      if (const auto at = found.find(file); at == found.end() || at->second != hash)
        throw InputError({(info.folder / file).string(), "the content that codec.json states",
                          at == found.end() ? "no such file" : "other bytes (checksum differs)", advice});
    for (const auto& [file, hash] : found)
      if (!stated.contains(file))
        throw InputError({(info.folder / file).string(), "files that codec.json lists", "another", advice});
  }
  throw InputError({(info.folder / kInfoFile).string(), "content with the hash " + info.hash,
                    content_hash(found, info_without_hash), advice});
}

}  // namespace

CodecInfo read_codec_info(const Path& folder) {
  const Path path = folder / kInfoFile;
  if (!std::filesystem::exists(path)) {
    throw InputError({folder.string(), "a codec folder (with codec.json)", "none there",
                      "make one with 'mom codec train'"});
  }
  Json info = read_json(path);
  const std::string where = path.string();
  if (json_string(info, "format", where) != "mom-codec" || json_int(info, "version", where) != 1) {
    throw InputError({where, "format \"mom-codec\" version 1", info.value("format", Json()).dump(), ""});
  }
  for (const char* key : {"config", "report"}) {
    if (!info.contains(key) || !info[key].is_object())
      throw InputError({where, std::string("\"") + key + "\" as an object", "none", ""});
  }
  CodecInfo result{folder,
                   json_string(info, "kind", where),
                   json_string(info, "modality", where),
                   json_string(info, "hash", where),
                   info["config"],
                   info["report"]};
  info.erase("hash");
  const FileHashes found = hash_files(folder);
  if (content_hash(found, info) != result.hash) fail_damaged(result, found, info);
  return result;
}

void write_codec_info(const Path& folder, const std::string& kind, const std::string& modality,
                      const Json& config, const Json& report) {
  const FileHashes files = hash_files(folder);
  Json info = {{"format", "mom-codec"}, {"version", 1},     {"kind", kind},    {"modality", modality},
               {"files", files},        {"config", config}, {"report", report}};
  OrderedJson ordered;
  for (const char* key : {"format", "version", "kind", "modality"}) ordered[key] = OrderedJson(info[key]);
  ordered["hash"] = content_hash(files, info);
  for (const char* key : {"files", "config", "report"}) ordered[key] = OrderedJson(info[key]);
  publish_json(folder / kInfoFile, ordered);
}

Codec::Codec(CodecInfo info, const char* kind) : info_(std::move(info)) {
  if (info_.kind != kind)
    throw InputError({info_.folder.string(), std::string("a codec of kind \"") + kind + "\"",
                      "kind \"" + info_.kind + "\"", ""});
}

OrderedJson Codec::describe(int64_t) const { return OrderedJson::object(); }

Json schema_json(const config::Schema& schema) {
  Json values = Json::object();
  for (const config::Table& table : schema.tables()) {
    for (const config::Field& field : table.fields()) {
      values[field.name()] = field.value_json();
    }
  }
  return values;
}

void assign_schema(config::Schema& schema, const Json& values, std::string_view where) {
  try {
    for (const auto& [key, value] : values.items()) schema.find(key, where).assign(value, where);
  } catch (const UserError& error) {
    throw InputError(error.what());
  }
}

}  // namespace mom::codecs
