#include "mom/report/live.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "mom/base/error.h"
#include "mom/compare/compare.h"
#include "mom/report/curves.h"
#include "mom/report/report.h"
#include "mom/report/runs_page.h"
#include "mom/report/study_report.h"
#include "mom/runs/run_folder.h"

namespace mom::report {
namespace {

namespace fs = std::filesystem;
using runs::RunFolder;

constexpr int kDepth = 3;               // STUDY/runs/NAME below the root
constexpr size_t kMaxSparkPoints = 60;  // of a small curve

bool is_run(const Path& path) {
  return fs::exists(path / "recipe.toml") && fs::exists(path / "metrics.jsonl");
}

double unix_seconds(fs::file_time_type time) {
  const auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration<double>(system.time_since_epoch()).count();
}

// Losses in training by modality, smoothed and thinned: what a small curve shows.
OrderedJson training_curves(const RunFolder& run) {
  std::map<std::string, Points> by_modality;
  for (const runs::MetricPoint& point : run.train)
    for (const auto& [modality, loss] : point.losses) {
      Points& points = by_modality[modality];
      points.steps.push_back(static_cast<double>(point.step)), points.values.push_back(loss);
      points.tokens.push_back(point.tokens), points.flops.push_back(point.flops);
    }
  OrderedJson curves = OrderedJson::object();
  for (const auto& [modality, points] : by_modality) {
    Series series = series_of({points}, Smoothing::kSteps);
    thin(series, kMaxSparkPoints);
    for (size_t i = 0; i < series.fit.size(); ++i) {
      curves[modality]["steps"].push_back(series.steps[i]);
      curves[modality]["loss"].push_back(number_json(series.fit[i], kTableDigits));
    }
  }
  return curves;
}

OrderedJson held_out(const RunFolder& run) {
  OrderedJson losses = OrderedJson::array();
  for (const auto& [set, points] : run.evals)
    for (const auto& [modality, loss] : points.back().losses)
      losses.push_back({{"set", set}, {"modality", modality}, {"loss", number_json(loss, kTableDigits)}});
  return losses;
}

std::string state_of(const RunFolder& run, double steps) {
  if (fs::exists(run.path / "lock")) return "training";
  return static_cast<double>(run.final_step()) >= steps ? "finished" : "stopped";
}

OrderedJson summary_json(const RunFolder& run) {
  const double steps = run.recipe_number("train.steps", 0), step = static_cast<double>(run.final_step());
  const std::string state = state_of(run, steps);
  OrderedJson json = {{"label", run.model_name()},
                      {"setting", run.setting()},
                      {"seed", run.recipe_value("seed", "unknown")},
                      {"state", state},
                      {"step", step},
                      {"steps", steps},
                      {"updated", unix_seconds(fs::last_write_time(run.path / "metrics.jsonl"))}};
  if (!run.train.empty()) {
    const runs::MetricPoint& last = run.train.back();
    json["tokens"] = last.tokens, json["flops"] = last.flops;
    if (last.tokens_per_s && *last.tokens_per_s > 0 && step > 0) {
      json["tokens_per_s"] = *last.tokens_per_s;
      if (state == "training")
        json["seconds_left"] = (steps - step) * last.tokens / step / *last.tokens_per_s;
    }
  }
  json["curves"] = training_curves(run);
  json["losses"] = held_out(run);
  json["sets"] = run.set_titles;
  return json;
}

std::string stamp_of(const Path& run) {
  const Path metrics = run / "metrics.jsonl";
  return std::to_string(unix_seconds(fs::last_write_time(metrics))) + " " +
         std::to_string(fs::file_size(metrics)) + (fs::exists(run / "lock") ? " locked" : "");
}

}  // namespace

// Run folders and studies below the root, by name. What is inside a run is not looked into.
std::vector<Path> LiveRuns::find(bool studies) const {
  std::vector<Path> found;
  const std::function<void(const Path&, int)> walk = [&](const Path& folder, int depth) {
    const bool run = is_run(folder);
    if (studies ? study::is_study(folder) : run) found.push_back(folder);
    if (run || depth == kDepth) return;
    std::error_code error;  // a folder that is removed meanwhile, or may not be read
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.is_directory(error) && !entry.path().filename().string().starts_with('.'))
        walk(entry.path(), depth + 1);
  };
  walk(root_, 0);
  std::sort(found.begin(), found.end());
  return found;
}

OrderedJson LiveRuns::summary_of(const Path& run) {
  const std::string id = run.lexically_relative(root_).string();
  OrderedJson json = {{"id", id}, {"name", run.filename().string()}};
  try {
    Known& known = known_[id];
    if (const std::string stamp = stamp_of(run); stamp != known.stamp)
      known = {stamp, summary_json(runs::read_run_folder(run))};
    json.update(known.summary);
  } catch (const std::exception& error) {  // damaged, or removed meanwhile: the others are still there
    known_.erase(id);
    json["state"] = "unreadable", json["error"] = error.what();
  }
  return json;
}

OrderedJson LiveRuns::list() {
  const std::lock_guard lock(mutex_);
  OrderedJson list = {{"format", "mom runs"}, {"version", 1}, {"runs", OrderedJson::array()}};
  for (const Path& run : find(false)) list["runs"].push_back(summary_of(run));
  list["studies"] = OrderedJson::array();
  for (const Path& study : find(true))
    list["studies"].push_back({{"id", study.lexically_relative(root_).string()}});
  return list;
}

OrderedJson LiveRuns::page(const std::vector<std::string>& ids) {
  const std::vector<Path> runs = find(false), studies = find(true);
  std::vector<Path> chosen;
  for (const std::string& id : ids) {
    const auto named = [&](const Path& path) { return path.lexically_relative(root_).string() == id; };
    if (ids.size() == 1)
      if (const auto study = std::find_if(studies.begin(), studies.end(), named); study != studies.end())
        return study_page(read_study_subject(*study));
    const auto run = std::find_if(runs.begin(), runs.end(), named);
    if (run == runs.end())
      throw UserError({"run", "an id of the list of runs", id, "choose one of /api/runs"});
    chosen.push_back(*run);
  }
  if (chosen.empty())
    throw UserError({"run", "one or several ids of the list of runs", "none", "add ?run=ID"});
  return runs_page(read_subject(chosen));
}

}  // namespace mom::report
