#include "mom/study/jobs.h"

#include <memory>
#include <thread>

#include "mom/base/error.h"
#include "mom/base/signals.h"

namespace mom::study {

struct JobPool::Running {
  size_t job = 0, command = 0;
  Path log;
  uint64_t log_begin = 0;  // where this command's lines begin
  std::unique_ptr<Child> child;
};

void JobPool::start_command(Running& job) {
  std::error_code none;
  const uint64_t size = std::filesystem::file_size(job.log, none);
  job.log_begin = none ? 0 : size;
  const Command& command = jobs_[job.job].commands[job.command];
  const Child::Options options{{"OMP_NUM_THREADS=" + std::to_string(options_.threads)}, job.log, command.out};
  job.child = std::make_unique<Child>(options_.program, command.arguments, options);
}

void JobPool::start_more(std::vector<Running>& running) {
  while (!stopped_ && next_ < jobs_.size() && static_cast<int64_t>(running.size()) < options_.at_once) {
    const size_t index = next_++;
    const Job& job = jobs_[index];
    try {
      job.prepare();
    } catch (const Error& error) {
      results_[index].error = error.what();
      results_[index].exit_code = static_cast<int>(error.code());
      continue;
    }
    results_[index].done = job.commands.empty();
    if (job.commands.empty()) continue;
    running.push_back({index, 0, options_.logs / (job.name + ".log"), 0, nullptr});
    start_command(running.back());
  }
}

// Whether the job still runs.
bool JobPool::go_on(Running& job, const Ended& ended) {
  JobResult& result = results_[job.job];
  result.ended.push_back(ended);
  if (ended.code != 0 || ended.signal != 0) {
    if (stopped_) return false;  // as asked
    result.error = error_of(job.log, job.log_begin, ended);
    result.exit_code = ended.signal ? 1 : ended.code;
    return false;
  }
  if (++job.command == jobs_[job.job].commands.size()) {
    result.done = true;
    return false;
  }
  if (stopped_) return false;
  start_command(job);
  return true;
}

std::vector<JobResult> JobPool::run(const OnEnd& on_end, const OnTick& on_tick) {
  results_.assign(jobs_.size(), {});
  std::vector<Running> running;
  for (start_more(running); !running.empty(); start_more(running)) {
    if (!stopped_ && StopSignals::received() != 0) {
      stopped_ = true;
      for (Running& job : running) job.child->ask_to_stop();
    }
    std::vector<Running> left;
    std::vector<size_t> indices;
    for (Running& job : running) {
      const auto ended = job.child->poll();
      if (ended && on_end) on_end(jobs_[job.job], jobs_[job.job].commands[job.command], *ended);
      if (ended && !go_on(job, *ended)) continue;
      indices.push_back(job.job);
      left.push_back(std::move(job));
    }
    running = std::move(left);
    if (on_tick) on_tick(indices);
    if (!running.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return results_;
}

std::string error_of(const Path& log, uint64_t from, const Ended& ended) {
  constexpr std::string_view kPrefix = "mom: error: ";
  std::string error;
  if (std::filesystem::exists(log)) {
    const std::string text = read_file(log).substr(std::min<uint64_t>(from, std::filesystem::file_size(log)));
    const size_t at = text.rfind(kPrefix);
    if (at != std::string::npos)
      error = text.substr(at + kPrefix.size(), text.find('\n', at) - at - kPrefix.size());
  }
  if (ended.signal) return "ended by " + describe_end(ended);
  return error.empty() ? describe_end(ended) : error;
}

}  // namespace mom::study
