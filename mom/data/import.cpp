#include "mom/data/import.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/data/import_run.h"

namespace mom::data {
namespace {

// A folder's files, without those its .jsonl files name: they belong to those documents.
class MembersWithout : public Members {
 public:
  MembersWithout(const Members& all, const std::set<std::string>& left_out) : all_(all) {
    for (const std::string& name : all.names())
      if (!left_out.contains(name)) add_name(name);
  }
  std::string read(const std::string& name) const override { return all_.read(name); }
  std::string place(std::string_view name) const override { return all_.place(name); }

 private:
  const Members& all_;
};

void import_tar(ImportRun& run, const Path& tar) {
  auto members = tar_members(tar, [&](const std::string& message) { run.bad(message); });
  if (members->names().empty() && !run.options().skip_bad)
    throw InputError(
        {tar.string(), "files in the tar", "none", "give a tar with samples, see 'mom data import --help'"});
  import_members(run, *members, tar);
}

void import_folder(ImportRun& run, const Path& folder) {
  auto all = folder_members(folder);
  if (all->names().empty())
    throw InputError({folder.string(), "a folder with files", "an empty one", "give a folder with samples"});
  std::set<std::string> left_out;
  for (const std::string& name : all->names()) {
    if (is_tar_name(name)) import_tar(run, folder / name);
    if (!name.ends_with(".jsonl")) continue;
    import_json_lines(run, folder / name);
    for (const std::string& media : media_named_by_json_lines(folder, name)) left_out.insert(media);
  }
  import_members(run, MembersWithout(*all, left_out), folder);
}

// Letters, digits, '_' and '-' of the name up to its first dot.
std::string source_name(const Path& source) {
  std::string name = split_name(std::filesystem::canonical(source).filename().string()).first;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = '-';
  return name.empty() ? "data" : name;
}

void import_source(ImportRun& run, const Path& source) {
  std::string name = source.filename().string();
  if (!std::filesystem::exists(source))
    throw InputError({source.string(), "a file or folder", "nothing", "check the path"});
  run.set_source(run.options().source_name.empty() ? source_name(source) : run.options().source_name);
  if (std::filesystem::is_directory(source)) return import_folder(run, source);
  if (is_tar_name(name)) return import_tar(run, source);
  if (name.ends_with(".jsonl")) return import_json_lines(run, source);
  if (name.ends_with(".txt")) return import_text_file(run, source);
  throw InputError({source.string(), "a folder, .tar, .jsonl or .txt", "another kind of file", ""});
}

}  // namespace

std::vector<std::string> media_named_by_json_lines(const Path& folder, const std::string& name) {
  std::vector<std::string> media;
  auto add = [&](const Json& object) {
    for (const char* modality : {kImage, kSpeech})
      if (object.is_object() && object.contains(modality) && object[modality].is_string())
        media.push_back((Path(name).parent_path() / object[modality].get<std::string>())
                            .lexically_normal()
                            .generic_string());
  };
  for_each_line(folder / name, [&](std::string_view line, uint64_t) {
    Json json = Json::parse(line, nullptr, false);  // bad lines have been told already
    add(json);
    if (json.is_object() && json.contains("segments") && json["segments"].is_array())
      for (const Json& segment : json["segments"]) add(segment);
  });
  return media;
}

ImportSummary import_documents(const ImportOptions& options) {
  if (options.sources.empty()) throw UserError("mom data import: expected at least one source");
  static const std::set<std::string> kSplits = {"", "train", "validation", "test"};
  if (!kSplits.contains(options.split))
    throw UserError({"--split", "train, validation or test", "'" + options.split + "'", ""});
  ImportRun run(options);
  for (const Path& source : options.sources) import_source(run, source);
  return run.finish();
}

}  // namespace mom::data
