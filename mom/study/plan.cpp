// mom study --plan: a prediction from short probes, as many at once as the study runs.
//
// For each model of each group: `train --dry-run` (start-up, tokens, memory), `bench train` (a step), a
// training of a few steps (an evaluation in training), and once per group `eval` of that (the final one; for
// the group's other models in proportion to their evaluations in training).
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "mom/base/progress.h"
#include "mom/base/signals.h"
#include "mom/runs/run_folder.h"
#include "mom/study/jobs.h"
#include "mom/study/state.h"
#include "mom/study/study.h"

namespace mom::study {
namespace {

namespace fs = std::filesystem;

constexpr int kProbeSteps = 3;

struct Shape {
  const Run* run;              // the first of this model in this group that is not finished
  std::vector<double> shares;  // fraction of the training that is left, one per run
  bool first_of_group = false;
  std::string name, error = {};
  double startup_s = 0, step_s = 0, evaluation_s = 0, save_s = 0, final_evaluation_s = 0, memory_bytes = 0;
  double steps = 0, evaluations = 0, saves = 0;  // of a whole run

  double run_s(double share) const {
    return startup_s + share * (steps * step_s + evaluations * evaluation_s + saves * save_s) + startup_s +
           final_evaluation_s;
  }
};

// A folder for the probes, removed afterwards.
class ProbeFolder {
 public:
  ProbeFolder() : path_(fs::temp_directory_path() / ("mom-study-plan-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~ProbeFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ProbeFolder(const ProbeFolder&) = delete;
  ProbeFolder& operator=(const ProbeFolder&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

std::vector<Shape> shapes_of(const Grid& grid, const Path& out, size_t& finished) {
  std::vector<Shape> shapes;
  for (const Run& run : grid.runs) {
    const RunState state = read_state(out / "runs" / run.name);
    if (state.finished()) {
      ++finished;
      continue;
    }
    const double share =
        state.steps > 0 ? 1 - static_cast<double>(state.saved_step) / static_cast<double>(state.steps) : 1;
    auto same = std::find_if(shapes.begin(), shapes.end(), [&](const Shape& shape) {
      return shape.run->group == run.group && shape.run->arm == run.arm;
    });
    if (same != shapes.end()) {
      same->shares.push_back(share);
      continue;
    }
    const bool first = std::none_of(shapes.begin(), shapes.end(),
                                    [&](const Shape& shape) { return shape.run->group == run.group; });
    shapes.push_back({&run, {share}, first, grid.groups[run.group].name + "-" + grid.arms[run.arm].name});
  }
  return shapes;
}

Job probe_of(const Shape& shape, const StudyOptions& options, const StudyConfig& study, const Path& folder) {
  const Run& run = *shape.run;
  const std::string to = (folder / shape.name).string(), steps = std::to_string(options.probe_steps);
  Job job{shape.name, {}, [] {}};
  job.commands.push_back(
      {"plan", run.arguments({"train", run.recipe, "--dry-run", "--json"}), to + ".plan.json"});
  job.commands.push_back({"bench", run.arguments({"bench", "train", run.recipe, "--steps", steps, "--json"}),
                          to + ".bench.json"});
  Run few = run;
  few.overrides.push_back("train.steps=" + std::to_string(kProbeSteps));
  job.commands.push_back({"train", few.arguments({"train", run.recipe, "--run", to})});
  if (shape.first_of_group)
    job.commands.push_back(
        {"eval", {"eval", to, "--samples", "0", "--max-tokens", std::to_string(study.eval_tokens)}});
  return job;
}

// Evaluations of a run: before the first step, at regular intervals, after the last.
double evaluations_of(double steps, double every) { return 1 + std::ceil(steps / every); }

// From the last line of the log, that of the last evaluation, to the rename of the checkpoint.
double last_save_s(const Path& run) {
  const auto passed = fs::last_write_time(run / "checkpoints") - fs::last_write_time(run / "metrics.jsonl");
  return std::max(0.0, std::chrono::duration<double>(passed).count());
}

void measure(Shape& shape, const JobResult& result, const Path& folder) {
  const Path to = folder / shape.name;
  const Json plan = read_json(to.string() + ".plan.json"), bench = read_json(to.string() + ".bench.json");
  const runs::RunFolder probe = runs::read_run_folder(to);
  const double every = std::max(1.0, probe.recipe_number("eval.every_steps", 1)),
               saved_every = std::max(1.0, probe.recipe_number("checkpoint.every_steps", 1));
  double probe_steps_s = 0, tokens = 0;
  for (const auto& point : probe.train) {
    probe_steps_s += (point.tokens - tokens) / point.tokens_per_s.value_or(1);
    tokens = point.tokens;
  }
  shape.startup_s = result.ended[0].seconds;
  shape.steps = plan.at("steps").get<double>();
  shape.step_s = bench.at("step_ms").get<double>() / 1e3;
  shape.memory_bytes = plan.at("memory_bytes").at("peak").get<double>();
  shape.save_s = last_save_s(to);
  const double apart = result.ended[2].seconds - shape.startup_s - probe_steps_s -
                       std::ceil(kProbeSteps / saved_every) * shape.save_s;
  shape.evaluation_s = std::max(0.0, apart) / evaluations_of(kProbeSteps, every);
  shape.saves = std::ceil(shape.steps / saved_every);
  shape.evaluations = evaluations_of(shape.steps, every);
  if (result.ended.size() > 3)
    shape.final_evaluation_s = std::max(0.0, result.ended[3].seconds - shape.startup_s);
}

void spread_final_evaluations(std::vector<Shape>& shapes) {
  for (const Shape& first : shapes) {
    if (!first.first_of_group || !first.error.empty() || first.evaluation_s <= 0) continue;
    for (Shape& shape : shapes)
      if (shape.run->group == first.run->group && &shape != &first)
        shape.final_evaluation_s = first.final_evaluation_s * shape.evaluation_s / first.evaluation_s;
  }
}

// Runs in order, each in the slot that is free first.
double makespan(const std::vector<Shape>& shapes, const Grid& grid, const Path& out, int64_t at_once) {
  std::vector<double> busy_until(static_cast<size_t>(at_once), 0);
  std::vector<size_t> next(shapes.size(), 0);
  for (const Run& run : grid.runs) {
    if (read_state(out / "runs" / run.name).finished()) continue;
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (shapes[i].run->group != run.group || shapes[i].run->arm != run.arm || !shapes[i].error.empty())
        continue;
      *std::min_element(busy_until.begin(), busy_until.end()) += shapes[i].run_s(shapes[i].shares[next[i]++]);
    }
  }
  return *std::max_element(busy_until.begin(), busy_until.end());
}

double most_memory(const std::vector<Shape>& shapes, int64_t at_once) {
  std::vector<double> peaks;
  for (const Shape& shape : shapes) peaks.insert(peaks.end(), shape.shares.size(), shape.memory_bytes);
  std::sort(peaks.rbegin(), peaks.rend());
  peaks.resize(std::min(peaks.size(), static_cast<size_t>(at_once)));
  double sum = 0;
  for (const double peak : peaks) sum += peak;
  return sum;
}

OrderedJson shape_json(const Shape& shape) {
  OrderedJson json = {{"name", shape.name}, {"runs", shape.shares.size()}};
  if (!shape.error.empty()) {
    json["error"] = shape.error;
    return json;
  }
  json["steps"] = shape.steps;
  json["step_seconds"] = shape.step_s;
  json["evaluations"] = shape.evaluations;
  json["evaluation_seconds"] = shape.evaluation_s;
  json["saves"] = shape.saves;
  json["save_seconds"] = shape.save_s;
  json["final_evaluation_seconds"] = shape.final_evaluation_s;
  json["run_seconds"] = shape.run_s(1);
  json["memory_bytes"] = shape.memory_bytes;
  return json;
}

std::vector<Shape> probe(std::vector<Shape> shapes, const StudyOptions& options, const StudyConfig& study) {
  const ProbeFolder folder;
  std::vector<Job> jobs;
  for (const Shape& shape : shapes) jobs.push_back(probe_of(shape, options, study, folder.path()));
  const StopSignals signals;
  JobPool pool({options.program, folder.path(), runs_at_once(study), study.threads_per_run}, jobs);
  Progress progress("plan", "probes", jobs.size());
  uint64_t done = 0;
  const auto results = pool.run([&](const Job& job, const Command& command, const Ended&) {
    if (command.stage == job.commands.back().stage) progress.update(++done, job.name);
  });
  if (pool.stopped()) throw StoppedError("the plan was stopped; there is nothing to resume");
  for (size_t i = 0; i < shapes.size(); ++i) {
    shapes[i].error = results[i].error;
    if (results[i].done) measure(shapes[i], results[i], folder.path());
  }
  spread_final_evaluations(shapes);
  return shapes;
}

}  // namespace

OrderedJson plan_study(const StudyOptions& options) {
  const StudyConfig study = load_study(options.study, options.overrides, options.known);
  const Grid grid = expand(study, options.known);
  size_t finished = 0;
  const std::vector<Shape> shapes = probe(shapes_of(grid, options.out, finished), options, study);
  const int64_t at_once = runs_at_once(study);
  OrderedJson json = {
      {"prediction", true}, {"title", study.title}, {"runs", grid.runs.size()}, {"finished", finished}};
  json["runs_at_once"] = at_once;
  json["threads_per_run"] = study.threads_per_run;
  json["seconds"] = makespan(shapes, grid, options.out, at_once);
  json["memory_bytes"] = most_memory(shapes, at_once);
  json["models"] = OrderedJson::array();
  for (const Shape& shape : shapes) json["models"].push_back(shape_json(shape));
  return json;
}

std::string plan_text(const OrderedJson& plan) {
  char line[256];
  std::string text = plan["title"].get<std::string>() + ": " + plan["runs"].dump() + " runs, " +
                     plan["finished"].dump() + " finished\n";
  std::snprintf(line, sizeof line, "%-48s %5s %8s %9s %10s %12s %12s\n", "model", "runs", "steps", "step",
                "evaluation", "a run", "memory");
  text += line;
  for (const auto& model : plan["models"]) {
    const std::string name = model["name"].get<std::string>();
    if (model.contains("error")) {
      text += name + ": will fail: " + model["error"].get<std::string>() + "\n";
      continue;
    }
    const auto number = [&](const char* key) { return model[key].get<double>(); };
    std::snprintf(line, sizeof line, "%-48s %5d %8.0f %6.0f ms %8.2f s %12s %12s\n", name.c_str(),
                  model["runs"].get<int>(), number("steps"), 1e3 * number("step_seconds"),
                  number("evaluation_seconds"), format_duration(number("run_seconds")).c_str(),
                  format_bytes(number("memory_bytes")).c_str());
    text += line;
  }
  return text + "prediction, from short probes on this machine as it is now: about " +
         format_duration(plan["seconds"].get<double>()) + ", " + plan["runs_at_once"].dump() +
         " runs at a time of " + plan["threads_per_run"].dump() + " thread(s), at most " +
         format_bytes(plan["memory_bytes"].get<double>()) + " of memory\n";
}

}  // namespace mom::study
