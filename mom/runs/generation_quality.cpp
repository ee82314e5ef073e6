#include "mom/runs/generation_quality.h"

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/runs/inside.h"

namespace mom::runs {
namespace {

const Json& object(const Json& in, const char* key, const std::string& where) {
  if (!in.contains(key) || !in.at(key).is_object())
    throw InputError(
        {where, "\"" + std::string(key) + "\" as an object", in.contains(key) ? "another type" : "none", ""});
  return in.at(key);
}

Accuracy accuracy_of(const Json& in, const char* key, const std::string& where) {
  const Json& value = object(in, key, where);
  const Json interval = value.value("interval", Json());
  if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() || !interval[1].is_number())
    throw InputError({where, "\"interval\" as two numbers", interval.dump(), ""});
  return {json_number(value, "accuracy", where), interval[0].get<double>(), interval[1].get<double>(),
          json_int(value, "of", where)};
}

GeneratedImages images_of(const Json& json, const Path& folder, const std::string& where) {
  GeneratedImages images;
  const Json &frechet = object(json, "frechet", where), &retrieval = object(json, "retrieval", where);
  images.count = json_int(json, "generated", where);
  images.frechet = json_number(frechet, "distance", where);
  images.frechet_of_training_images = json_number(frechet, "distance_of_training_pictures", where);
  images.among = json_int(retrieval, "among", where);
  images.retrieved = accuracy_of(retrieval, "generated", where);
  images.retrieved_from_real = accuracy_of(retrieval, "real", where);
  images.nearest_ratio = json_number(object(json, "nearest", where), "ratio", where);
  if (json.contains("seams")) images.seam_ratio = json_number(object(json, "seams", where), "ratio", where);
  if (!json.contains("items") || !json.at("items").is_array())
    throw InputError({where, "\"items\" as an array", "none", ""});
  for (const Json& item : json.at("items"))
    images.items.push_back({json_string(item, "caption", where), json_string(item, "nearest_caption", where),
                            file_inside(folder, json_string(item, "generated", where), where),
                            file_inside(folder, json_string(item, "original", where), where),
                            file_inside(folder, json_string(item, "nearest", where), where)});
  return images;
}

}  // namespace

std::optional<GenerationQuality> read_generation_quality(const Path& run) {
  const Path folder = run / "generation", file = folder / "quality.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const Json json = read_json(file);
  const std::string where = file.string();
  if (!json.is_object()) throw InputError({where, "an object", json.type_name(), ""});
  GenerationQuality quality;
  quality.step = json_int(json, "step", where);
  if (json.contains("pictures")) quality.images = images_of(object(json, "pictures", where), folder, where);
  const std::string captions = "captions_of_";
  for (const auto& [key, ignored] : json.items()) {
    if (!key.starts_with(captions)) continue;
    for (const auto& [source, ranking] : object(json, key.c_str(), where).items())
      quality.ranked.push_back({key.substr(captions.size()), source, json_int(ranking, "among", where),
                                accuracy_of(ranking, "by_information", where),
                                accuracy_of(ranking, "by_likelihood", where)});
  }
  if (json.contains("text"))
    for (const auto& [source, text] : object(json, "text", where).items())
      quality.bits_per_byte[source] = json_number(text, "bits_per_byte", where);
  return quality;
}

}  // namespace mom::runs
