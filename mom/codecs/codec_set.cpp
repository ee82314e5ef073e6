#include "mom/codecs/codec_set.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/codecs/codec_kinds.h"

namespace mom::codecs {
namespace {

size_t place_of(const std::string& kind) {
  const auto& kinds = codec_kinds();
  return static_cast<size_t>(
      std::find_if(kinds.begin(), kinds.end(), [&](const CodecKind& one) { return one.name == kind; }) -
      kinds.begin());
}

}  // namespace

CodecSet::CodecSet(const std::vector<Path>& folders) {
  for (const Path& folder : folders) add(folder);
}

void CodecSet::add(const Path& folder) {
  std::unique_ptr<Codec> codec = open_codec(folder);
  const std::string modality = codec->info().modality;
  if (has(modality))
    throw UserError(
        {"--codecs " + folder.string(), "one codec per modality", "a second one for " + modality, ""});
  keep(modality, std::move(codec));
  order_.push_back(modality);
  std::stable_sort(order_.begin(), order_.end(), [&](const std::string& a, const std::string& b) {
    return place_of(of(a).info().kind) < place_of(of(b).info().kind);
  });
}

CodecSet::CodecSet(Path folder, std::map<std::string, std::string> hashes, std::string owner)
    : folder_(std::move(folder)), hashes_(std::move(hashes)), owner_(std::move(owner)) {}

const Codec& CodecSet::keep(const std::string& modality, std::unique_ptr<Codec> codec) const {
  return *(opened_[modality] = std::move(codec));
}

const Codec& CodecSet::of(const std::string& modality) const {
  if (const auto found = opened_.find(modality); found != opened_.end()) return *found->second;
  if (folder_.empty())
    throw InputError({owner_, "the " + modality + " codec of this model", "none",
                      "give a run folder, or --codecs DIR with " + modality + "/ in it"});
  std::unique_ptr<Codec> codec = open_codec(folder_ / modality);
  const auto hash = hashes_.find(modality);
  if (hash != hashes_.end() && hash->second != codec->info().hash)
    throw InputError(
        {codec->info().folder.string(),
         "the " + modality + " codec the model was trained with (" + hash->second.substr(0, 12) + ")",
         codec->info().hash.substr(0, 12) + " of kind " + codec->info().kind,
         "give the folder of that codec"});
  return keep(modality, std::move(codec));
}

modality::Vocabulary CodecSet::vocabulary() const {
  // Items of codecs from outside stand between two ids each behind the tokenizer's pieces.
  std::vector<std::string> without_brackets;
  for (const std::string& name : order_) {
    const modality::Modality modality = of(name).modality();
    if (!modality.is_text() && !modality.brackets) without_brackets.push_back(name);
  }
  modality::Vocabulary vocabulary;
  int32_t next = 0;  // of these ids
  for (const std::string& name : order_) {
    modality::Modality modality = of(name).modality();
    int64_t num_ids = of(name).num_ids();
    if (modality.is_text()) {
      next = static_cast<int32_t>(num_ids);
      num_ids += 2 * std::ssize(without_brackets);
    } else if (!modality.brackets) {
      if (next == 0)
        throw UserError({"--codecs",
                         "a text codec: the tokens around items of " + name + " are among its ids", "none",
                         "add one made by 'mom codec train'"});
      modality.brackets = {next, next + 1};
      next += 2;
    }
    vocabulary.add(std::move(modality), num_ids);
  }
  return vocabulary;
}

OrderedJson CodecSet::describe(int64_t variants) const {
  OrderedJson described = OrderedJson::object();
  for (const std::string& name : order_) {
    described[name] = {{"hash", of(name).info().hash}, {"kind", of(name).info().kind}};
    described[name].update(of(name).describe(variants));
  }
  return described;
}

void CodecSet::copy_to(const Path& folder) const {
  std::filesystem::create_directory(folder);
  for (const std::string& name : order_)
    if (of(name).info().folder != folder / name)  // of data without text it was made there
      copy_tree(of(name).info().folder, folder / name);
}

}  // namespace mom::codecs
