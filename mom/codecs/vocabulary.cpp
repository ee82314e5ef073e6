#include "mom/codecs/vocabulary.h"

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"

namespace mom::codecs {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 30;

int64_t bound(const Json& range, size_t i, const std::string& where) {
  if (!range[i].is_number_integer() || range[i].get<int64_t>() < 0 || range[i].get<int64_t>() > kMaxTokens)
    throw InputError({where, "two token ids", range.dump(), ""});
  return range[i].get<int64_t>();
}

}  // namespace

void Vocabulary::add(const std::string& modality, int64_t num_tokens) {
  ranges_.push_back({modality, size(), size() + num_tokens});
}

const TokenRange* Vocabulary::find(std::string_view modality) const {
  for (const TokenRange& range : ranges_) {
    if (range.modality == modality) return &range;
  }
  return nullptr;
}

int64_t Vocabulary::modality_of(int64_t token) const {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].contains(token)) return static_cast<int64_t>(i);
  }
  return -1;
}

std::vector<std::string> Vocabulary::modalities() const {
  std::vector<std::string> names;
  for (const TokenRange& range : ranges_) names.push_back(range.modality);
  return names;
}

OrderedJson Vocabulary::to_json() const {
  OrderedJson json = OrderedJson::object();
  for (const TokenRange& range : ranges_) json[range.modality] = {range.begin, range.end};
  return json;
}

Vocabulary Vocabulary::from_json(const Json& json, const std::vector<std::string>& modalities,
                                 std::string_view where) {
  const std::string place = std::string(where) + ": \"vocabulary\"";
  if (!json.is_object() || json.size() != modalities.size())
    throw InputError(
        {place, "an object with a range for each of the " + std::to_string(modalities.size()) + " modalities",
         json.dump().substr(0, 80), ""});
  Vocabulary vocabulary;
  for (const std::string& name : modalities) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_array() || found->size() != 2)
      throw InputError(
          {place, "\"" + name + "\": [begin, end]", found == json.end() ? "none" : found->dump(), ""});
    const int64_t begin = bound(*found, 0, place), end = bound(*found, 1, place);
    if (begin != vocabulary.size() || end < begin || vocabulary.find(name))
      throw InputError(
          {place, "\"" + name + "\" from " + std::to_string(vocabulary.size()) + " on", found->dump(), ""});
    vocabulary.add(name, end - begin);
  }
  return vocabulary;
}

std::optional<Brackets> brackets_of(std::string_view modality) {
  if (modality == "image") return Brackets{special::kBoi, special::kEoi};
  if (modality == "speech") return Brackets{special::kBosSpeech, special::kEosSpeech};
  return std::nullopt;
}

}  // namespace mom::codecs
