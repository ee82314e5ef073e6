// import_members: files that share a key are one sample.
#include <algorithm>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/data/import_names.h"
#include "mom/data/import_run.h"
#include "mom/formats/image_file.h"
#include "mom/formats/media_kinds.h"
#include "mom/formats/npy.h"
#include "mom/formats/sound_file.h"

namespace mom::data {
namespace {

struct SampleFile {
  std::string name, middle;   // middle: ".left" of KEY.left.png, where keys end at the first dot
  std::string modality = {};  // of an array
};

struct Sample {
  std::string key;
  std::map<FileKind, std::vector<SampleFile>> files;
  std::vector<SampleFile> documents, captions;  // .json files by what they hold; the others stay in `files`
  bool is_broken = false;                       // a .json cannot be read

  bool has(FileKind kind) const { return files.contains(kind); }
  bool has_media() const {
    return has(FileKind::kImageFile) || has(FileKind::kSoundFile) || has(FileKind::kArrayFile);
  }
  bool has_text() const { return has(FileKind::kTextFile) || !captions.empty(); }
};

std::span<const std::byte> as_data(const std::string& bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

// Under another name it would have been an image or a sound.
bool is_media(const Members& members, const std::string& name) {
  constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
  std::string bytes;
  const auto can = [](const auto& read) {
    try {
      return read(), true;
    } catch (const InputError&) {
      return false;
    }
  };
  return can([&] { bytes = members.read(name, kMaxBytes); }) &&
         (can([&] { formats::decode_image(as_data(bytes), name); }) ||
          can([&] { formats::read_sound_info(as_data(bytes), name); }));
}

class SampleImport {
 public:
  SampleImport(ImportRun& run, const Members& members, const std::string& prefix, std::set<std::string> used)
      : run_(run), members_(members), prefix_(prefix), used_(std::move(used)) {
    group();
    for (Sample& sample : samples_) find_unnamed_media(sample);
    for (Sample& sample : samples_) read_json_files(sample);
    for (Sample& sample : samples_) drop_used(sample);
  }

  void import_all() {
    for (const Sample& sample : samples_) import_one(sample);
  }

 private:
  static constexpr bool is_media_kind(FileKind kind) {
    return kind == FileKind::kImageFile || kind == FileKind::kSoundFile || kind == FileKind::kArrayFile ||
           kind == FileKind::kUnreadMedia;
  }

  void group() {
    std::map<std::string, size_t> positions;
    for (const std::string& name : members_.names()) {
      NameParts parts = split_name(name, members_.key_rule());
      if (parts.kind == FileKind::kContainer) {
        import_container(name);
        continue;
      }
      has_media_ = has_media_ || is_media_kind(parts.kind);
      has_text_ = has_text_ || parts.kind == FileKind::kTextFile;
      auto [entry, added] = positions.try_emplace(parts.key, samples_.size());
      if (added) samples_.push_back({.key = parts.key, .files = {}, .documents = {}, .captions = {}});
      samples_[entry->second].files[parts.kind].push_back(
          {name, std::move(parts.middle), std::move(parts.modality)});
    }
  }

  // Those of a folder are sources of their own.
  void import_container(const std::string& name) {
    if (members_.key_rule() == KeyRule::kLastDot) return;
    run_.leave_out({Reason::kNested, members_.place(name),
                    format_error({members_.place(name), "images, sound, .txt and .json in a tar",
                                  "a tar or .jsonl", "unpack the outer tar, and import the folder"})});
  }

  // A caption beside an image whose name does not say so must not become a text of its own.
  void find_unnamed_media(Sample& sample) {
    if (!sample.has(FileKind::kOther) || sample.has_media()) return;
    if (!sample.has(FileKind::kTextFile) && !sample.has(FileKind::kJsonFile)) return;
    std::vector<SampleFile>& others = sample.files[FileKind::kOther];
    const auto media = std::stable_partition(
        others.begin(), others.end(), [&](const SampleFile& file) { return !is_media(members_, file.name); });
    for (auto file = media; file != others.end(); ++file)
      sample.files[FileKind::kUnreadMedia].push_back(std::move(*file)), has_media_ = true;
    others.erase(media, others.end());
    if (others.empty()) sample.files.erase(FileKind::kOther);
  }

  std::string place(const Sample& sample) const {
    return members_.place() + ": sample '" + printable(sample.key) + "'";
  }
  std::string place(const Sample& sample, const std::string& name) const {
    return place(sample) + ": " + printable(name);
  }

  // A member beside the sample's .json, or named from the top.
  std::optional<std::string> resolve(const std::string& json_name, const std::string& name) const {
    std::string beside = (Path(json_name).parent_path() / name).lexically_normal().generic_string();
    for (const std::string& candidate : {beside, name})
      if (members_.contains(candidate)) return candidate;
    return std::nullopt;
  }

  void read_json_files(Sample& sample) {
    if (!sample.has(FileKind::kJsonFile)) return;
    bool is_alone = true;
    for (const auto& [kind, files] : sample.files)
      is_alone = is_alone && (kind == FileKind::kJsonFile || kind == FileKind::kOther);
    std::vector<SampleFile> metadata;
    for (SampleFile& file : sample.files.at(FileKind::kJsonFile)) {
      std::vector<SampleFile>& list = use_of(sample, file, is_alone, metadata);
      list.push_back(std::move(file));
    }
    sample.files.erase(FileKind::kJsonFile);
    if (!metadata.empty()) sample.files[FileKind::kJsonFile] = std::move(metadata);
  }

  // What a .json is: a document, a caption, or neither.
  std::vector<SampleFile>& use_of(Sample& sample, const SampleFile& file, bool is_alone,
                                  std::vector<SampleFile>& metadata) {
    Json json;
    try {
      json = parse_json(members_.read(file.name), "");
    } catch (const InputError&) {
      sample.is_broken = true;  // the fault is told when the sample is imported
      return sample.documents;
    }
    const bool is_short = has_value(json, kText) || has_value(json, kImage) || has_value(json, kSpeech);
    if (has_value(json, "segments") || (is_alone && (is_short || !json.is_object()))) {
      if (is_alone && is_short && !has_value(json, "segments") && media_named_by(json).empty() && has_media_)
        return sample.captions;  // of media that are missing: as a .txt
      for (const std::string& media : media_named_by(json))
        if (auto found = resolve(file.name, media)) used_.insert(*found);
      return sample.documents;
    }
    const bool is_caption = has_value(json, "caption") || has_value(json, kText);
    has_text_ = has_text_ || is_caption;
    return is_caption && !sample.has(FileKind::kTextFile) ? sample.captions : metadata;
  }

  // Media of other documents need no caption of their own.
  void drop_used(Sample& sample) {
    if (sample.has_text()) return;
    for (const FileKind kind : {FileKind::kImageFile, FileKind::kSoundFile, FileKind::kArrayFile})
      if (sample.has(kind))
        std::erase_if(sample.files[kind], [&](const SampleFile& file) { return used_.contains(file.name); });
    std::erase_if(sample.files, [](const auto& entry) { return entry.second.empty(); });
  }

  void leave_out(const Sample& sample, FileKind kind, Reason reason) {
    if (!sample.has(kind)) return;
    for (const SampleFile& file : sample.files.at(kind))
      if (!used_.contains(file.name)) run_.leave_out(data::left_out(reason, members_.place(file.name)));
  }

  void import_one(const Sample& sample) {
    leave_out(sample, FileKind::kOther, Reason::kOtherKind);
    leave_out(sample, FileKind::kJsonFile, Reason::kMetadata);
    if (!sample.documents.empty()) return import_document(sample);
    const bool has_unread = sample.has(FileKind::kUnreadMedia);
    if (!sample.has_text() && !sample.has_media() && !has_unread) return;
    if (sample.has(FileKind::kTextFile) && !has_media_) return import_plain_text(sample);
    const bool is_complete = sample.has_media() && sample.has_text();
    if (is_complete) leave_out(sample, FileKind::kUnreadMedia, Reason::kExtraMedia);
    run_.sample(place(sample), [&]() -> Draft {
      if (has_unread && !is_complete) throw_unread(sample);
      return read_captioned(sample);
    });
  }

  void import_document(const Sample& sample) {
    if (!sample.is_broken) {
      for (const FileKind kind : {FileKind::kTextFile, FileKind::kImageFile, FileKind::kSoundFile,
                                  FileKind::kArrayFile, FileKind::kUnreadMedia})
        leave_out(sample, kind, Reason::kNotNamed);
      for (const SampleFile& file : sample.captions)
        run_.leave_out(data::left_out(Reason::kMetadata, members_.place(file.name)));
    }
    run_.sample(place(sample), [&] { return read_document(sample); });
  }

  void import_plain_text(const Sample& sample) {
    const std::vector<SampleFile>& texts = sample.files.at(FileKind::kTextFile);
    if (texts.size() > 1)
      return run_.sample(place(sample), [&]() -> Draft { throw_collision(sample, texts[0], texts[1]); });
    import_text(run_, prefix_ + printable(sample.key), place(sample, texts[0].name),
                [&] { return members_.read(texts[0].name); });
  }

  Draft read_document(const Sample& sample) const {
    if (sample.documents.size() > 1) throw_collision(sample, sample.documents[0], sample.documents[1]);
    const std::string& name = sample.documents[0].name;
    const std::string where = place(sample, name);
    return parse_draft(parse_json(members_.read(name), where), prefix_ + printable(sample.key), where,
                       [&](const std::string& media) -> std::optional<Found> {
                         const auto found = resolve(name, media);
                         if (!found) return std::nullopt;
                         return Found{members_.read(*found), place(sample, *found)};
                       });
  }

  [[noreturn]] void throw_collision(const Sample& sample, const SampleFile& a, const SampleFile& b) const {
    const bool is_tar = members_.key_rule() == KeyRule::kFirstDot;
    throw SampleFault(
        Reason::kCollision,
        format_error(
            {place(sample), "files of one sample under a key",
             printable(a.name) + " and " + printable(b.name),
             is_tar ? "give them other names (in a tar the key ends at the first dot), or unpack the tar and "
                      "import the folder (there it ends at the last)"
                    : "give them keys of their own, or name them in the segments of a .json"}));
  }

  // Several images or sounds of one sample differ in the middle of their names; its one caption belongs to all of them.
  void check_collisions(const Sample& sample, const std::vector<SampleFile>& texts) const {
    if (texts.size() > 1) throw_collision(sample, texts[0], texts[1]);
    for (const FileKind kind : {FileKind::kImageFile, FileKind::kSoundFile, FileKind::kArrayFile}) {
      if (!sample.has(kind)) continue;
      std::map<std::string, const SampleFile*> middles;
      for (const SampleFile& file : sample.files.at(kind)) {
        const auto [first, added] = middles.emplace(file.modality + file.middle, &file);
        if (!added) throw_collision(sample, *first->second, file);
        const bool is_others = !texts.empty() && !texts[0].middle.empty() && texts[0].middle != file.middle;
        if (is_others && !file.middle.empty()) throw_collision(sample, texts[0], file);
      }
    }
  }

  [[noreturn]] void throw_unread(const Sample& sample) const {
    const std::string& name = sample.files.at(FileKind::kUnreadMedia).front().name;
    const std::string bytes = members_.read(name);
    if (formats::is_npy(as_data(bytes)))
      throw SampleFault(
          Reason::kUnreadMedia,
          format_error({place(sample, name), "the modality in an array's name, KEY.MODALITY.npy", "none",
                        "rename the file"}));
    throw SampleFault(
        Reason::kUnreadMedia,
        format_error(
            {place(sample, name), "media that are read here", formats::name_of_content(as_data(bytes)),
             "convert it (images to PNG, JPEG or WebP, sound to WAV, FLAC, Ogg or MP3) and name it so"}));
  }

  void check_complete(const Sample& sample, const std::vector<SampleFile>& texts) const {
    std::string have, lack;
    const std::map<std::string, std::string> media = media_by_modality(sample);
    if (!texts.empty() && media.empty()) {
      have = "caption " + printable(texts[0].name), lack = "image, sound or array";
    } else if (texts.empty() && media.size() == 1) {
      const bool image = sample.has(FileKind::kImageFile), sound = sample.has(FileKind::kSoundFile);
      if (!image && !sound && !has_text_) return;  // arrays alone
      have = (image ? "image " : sound ? "sound " : "array ") + printable(media.begin()->second);
      lack = image ? "caption" : "text";
    } else {
      return;
    }
    if (texts.empty() && sample.has(FileKind::kJsonFile))
      lack += " (" + printable(sample.files.at(FileKind::kJsonFile)[0].name) +
              " has no \"caption\", \"text\" or \"segments\")";
    throw SampleFault(Reason::kIncomplete, place(sample) + ": " + have + " without " + lack +
                                               "; add what is missing, or remove the file");
  }

  // The first file of each.
  static std::map<std::string, std::string> media_by_modality(const Sample& sample) {
    std::map<std::string, std::string> media;
    for (auto [kind, modality] : {std::pair{FileKind::kImageFile, kImage}, {FileKind::kSoundFile, kSpeech}})
      if (sample.has(kind)) media.emplace(modality, sample.files.at(kind).front().name);
    if (sample.has(FileKind::kArrayFile))
      for (const SampleFile& file : sample.files.at(FileKind::kArrayFile))
        media.emplace(file.modality, file.name);
    return media;
  }

  std::string caption_of(const Sample& sample, const std::string& name) const {
    const std::string where = place(sample, name);
    const Json json = parse_json(members_.read(name), where);
    if (has_value(json, "caption") && has_value(json, kText) && json["caption"] != json[kText])
      throw InputError({where, "one caption", "\"caption\" and \"text\", which differ",
                        "write the one to be used to a .txt beside it"});
    return json_string(json, has_value(json, "caption") ? "caption" : kText, where);
  }

  Draft read_captioned(const Sample& sample) const {
    const bool in_json = !sample.has(FileKind::kTextFile);
    const std::vector<SampleFile>& texts = in_json ? sample.captions : sample.files.at(FileKind::kTextFile);
    check_collisions(sample, texts);
    check_complete(sample, texts);
    Draft draft{.key = prefix_ + printable(sample.key), .segments = {}};
    if (!texts.empty()) {
      const std::string& name = texts[0].name;
      draft.segments.push_back(
          text_segment(in_json ? caption_of(sample, name) : members_.read(name), place(sample, name)));
    }
    for (auto [kind, modality] : {std::pair{FileKind::kImageFile, kImage}, {FileKind::kSoundFile, kSpeech}}) {
      if (!sample.has(kind)) continue;
      for (const SampleFile& file : sample.files.at(kind))
        draft.segments.push_back(media_segment(modality, prefix_ + printable(file.name),
                                               members_.read(file.name), place(sample, file.name)));
    }
    if (sample.has(FileKind::kArrayFile))
      for (const SampleFile& file : sample.files.at(FileKind::kArrayFile))
        draft.segments.push_back(encoded_segment(file.modality, prefix_ + printable(file.name),
                                                 members_.read(file.name), place(sample, file.name)));
    draft.free_order = draft.segments.size() > 1 && may_be_free(draft.segments);
    return draft;
  }

  ImportRun& run_;
  const Members& members_;
  std::string prefix_;
  std::set<std::string> used_;  // members that documents name
  std::vector<Sample> samples_;
  bool has_media_ = false, has_text_ = false;  // anywhere
};

}  // namespace

void import_members(ImportRun& run, const Members& members, const std::string& prefix,
                    std::set<std::string> used) {
  SampleImport(run, members, prefix, std::move(used)).import_all();
}

}  // namespace mom::data
