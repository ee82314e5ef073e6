#include "mom/codecs/codec.h"

#include <algorithm>
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

std::string content_hash(const Path& folder, const Json& info_without_hash) {
  std::string listing;
  for (const Path& file : files_below(folder)) {
    if (file == kInfoFile) continue;
    listing += sha256_hex_of_file(folder / file) + "  " + file.generic_string() + "\n";
  }
  return sha256_hex(listing + info_without_hash.dump());
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
  const std::string found = content_hash(folder, info);
  if (found != result.hash) {
    throw InputError({where, "content with the hash " + result.hash, found,
                      "the folder was changed or damaged: train or copy it again"});
  }
  return result;
}

void write_codec_info(const Path& folder, const std::string& kind, const std::string& modality,
                      const Json& config, const Json& report) {
  Json info = {{"format", "mom-codec"}, {"version", 1},     {"kind", kind},
               {"modality", modality},  {"config", config}, {"report", report}};
  OrderedJson ordered;
  for (const char* key : {"format", "version", "kind", "modality"}) ordered[key] = OrderedJson(info[key]);
  ordered["hash"] = content_hash(folder, info);
  for (const char* key : {"config", "report"}) ordered[key] = OrderedJson(info[key]);
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
