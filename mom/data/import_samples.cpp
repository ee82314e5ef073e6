// import_members: files that share a key are one sample.
#include <map>
#include <optional>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/data/import_run.h"
#include "mom/formats/media_kinds.h"

namespace mom::data {
namespace {

enum class Kind { kText, kImage, kSpeech, kJson, kOther };

Kind kind_of(const std::string& extension) {
  if (extension == "txt") return Kind::kText;
  if (extension == "json") return Kind::kJson;
  if (formats::is_image_extension(extension)) return Kind::kImage;
  if (formats::is_sound_extension(extension)) return Kind::kSpeech;
  return Kind::kOther;
}

struct Sample {
  std::string key;
  std::map<Kind, std::vector<std::string>> files;  // names by kind
  bool interleaved = false;                        // its .json has "segments"
};

std::vector<std::string> media_in(const Json& json) {
  std::vector<std::string> names;
  if (!json.is_object() || !json.contains("segments") || !json["segments"].is_array()) return names;
  for (const Json& segment : json["segments"])
    for (const char* modality : {kImage, kSpeech})
      if (segment.is_object() && segment.contains(modality) && segment[modality].is_string())
        names.push_back(segment[modality].get<std::string>());
  return names;
}

class SampleImport {
 public:
  SampleImport(ImportRun& run, const Members& members, const Path& path)
      : run_(run), members_(members), path_(path) {
    group();
    for (Sample& sample : samples_) read_references(sample);
    for (Sample& sample : samples_) drop_referenced(sample);
  }

  void import_all() {
    for (const Sample& sample : samples_) import_one(sample);
    if (num_ignored_ > 0)
      log_warning(path_.string() + ": " + std::to_string(num_ignored_) +
                  " files ignored that belong to no sample, e.g. " + first_ignored_);
  }
  bool empty() const { return samples_.empty(); }

 private:
  void group() {
    std::map<std::string, size_t> positions;
    for (const std::string& name : members_.names()) {
      auto [key, extension] = split_name(name);
      if (is_tar_name(name) || name.ends_with(".jsonl")) continue;
      Kind kind = kind_of(extension);
      auto [entry, added] = positions.try_emplace(key, samples_.size());
      if (added) samples_.push_back({.key = key, .files = {}});
      samples_[entry->second].files[kind].push_back(name);
    }
  }

  std::string where(const Sample& sample) const { return path_.string() + ": sample '" + sample.key + "'"; }
  std::string where(const Sample& sample, const std::string& name) const {
    return where(sample) + ": " + name;
  }

  // A member beside the sample's .json, or named from the top.
  std::optional<std::string> resolve(const std::string& json_name, const std::string& name) const {
    std::string beside = (Path(json_name).parent_path() / name).lexically_normal().generic_string();
    for (const std::string& candidate : {beside, name})
      if (members_.contains(candidate)) return candidate;
    return std::nullopt;
  }

  // Faults of a .json are told when its sample is imported; here only what it names counts.
  void read_references(Sample& sample) {
    for (const std::string& name : sample.files[Kind::kJson]) {
      try {
        Json json = parse_json(members_.read(name), where(sample, name));
        bool has_others = false;
        for (Kind kind : {Kind::kText, Kind::kImage, Kind::kSpeech})
          has_others = has_others || sample.files.contains(kind);
        sample.interleaved =
            sample.interleaved || !has_others || (json.is_object() && json.contains("segments"));
        for (const std::string& media : media_in(json))
          if (auto found = resolve(name, media)) referenced_.insert(*found);
      } catch (const InputError&) {
        sample.interleaved = true;
      }
    }
  }

  void drop_referenced(Sample& sample) {
    for (auto& [kind, names] : sample.files)
      if (kind != Kind::kJson && kind != Kind::kText)
        std::erase_if(names, [&](const std::string& name) { return referenced_.contains(name); });
    std::erase_if(sample.files, [](const auto& entry) { return entry.second.empty(); });
    has_media_ = has_media_ || sample.interleaved || sample.files.contains(Kind::kImage) ||
                 sample.files.contains(Kind::kSpeech);
  }

  void ignore(const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (num_ignored_++ == 0) first_ignored_ = name;
  }

  void import_one(const Sample& sample) {
    for (const auto& [kind, names] : sample.files) {
      bool used = sample.interleaved ? kind == Kind::kJson : kind != Kind::kOther;
      if (!used) ignore(names);
    }
    if (sample.interleaved) return run_.sample([&] { return read_interleaved(sample); });
    bool has_text = sample.files.contains(Kind::kText);
    bool has_image = sample.files.contains(Kind::kImage), has_speech = sample.files.contains(Kind::kSpeech);
    if (!has_text && !has_image && !has_speech) return;  // other kinds only
    if (has_text && !has_media_) return import_plain_text(sample);
    run_.sample([&] { return read_captioned(sample); });
  }

  void import_plain_text(const Sample& sample) {
    const std::string& name = sample.files.at(Kind::kText).front();
    import_text(run_, sample.key, members_.read(name), where(sample, name));
  }

  Draft read_interleaved(const Sample& sample) const {
    const std::string& name = only(sample, Kind::kJson);
    FindMedia find = [&](const std::string& media, const std::string& segment) -> Found {
      auto found = resolve(name, media);
      if (!found)
        throw InputError(
            {segment, "a file '" + media + "' beside it", "none", "add it, or correct the segment"});
      return {members_.read(*found), where(sample, *found)};
    };
    return parse_draft(parse_json(members_.read(name), where(sample, name)), sample.key, where(sample, name),
                       find);
  }

  const std::string& only(const Sample& sample, Kind kind) const {
    const std::vector<std::string>& names = sample.files.at(kind);
    if (names.size() > 1)
      throw InputError({where(sample), "one file of a kind", names[0] + " and " + names[1],
                        "give them keys of their own"});
    return names.front();
  }

  [[noreturn]] void throw_incomplete(const Sample& sample, const std::string& have, const char* lack) const {
    throw InputError(where(sample) + ": " + have + " without " + lack +
                     "; add what is missing, or remove the file");
  }

  void check_complete(const Sample& sample) const {
    bool has_text = sample.files.contains(Kind::kText);
    bool has_image = sample.files.contains(Kind::kImage), has_speech = sample.files.contains(Kind::kSpeech);
    if (has_image && !has_text && !has_speech)
      throw_incomplete(sample, "picture " + only(sample, Kind::kImage), "caption");
    if (has_speech && !has_text && !has_image)
      throw_incomplete(sample, "sound " + only(sample, Kind::kSpeech), "text");
    if (has_text && !has_image && !has_speech)
      throw_incomplete(sample, "caption " + only(sample, Kind::kText), "picture or sound");
  }

  Draft read_captioned(const Sample& sample) const {
    check_complete(sample);
    Draft draft{.key = sample.key, .segments = {}};
    if (sample.files.contains(Kind::kText)) {
      const std::string& name = only(sample, Kind::kText);
      draft.segments.push_back(text_segment(members_.read(name), where(sample, name)));
    }
    for (auto [kind, modality] : {std::pair{Kind::kImage, kImage}, {Kind::kSpeech, kSpeech}}) {
      if (!sample.files.contains(kind)) continue;
      const std::string& name = only(sample, kind);
      draft.segments.push_back(media_segment(modality, name, members_.read(name), where(sample, name)));
    }
    draft.free_order = true;
    return draft;
  }

  ImportRun& run_;
  const Members& members_;
  Path path_;
  std::vector<Sample> samples_;
  std::set<std::string> referenced_;
  bool has_media_ = false;
  uint64_t num_ignored_ = 0;
  std::string first_ignored_;
};

}  // namespace

void import_members(ImportRun& run, const Members& members, const Path& path) {
  SampleImport(run, members, path).import_all();
}

}  // namespace mom::data
