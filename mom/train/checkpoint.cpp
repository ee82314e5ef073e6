#include "mom/train/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/log.h"
#include "mom/base/manifest.h"
#include "mom/models/weight_files.h"

namespace mom::train {
namespace {

constexpr const char *kPrefix = "step-", *kManifest = "manifest.json", *kState = "state.json";
constexpr const char* kFormat = "mom-checkpoint";
constexpr int64_t kVersion = 1;
constexpr size_t kMostDigits = 18;  // of a step

Path checkpoint_folder(const Path& run, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "%s%08lld", kPrefix, static_cast<long long>(step));
  return run / "checkpoints" / name;
}

void remove_old(const Path& run, int64_t keep) {
  std::vector<Checkpoint> all = list_checkpoints(run);
  for (size_t i = 0; keep > 0 && i + static_cast<size_t>(keep) < all.size(); ++i)
    remove_folder(all[i].folder);
}

}  // namespace

std::vector<Checkpoint> list_checkpoints(const Path& run) {
  std::vector<Checkpoint> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(run / "checkpoints", error)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0 || !entry.is_directory()) continue;
    const std::string digits = name.substr(std::string_view(kPrefix).size());
    if (digits.empty() || digits.size() > kMostDigits ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      continue;
    found.push_back({entry.path(), std::stoll(digits)});
  }
  std::sort(found.begin(), found.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return found;
}

void save_checkpoint(const Path& run, int64_t step, const std::function<void(const Path& folder)>& write,
                     const OrderedJson& state, int64_t keep) {
  const Path target = checkpoint_folder(run, step);
  FolderPublisher folder(target, /*replace=*/true);
  write(folder.path());
  publish_json(folder.path() / kState, state);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    files.insert(entry.path().filename().string());
  OrderedJson manifest;
  manifest["format"] = kFormat;
  manifest["version"] = kVersion;
  manifest["step"] = step;
  for (const std::string& name : files)
    manifest["files"][name] = {{"bytes", std::filesystem::file_size(folder.path() / name)},
                               {"sha256", sha256_hex_of_file(folder.path() / name)}};
  publish_json(folder.path() / kManifest, with_hash(manifest));
  folder.commit();
  remove_old(run, keep);
}

namespace {

void verify_file(const Path& file, const Json& entry, const std::string& where, const std::string& advice) {
  const auto size = static_cast<int64_t>(std::filesystem::file_size(file));
  const int64_t expected = json_int(entry, "bytes", where);
  if (size != expected)
    throw InputError({file.string(), std::to_string(expected) + " bytes", std::to_string(size), advice});
  if (sha256_hex_of_file(file) != json_string(entry, "sha256", where))
    throw InputError(
        {file.string(), "the content its manifest states", "other bytes (checksum differs)", advice});
}

Json read_manifest(const Path& path, const std::string& advice) {
  const std::string where = path.string();
  if (!std::filesystem::exists(path))
    throw InputError({where, "the manifest of a checkpoint", "none", advice});
  Json manifest = read_json(path);
  check_hash(manifest, where, advice);
  if (json_string(manifest, "format", where) != kFormat || json_int(manifest, "version", where) != kVersion ||
      !manifest.contains("files"))
    throw InputError({where, "the manifest of a checkpoint, of version 1", "something else", advice});
  return manifest;
}

}  // namespace

void verify_checkpoint(const Path& folder) {
  const std::string advice = "remove " + folder.string() + " to resume from an older checkpoint";
  const Path path = folder / kManifest;
  const Json manifest = read_manifest(path, advice);
  for (const std::string& name : {std::string("config.json"), std::string(kState),
                                  std::string(models::kWholeWeights), std::string(kOptimizerFile)})
    if (!manifest["files"].contains(name) && !manifest["files"].contains(name + models::kIndexSuffix))
      throw InputError({path.string(), "an entry for " + name, "none", advice});
  for (const auto& [name, entry] : manifest["files"].items()) {
    if (!std::filesystem::is_regular_file(folder / name))
      throw InputError({(folder / name).string(), "the file the manifest lists", "none", advice});
    verify_file(folder / name, entry, path.string(), advice);
  }
}

void verify_what_is_there(const Path& checkpoint) {
  const std::string advice = "copy the checkpoint again; where the change is meant, remove manifest.json";
  const Path path = checkpoint / kManifest;
  const Json manifest = read_manifest(path, advice);
  for (const auto& [name, entry] : manifest["files"].items())
    if (std::filesystem::is_regular_file(checkpoint / name))
      verify_file(checkpoint / name, entry, path.string(), advice);
}

Path find_model_folder(const Path& path) {
  if (std::filesystem::exists(path / "config.json")) {
    if (std::filesystem::exists(path / kManifest) && std::filesystem::exists(path / kState))
      verify_what_is_there(path);
    return path;
  }
  const std::vector<Checkpoint> checkpoints = list_checkpoints(path);
  if (checkpoints.empty())
    throw InputError({path.string(), "a model folder (config.json) or a run with a checkpoint",
                      std::filesystem::exists(path) ? "neither" : "no such folder", ""});
  verify_checkpoint(checkpoints.back().folder);
  return checkpoints.back().folder;
}

}  // namespace mom::train
