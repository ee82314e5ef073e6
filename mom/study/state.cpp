#include "mom/study/state.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/lock.h"
#include "mom/runs/run_folder.h"

namespace mom::study {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kMaxRecipe = uint64_t{1} << 20;
constexpr std::string_view kCheckpoint = "step-";

int64_t newest_checkpoint(const Path& run) {
  int64_t newest = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kCheckpoint) && fs::exists(entry.path() / "manifest.json"))
      newest = std::max<int64_t>(newest, std::atoll(name.c_str() + kCheckpoint.size()));
  }
  return newest;
}

using Values = std::map<std::string, std::string>;

int64_t integer(const Values& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) return 0;
  std::string digits = found->second;
  std::erase(digits, '_');
  return std::max<int64_t>(0, std::atoll(digits.c_str()));
}

Values read_values(const Path& recipe) {
  return runs::flatten_toml(read_file(recipe, kMaxRecipe), recipe.string());
}

// What a run is, without comments in its recipe.
OrderedJson identity(const StudyConfig& study, const Run& run) {
  const std::string values = Json(read_values(run.recipe)).dump();
  return {{"recipe", run.recipe},
          {"recipe_values_sha256", sha256_hex(values)},
          {"overrides", run.overrides},
          {"eval_tokens", study.eval_tokens}};
}

void check_identity(const Path& folder, const Json& before, const OrderedJson& now, const std::string& name) {
  for (const char* key : {"recipe_values_sha256", "overrides"}) {
    if (before.value(key, Json()) == Json(now[key])) continue;
    throw UserError({(folder / "study.json").string() + ": run " + name,
                     std::string(key) + " " + before.value(key, Json()).dump() + ", as it was started with",
                     now[key].dump(), "use another --out, or remove " + (folder / "runs" / name).string()});
  }
  if (before.value("eval_tokens", Json()) != Json(now["eval_tokens"]))
    fs::remove(folder / "runs" / name / "evaluation.json");
}

}  // namespace

RunState read_state(const Path& run) {
  RunState state;
  if (!fs::exists(run / "recipe.toml")) return state;
  state.saved_step = newest_checkpoint(run);
  state.steps = integer(read_values(run / "recipe.toml"), "train.steps");
  if (fs::exists(run / "evaluation.json")) {
    const Json evaluation = read_json(run / "evaluation.json");
    state.evaluated = evaluation.value("step", int64_t{-1}) == state.steps;
  }
  return state;
}

double tokens_so_far(const Path& run) {
  constexpr std::streamoff kEnd = 1 << 16;
  std::ifstream file(run / "metrics.jsonl", std::ios::binary | std::ios::ate);
  if (!file) return 0;
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kEnd));
  std::string text(static_cast<size_t>(std::min(size, kEnd)), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) return 0;
  text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n'));
  const size_t begin = text.rfind('\n');
  const Json line = Json::parse(begin == std::string::npos ? text : text.substr(begin + 1), nullptr, false);
  return line.is_object() && line.contains("tokens") && line["tokens"].is_number()
             ? line["tokens"].get<double>()
             : 0;
}

double planned_tokens(const Run& run) {
  Values values = read_values(run.recipe);
  for (const std::string& assignment : run.overrides)
    values[key_of(assignment)] = assignment.substr(assignment.find('=') + 1);
  return static_cast<double>(integer(values, "train.steps")) *
         static_cast<double>(integer(values, "data.batch_tokens"));
}

void clear_unsaved(const Path& run) {
  if (!fs::exists(run)) return;
  const Lock lock = Lock::of_folder(run, {"stop it"});
  if (newest_checkpoint(run) == 0) fs::remove_all(run);
}

void publish_manifest(const Path& folder, const StudyConfig& study, const Grid& grid) {
  const Path file = folder / "study.json";
  OrderedJson manifest = {{"format", "mom-study"}, {"title", study.title}, {"runs", OrderedJson::object()}};
  Json known = Json::object();
  if (fs::exists(file)) known = read_json(file).value("runs", Json::object());
  for (const auto& [name, before] : known.items()) manifest["runs"][name] = before;
  for (const Run& run : grid.runs) {
    const OrderedJson now = identity(study, run);
    if (known.contains(run.name) && fs::exists(folder / "runs" / run.name))
      check_identity(folder, known[run.name], now, run.name);
    manifest["runs"][run.name] = now;
  }
  publish_json(file, manifest);
}

std::map<std::string, ProcessSums> read_processes(const Path& folder) {
  std::map<std::string, ProcessSums> sums;
  if (!fs::exists(folder / "processes.jsonl")) return sums;
  for_each_line(folder / "processes.jsonl", [&](std::string_view text, uint64_t) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) return;  // torn by a kill
    ProcessSums& of_run = sums[line.value("run", "")];
    of_run.seconds += line.value("seconds", 0.0);
    of_run.peak_rss_bytes = std::max(of_run.peak_rss_bytes, line.value("peak_rss_bytes", int64_t{0}));
  });
  return sums;
}

}  // namespace mom::study
