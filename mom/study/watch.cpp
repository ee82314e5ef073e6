#include "mom/study/watch.h"

#include <algorithm>

#include "mom/study/state.h"

namespace mom::study {
namespace {

using Clock = std::chrono::steady_clock;

// Tokens of the runs to do; where a recipe leaves them to the defaults, the mean of the others.
std::vector<double> planned(const Grid& grid, const std::vector<size_t>& to_do) {
  std::vector<double> tokens;
  double known = 0, count = 0;
  for (const size_t index : to_do) {
    tokens.push_back(planned_tokens(grid.runs[index]));
    if (tokens.back() > 0) known += tokens.back(), ++count;
  }
  for (double& each : tokens)
    if (each <= 0 && count > 0) each = known / count;
  return tokens;
}

double saved_share(const RunState& state) {
  return state.steps > 0 ? static_cast<double>(state.saved_step) / static_cast<double>(state.steps) : 0;
}

uint64_t planned_in_all(const Grid& grid, const std::vector<size_t>& to_do) {
  double sum = 0;
  for (const double tokens : planned(grid, to_do)) sum += tokens;
  return static_cast<uint64_t>(sum);
}

uint64_t saved_in_all(const Grid& grid, const std::vector<size_t>& to_do, const Path& folder) {
  const std::vector<double> tokens = planned(grid, to_do);
  double sum = 0;
  for (size_t i = 0; i < to_do.size(); ++i)
    sum += tokens[i] * saved_share(read_state(folder / grid.runs[to_do[i]].name));
  return static_cast<uint64_t>(sum);
}

}  // namespace

StudyWatch::StudyWatch(const Grid& grid, std::vector<size_t> to_do, Path folder, int64_t at_once,
                       const std::string& name)
    : grid_(grid),
      to_do_(std::move(to_do)),
      folder_(std::move(folder)),
      slots_(static_cast<double>(at_once)),
      work_(to_do_.size()),
      last_(to_do_.size()),
      progress_("study " + name, "tokens", planned_in_all(grid, to_do_),
                saved_in_all(grid, to_do_, folder_)) {
  const std::vector<double> tokens = planned(grid, to_do_);
  for (size_t i = 0; i < to_do_.size(); ++i) {
    const RunState state = read_state(folder_ / grid.runs[to_do_[i]].name);
    work_[i].total = tokens[i];
    work_[i].done_before = work_[i].done = tokens[i] * saved_share(state);
    work_[i].trained = state.trained();
  }
}

void StudyWatch::tick(const std::vector<size_t>& running) {
  const auto now = Clock::now();
  const bool read = now - last_read_ >= std::chrono::seconds(1);
  if (read) last_read_ = now;
  for (const size_t i : running) {
    const double passed =
        last_[i] == Clock::time_point{} ? 0 : std::chrono::duration<double>(now - last_[i]).count();
    (work_[i].trained ? work_[i].evaluating : work_[i].seconds) += passed;
    last_[i] = now;
    if (read) work_[i].done = std::max(work_[i].done, tokens_so_far(folder_ / grid_.runs[to_do_[i]].name));
  }
  if (!read) return;
  double done = 0;
  for (const Work& work : work_) done += work.done;
  progress_.set_left(seconds_left());
  progress_.update(static_cast<uint64_t>(done), detail(running));
}

void StudyWatch::ended(size_t index, const std::string& stage, double seconds, bool failed, bool last) {
  Work& work = work_[index];
  if (!failed && stage == "train") work.trained = true, work.done = work.total;
  if (!failed && stage == "eval") work.evaluation = seconds;
  if (!failed && !last) return;
  work.over = true;
  failed ? ++num_failed_ : ++num_done_;
}

void StudyWatch::finish() { progress_.finish(detail({})); }

double StudyWatch::seconds_per_token(size_t index) const {
  const Run& run = grid_.runs[to_do_[index]];
  for (const int likeness : {2, 1, 0}) {  // the same model, another of its group, any
    double tokens = 0, seconds = 0;
    for (size_t i = 0; i < work_.size(); ++i) {
      const Run& other = grid_.runs[to_do_[i]];
      const bool alike =
          likeness == 0 || (other.group == run.group && (likeness == 1 || other.arm == run.arm));
      if (!alike || work_[i].done <= work_[i].done_before) continue;
      tokens += work_[i].done - work_[i].done_before;
      seconds += work_[i].seconds;
    }
    if (tokens > 0) return seconds / tokens;
  }
  return -1;
}

double StudyWatch::evaluation_seconds() const {
  double sum = 0, count = 0;
  for (const Work& work : work_)
    if (work.evaluation > 0) sum += work.evaluation, ++count;
  return count > 0 ? sum / count : 0;
}

double StudyWatch::seconds_left() const {
  double all = 0, longest = 0;
  for (size_t i = 0; i < work_.size(); ++i) {
    if (work_[i].over) continue;
    const double rate = seconds_per_token(i);
    if (rate < 0) return -1;
    const double left = rate * std::max(0.0, work_[i].total - work_[i].done) +
                        std::max(0.0, evaluation_seconds() - work_[i].evaluating);
    all += left;
    longest = std::max(longest, left);
  }
  return std::max(longest, all / slots_);
}

std::string StudyWatch::detail(const std::vector<size_t>& running) const {
  std::string text = std::to_string(num_done_) + " of " + std::to_string(to_do_.size()) + " runs done";
  if (num_failed_ > 0) text += ", " + std::to_string(num_failed_) + " failed";
  for (const size_t i : running) {
    const double share = work_[i].total > 0 ? std::min(1.0, work_[i].done / work_[i].total) : 0;
    text += ", " + grid_.runs[to_do_[i]].name + " " +
            (work_[i].trained ? "evaluation" : std::to_string(static_cast<int>(100 * share)) + "%");
  }
  return text;
}

}  // namespace mom::study
