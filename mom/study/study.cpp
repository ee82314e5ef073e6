#include "mom/study/study.h"

#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/base/signals.h"
#include "mom/study/jobs.h"
#include "mom/study/page.h"
#include "mom/study/results.h"
#include "mom/study/results_file.h"
#include "mom/study/state.h"
#include "mom/study/watch.h"

namespace mom::study {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSamples = 8;  // of each kind, of the first seed: the page shows no more

Job job_of(const StudyConfig& study, const Run& run, const Path& folder) {
  const Path to = folder / "runs" / run.name;
  const RunState state = read_state(to);
  Job job{run.name, {}, [to] { clear_unsaved(to); }};
  if (!state.trained()) {
    job.commands.push_back({"train", run.arguments({"train", run.recipe, "--run", to.string(), "--resume"})});
  }
  const int64_t samples = run.seed == study.seeds.front() ? kSamples : 0;
  if (!state.finished())
    job.commands.push_back({"eval",
                            {"eval", to.string(), "--samples", std::to_string(samples), "--max-tokens",
                             std::to_string(study.eval_tokens)}});
  return job;
}

void announce(const Grid& grid, size_t to_do, const StudyConfig& study, int64_t at_once, const Path& folder) {
  log_info(std::to_string(grid.runs.size()) + " runs, " + std::to_string(grid.runs.size() - to_do) +
           " finished already; " + std::to_string(at_once) + " at a time with " +
           std::to_string(study.threads_per_run) + " thread(s) each; logs in " + (folder / "logs").string());
}

struct Executed {
  std::map<std::string, std::string> failed;  // error by run
  int exit_code = 0;                          // of the first that failed
  bool stopped = false;
};

Executed execute(const StudyOptions& options, const StudyConfig& study, const Grid& grid) {
  std::vector<Job> jobs;
  std::vector<size_t> to_do;
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < grid.runs.size(); ++i) {
    Job job = job_of(study, grid.runs[i], options.out);
    if (job.commands.empty()) continue;
    index_of[job.name] = to_do.size();
    to_do.push_back(i);
    jobs.push_back(std::move(job));
  }
  const int64_t at_once = runs_at_once(study);
  announce(grid, to_do.size(), study, at_once, options.out);
  if (jobs.empty()) return {};
  LineAppender processes(options.out / "processes.jsonl");
  StudyWatch watch(grid, to_do, options.out / "runs", at_once, options.study.stem().string());
  JobPool pool({options.program, options.out / "logs", at_once, study.threads_per_run}, jobs);
  const auto results = pool.run(
      [&](const Job& job, const Command& command, const Ended& ended) {
        const bool failed = ended.code != 0 || ended.signal != 0;
        processes.append(OrderedJson({{"run", job.name},
                                      {"stage", command.stage},
                                      {"seconds", ended.seconds},
                                      {"peak_rss_bytes", ended.peak_rss_bytes},
                                      {"exit_code", ended.signal ? 128 + ended.signal : ended.code}})
                             .dump());
        if (StopSignals::received() == 0)
          watch.ended(index_of.at(job.name), command.stage, ended.seconds, failed,
                      command.stage == job.commands.back().stage);
      },
      [&](const std::vector<size_t>& running) { watch.tick(running); });
  watch.finish();
  Executed executed;
  executed.stopped = pool.stopped();
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (results[i].error.empty()) continue;
    executed.failed[jobs[i].name] = results[i].error;
    if (executed.exit_code == 0) executed.exit_code = results[i].exit_code;
  }
  return executed;
}

StudyResult write_tables(const StudyConfig& study, const Grid& grid, const Path& folder,
                         const Executed& executed) {
  const StudyTables tables = make_tables(study, grid, folder, executed.failed);
  StudyResult result{
      tables.results,
      page_text(parse_results(tables.results, tables.timing, (folder / "results.json").string())),
      std::nullopt};
  publish_json(folder / "results.json", tables.results);
  publish_json(folder / "timing.json", tables.timing);
  publish_file(folder / "README.md", result.page);
  return result;
}

}  // namespace

StudyResult run_study(const StudyOptions& options) {
  const StudyConfig study = load_study(options.study, options.overrides, options.known);
  const Grid grid = expand(study, options.known);
  for (const char* folder : {"runs", "logs"}) make_folders(options.out / folder);
  // Children hold it too, and those of a killed study need a moment to go.
  const Lock lock =
      Lock::of_folder(options.out, {"use another --out", std::chrono::seconds(5), /*inherited=*/true});
  publish_manifest(options.out, study, grid);
  const StopSignals signals;
  const Executed executed = execute(options, study, grid);
  StudyResult result = write_tables(study, grid, options.out, executed);
  if (executed.stopped)
    throw StoppedError(options.out.string() +
                       ": stopped, the runs at work have saved; run the same command to continue");
  if (executed.failed.empty()) return result;
  for (const auto& [name, error] : executed.failed) log_warning("run " + name + " failed: " + error);
  result.failure = Error(static_cast<ExitCode>(executed.exit_code),
                         std::to_string(executed.failed.size()) + " of " + std::to_string(grid.runs.size()) +
                             " runs failed; the first: " + executed.failed.begin()->first + ": " +
                             executed.failed.begin()->second);
  return result;
}

}  // namespace mom::study
