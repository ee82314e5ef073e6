#include "mom/runs/generation_quality.h"

#include <cstdio>

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

Json read_object(const Path& file) {
  Json json = read_json(file);
  if (!json.is_object()) throw InputError({file.string(), "an object", json.type_name(), ""});
  return json;
}

Accuracy accuracy_of(const Json& in, const char* key, const std::string& where) {
  const Json& value = object(in, key, where);
  const Json interval = value.value("interval", Json());
  if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() || !interval[1].is_number())
    throw InputError({where, "\"interval\" as two numbers", interval.dump(), ""});
  return {json_number(value, "accuracy", where), interval[0].get<double>(), interval[1].get<double>(),
          json_int(value, "of", where)};
}

const Json& array(const Json& in, const char* key, const std::string& where) {
  if (!in.contains(key) || !in.at(key).is_array())
    throw InputError({where, "\"" + std::string(key) + "\" as an array", "none", ""});
  return in.at(key);
}

Distance distance_of(const Json& in, const char* key, const std::string& where) {
  const Json& value = object(in, key, where);
  return {json_number(value, "mean", where), json_number(value, "standard_error", where)};
}

// What files of all times have.
GeneratedImages common_of(const Json& json, const std::string& bucket, const Path& folder,
                          const std::string& where) {
  GeneratedImages images;
  images.bucket = bucket;
  const Json& retrieval = object(json, "retrieval", where);
  images.count = json_int(json, "generated", where);
  images.among = json_int(retrieval, "among", where);
  images.retrieved = accuracy_of(retrieval, "generated", where);
  images.retrieved_from_real = accuracy_of(retrieval, "real", where);
  if (json.contains("seams")) images.seam_ratio = json_number(object(json, "seams", where), "ratio", where);
  for (const Json& item : array(json, "items", where))
    images.items.push_back({json_string(item, "caption", where), json_string(item, "nearest_caption", where),
                            file_inside(folder, json_string(item, "generated", where), where),
                            file_inside(folder, json_string(item, "original", where), where),
                            file_inside(folder, json_string(item, "nearest", where), where)});
  return images;
}

GeneratedImages bucket_of(const Json& json, const std::string& name, const Path& folder,
                          const std::string& where) {
  GeneratedImages images = common_of(json, name, folder, where);
  const Json &kid = object(json, "kid", where), &copies = object(json, "copies", where),
             accepted = object(json, "retrieval", where).value("accepted", Json());
  if (!accepted.is_boolean()) throw InputError({where, "\"accepted\" as true or false", accepted.dump(), ""});
  images.accepted = accepted.get<bool>();
  images.kid = distance_of(kid, "generated", where);
  images.kid_of_training_images = distance_of(kid, "real", where);
  images.copies = accuracy_of(copies, "generated", where);
  if (copies.contains("real")) images.copies_in_real = accuracy_of(copies, "real", where);
  return images;
}

// Before there were buckets: only concepts that training does not show.
GeneratedImages images_from_before(const Json& json, const Path& folder, const std::string& where) {
  GeneratedImages images = common_of(json, "unseen", folder, where);
  const Json& frechet = object(json, "frechet", where);
  images.frechet = json_number(frechet, "distance", where);
  images.frechet_of_training_images = json_number(frechet, "distance_of_training_pictures", where);
  images.nearest_ratio = json_number(object(json, "nearest", where), "ratio", where);
  return images;
}

GeneratedGrid grid_of(const Json& json, const Path& folder, const std::string& where) {
  GeneratedGrid grid{file_inside(folder, json_string(json, "file", where), where),
                     json_int(json, "seeds", where),
                     json_int(json, "side", where),
                     json_int(json, "gap", where),
                     {},
                     {}};
  if (json.contains("guidance")) {
    char text[32];
    std::snprintf(text, sizeof text, "guidance %g", json_number(json, "guidance", where));
    grid.drawn = text;
  }
  if (json.contains("steps"))
    grid.drawn += ", " + std::to_string(json_int(json, "steps", where)) + " steps of " +
                  json_string(json, "sampler", where);
  for (const Json& row : array(json, "rows", where))
    grid.rows.push_back({json_string(row, "caption", where), json_string(row, "bucket", where)});
  return grid;
}

CaptionUse use_of(const Json& json, const std::string& bucket, const std::string& where) {
  CaptionUse use{bucket, json_number(json, "use", where), json_number(json, "standard_error", where), {}};
  if (!json.contains("levels")) return use;
  for (const Json& level : array(json, "levels", where))
    use.levels.push_back({json_int(level, "from", where), json_int(level, "to", where),
                          json_number(level, "use", where), json_number(level, "standard_error", where)});
  return use;
}

void add_images(GenerationQuality& quality, const Json& pictures, const Path& folder,
                const std::string& where) {
  if (!pictures.contains("buckets")) {
    quality.images.push_back(images_from_before(pictures, folder, where));
    return;
  }
  const Json& buckets = object(pictures, "buckets", where);
  for (const char* name : kBuckets)
    if (buckets.contains(name))
      quality.images.push_back(bucket_of(object(buckets, name, where), name, folder, where));
  quality.grid = grid_of(object(pictures, "grid", where), folder, where);
}

// What `mom eval --grid` left.
std::optional<GenerationQuality> read_grid(const Path& folder) {
  const Path file = folder / "grid.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const Json json = read_object(file);
  const std::string where = file.string();
  GenerationQuality quality;
  quality.step = json_int(json, "step", where);
  quality.grid = grid_of(object(json, "grid", where), folder, where);
  return quality;
}

}  // namespace

std::optional<GenerationQuality> read_generation_quality(const Path& run) {
  const Path folder = run / "generation", file = folder / "quality.json";
  if (!std::filesystem::exists(file)) return read_grid(run / "grid");
  const Json json = read_object(file);
  const std::string where = file.string();
  GenerationQuality quality;
  quality.step = json_int(json, "step", where);
  if (json.contains("pictures")) add_images(quality, object(json, "pictures", where), folder, where);
  if (json.contains("caption_use")) {
    const Json& uses = object(json, "caption_use", where);
    for (const char* name : kBuckets)
      if (uses.contains(name)) quality.caption_use.push_back(use_of(object(uses, name, where), name, where));
  }
  auto add_ranked = [&](const std::string& modality, const std::string& of, const Json& ranking) {
    quality.ranked.push_back({modality, of, json_int(ranking, "among", where),
                              accuracy_of(ranking, "by_information", where),
                              accuracy_of(ranking, "by_likelihood", where)});
  };
  if (json.contains("descriptions")) {
    const Json& descriptions = object(json, "descriptions", where);
    for (const char* name : kBuckets)
      if (descriptions.contains(name))
        add_ranked("image", std::string(name) + " captions", object(descriptions, name, where));
  }
  const std::string captions = "captions_of_";
  for (const auto& [key, ignored] : json.items()) {
    if (!key.starts_with(captions)) continue;
    for (const auto& [source, ranking] : object(json, key.c_str(), where).items())
      add_ranked(key.substr(captions.size()), source, ranking);
  }
  if (json.contains("text"))
    for (const auto& [source, text] : object(json, "text", where).items())
      quality.bits_per_byte[source] = json_number(text, "bits_per_byte", where);
  return quality;
}

}  // namespace mom::runs
