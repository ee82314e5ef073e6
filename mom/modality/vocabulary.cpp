#include "mom/modality/vocabulary.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"

namespace mom::modality {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 30, kMaxSide = 1 << 16;

std::string key_of(std::string_view where, const char* key) {
  return std::string(where) + ": \"" + key + "\"";
}

int64_t number(const Json& value, int64_t low, int64_t high, const std::string& where, const char* expected) {
  if (!value.is_number_integer() || value.get<int64_t>() < low || value.get<int64_t>() > high)
    throw InputError({where, expected, value.is_null() ? "none" : value.dump().substr(0, 80), ""});
  return value.get<int64_t>();
}

// Names are folders' and parameters' names.
void check_name(const std::string& name, std::string_view where) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  if (!good)
    throw InputError(
        {key_of(where, "modalities"), "names of letters, digits, \"_\" and \"-\"", "\"" + name + "\"", ""});
}

std::vector<int64_t> read_shape(const Json& value, const std::string& where) {
  if (!value.is_array() || value.size() != 3)
    throw InputError({where, "\"latent_shape\": [C, H, W]", value.is_null() ? "none" : value.dump(), ""});
  std::vector<int64_t> shape;
  for (const Json& size : value)
    shape.push_back(number(size, 1, kMaxSide, where, "\"latent_shape\" of three numbers"));
  return shape;
}

std::string sides_of(const Modality& latents) {
  return "a divisor of the latents' " + std::to_string(latents.latent_shape[1]) + " x " +
         std::to_string(latents.latent_shape[2]);
}

bool has_whole_patches(const Modality& latents) {
  return latents.latent_shape[1] % latents.patch_size == 0 &&
         latents.latent_shape[2] % latents.patch_size == 0;
}

Modality read_modality(const std::string& name, const Json& json, const std::string& where) {
  if (!json.is_object())
    throw InputError({where, "a description of \"" + name + "\"", json.is_null() ? "none" : json.dump(), ""});
  const auto value = [&](const char* key) { return json.value(key, Json()); };
  const auto representation = value("representation").is_string()
                                  ? parse_representation(value("representation").get<std::string>())
                                  : std::nullopt;
  if (!representation)
    throw InputError({where + ", " + name, "\"representation\": \"tokens\", \"codes\" or \"latents\"",
                      value("representation").dump().substr(0, 80), ""});
  if (*representation == Representation::kTokens) return Modality::tokens(name);
  const std::string place = where + ", " + name;
  const auto token = [&](const char* key) {
    return static_cast<int32_t>(number(value(key), 0, kMaxTokens, place + ", " + key, "a token"));
  };
  const Brackets brackets{token("begin_token"), token("end_token")};
  if (*representation == Representation::kCodes) {
    const Json length = value("codes_per_item");
    return Modality::codes(name, brackets,
                           length.is_null() ? kUnknownLength
                                            : number(length, 0, kMaxTokens, place + ", codes_per_item",
                                                     "a number of codes, 0 for any"));
  }
  Modality latents = Modality::latents(name, brackets, read_shape(value("latent_shape"), place),
                                       number(json.value("patch_size", Json(kDefaultPatchSize)), 1, kMaxSide,
                                              place + ", patch_size", "1 or more"));
  if (!has_whole_patches(latents))
    throw InputError({place + ", patch_size", sides_of(latents), std::to_string(latents.patch_size), ""});
  return latents;
}

// The tokens around items are text's ids, each of one modality.
void check_brackets(const Vocabulary& vocabulary, const std::string& where) {
  std::set<int32_t> taken;
  for (const Modality& modality : vocabulary.modalities()) {
    if (!modality.brackets) continue;
    for (const int32_t token : {modality.brackets->open, modality.brackets->close})
      if ((vocabulary.text() && !vocabulary.text()->contains(token)) || !taken.insert(token).second)
        throw InputError({where + ", " + modality.name,
                          "begin_token and end_token of its own among the ids of text", std::to_string(token),
                          ""});
  }
}

}  // namespace

void Vocabulary::add(Modality modality, int64_t num_ids) {
  modality.begin = size();
  modality.end = size() + num_ids;
  modalities_.push_back(std::move(modality));
}

std::vector<std::string> Vocabulary::names() const {
  std::vector<std::string> names;
  for (const Modality& modality : modalities_) names.push_back(modality.name);
  return names;
}

namespace {

template <class Is>
const Modality* first(const std::vector<Modality>& modalities, const Is& is) {
  const auto found = std::find_if(modalities.begin(), modalities.end(), is);
  return found == modalities.end() ? nullptr : &*found;
}

}  // namespace

const Modality* Vocabulary::find(std::string_view name) const {
  return first(modalities_, [&](const Modality& one) { return one.name == name; });
}

const Modality* Vocabulary::text() const {
  return first(modalities_, [](const Modality& one) { return one.is_text(); });
}

const Modality* Vocabulary::latents() const {
  return first(modalities_, [](const Modality& one) { return one.is_continuous(); });
}

std::vector<const Modality*> Vocabulary::continuous() const {
  std::vector<const Modality*> found;
  for (const Modality& modality : modalities_)
    if (modality.is_continuous()) found.push_back(&modality);
  return found;
}

int64_t Vocabulary::latents_number(const Modality& modality) const {
  return std::count_if(modalities_.begin(), modalities_.begin() + index_of(find(modality.name)),
                       [](const Modality& one) { return one.is_continuous(); });
}

bool Vocabulary::has_latents(std::string_view name) const {
  return find(name) && find(name)->is_continuous();
}

const Modality* Vocabulary::opened_by(int64_t token) const {
  return first(modalities_, [&](const Modality& one) { return one.brackets && one.brackets->open == token; });
}

const Modality* Vocabulary::closed_by(int64_t token) const {
  return first(modalities_,
               [&](const Modality& one) { return one.brackets && one.brackets->close == token; });
}

Vocabulary::Ids Vocabulary::pieces() const {
  if (!text()) return {};
  Ids ids{special::kCount, text()->end};
  for (const Modality& modality : modalities_)
    if (modality.brackets)
      for (const int32_t token : {modality.brackets->open, modality.brackets->close})
        if (token >= special::kCount) ids.end = std::min<int64_t>(ids.end, token);
  return ids;
}

int64_t Vocabulary::index_of(const Modality* modality) const {
  return modality ? modality - modalities_.data() : -1;
}

int64_t Vocabulary::modality_of(int64_t token) const {
  return index_of(first(modalities_, [&](const Modality& one) { return one.contains(token); }));
}

Vocabulary Vocabulary::with(const Modality& modality, const Modality& changed) const {
  Vocabulary vocabulary = *this;
  vocabulary.modalities_[static_cast<size_t>(index_of(find(modality.name)))] = changed;
  return vocabulary;
}

Vocabulary Vocabulary::with_patch_size(const PatchSizes& sizes) const {
  Vocabulary vocabulary = *this;
  for (const auto& [name, size] : sizes.by_name)
    if (!has_latents(name))
      throw UserError({"model.patch_sizes." + name, "a modality of latents", "none of this name", ""});
  for (const Modality* latents : continuous()) {
    Modality changed = *latents;
    const auto own = sizes.by_name.find(latents->name);
    changed.patch_size = own == sizes.by_name.end() ? sizes.all : own->second;
    if (!has_whole_patches(changed))
      throw UserError({own == sizes.by_name.end() ? "model.patch_size" : "model.patch_sizes." + latents->name,
                       sides_of(changed) + " of " + latents->name, std::to_string(changed.patch_size),
                       continuous().size() > 1 ? "set model.patch_sizes." + latents->name : ""});
    vocabulary = vocabulary.with(*latents, changed);
  }
  return vocabulary;
}

Vocabulary Vocabulary::with_codes_per_item(const Modality& modality, int64_t codes_per_item) const {
  Modality changed = modality;
  changed.codes_per_item = codes_per_item;
  return with(modality, changed);
}

Vocabulary Vocabulary::with_loss_weight(const Modality& modality, double weight) const {
  Modality changed = modality;
  changed.loss_weight = weight;
  return with(modality, changed);
}

OrderedJson Vocabulary::to_json() const {
  OrderedJson json = OrderedJson::object();
  for (const Modality& modality : modalities_) json[modality.name] = {modality.begin, modality.end};
  return json;
}

OrderedJson Vocabulary::table_json() const {
  OrderedJson table = OrderedJson::object();
  for (const Modality& modality : modalities_) {
    OrderedJson& json = table[modality.name];
    json["representation"] = to_string(modality.representation);
    if (modality.brackets) {
      json["begin_token"] = modality.brackets->open;
      json["end_token"] = modality.brackets->close;
    }
    if (modality.representation == Representation::kCodes && modality.codes_per_item != kUnknownLength)
      json["codes_per_item"] = modality.codes_per_item;
    if (modality.is_continuous()) {
      json["latent_shape"] = modality.latent_shape;
      json["patch_size"] = modality.patch_size;
    }
  }
  return table;
}

Vocabulary Vocabulary::from_json(const Json& ranges, const Json& table, const std::vector<std::string>& names,
                                 std::string_view where) {
  const std::string place = key_of(where, "vocabulary"), table_place = key_of(where, "modality_table");
  if (!ranges.is_object() || ranges.size() != names.size())
    throw InputError(
        {place, "an object with a range for each of the " + std::to_string(names.size()) + " modalities",
         ranges.dump().substr(0, 80), ""});
  if (!table.is_object())
    throw InputError({table_place, "an object", table.is_null() ? "none" : table.dump().substr(0, 80), ""});
  Vocabulary vocabulary;
  for (const std::string& name : names) {
    check_name(name, where);
    const Json range = ranges.value(name, Json());
    if (!range.is_array() || range.size() != 2)
      throw InputError(
          {place, "\"" + name + "\": [begin, end]", range.is_null() ? "none" : range.dump(), ""});
    const int64_t begin = number(range[0], 0, kMaxTokens, place, "two token ids"),
                  end = number(range[1], 0, kMaxTokens, place, "two token ids");
    if (begin != vocabulary.size() || end < begin || vocabulary.find(name))
      throw InputError(
          {place, "\"" + name + "\" from " + std::to_string(vocabulary.size()) + " on", range.dump(), ""});
    const Modality modality = read_modality(name, table.value(name, Json()), table_place);
    if (modality.is_continuous() != (begin == end))
      throw InputError({place, "\"" + name + "\" with " + (modality.is_continuous() ? "no ids" : "ids"),
                        range.dump(), ""});
    if (modality.is_text() && vocabulary.text())
      throw InputError({table_place, "one modality of " + to_string(modality.representation) + " at most",
                        "\"" + name + "\" beside another", ""});
    vocabulary.add(modality, end - begin);
  }
  check_brackets(vocabulary, table_place);
  return vocabulary;
}

Json older_modality_table(const Json& ranges, const std::vector<std::string>& names,
                          const OlderImages& images, std::string_view where) {
  Json table = Json::object();
  for (const std::string& name : names) {
    Json& json = table[name];
    if (name == "text") {
      json = {{"representation", "tokens"}};
    } else if (name == "image") {
      const Json range = ranges.is_object() ? ranges.value(name, Json()) : Json();
      json = {{"begin_token", special::kBoi}, {"end_token", special::kEoi}};
      const bool latents = range.is_array() && range.size() == 2 && range[0] == range[1];
      json["representation"] = latents ? "latents" : "codes";
      if (latents) json["latent_shape"] = images.latent_shape;
      if (latents && !images.patch_size.is_null()) json["patch_size"] = images.patch_size;
      if (!latents && !images.codes_per_image.is_null()) json["codes_per_item"] = images.codes_per_image;
    } else if (name == "speech") {
      json = {{"representation", "codes"},
              {"begin_token", special::kBosSpeech},
              {"end_token", special::kEosSpeech},
              {"codes_per_item", 0}};
    } else {
      throw InputError({key_of(where, "modalities"), "text, image and speech", "\"" + name + "\"", ""});
    }
  }
  return table;
}

}  // namespace mom::modality
