#include "mom/train/rollbacks.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/log.h"

namespace mom::train {

Rollbacks::Rollbacks(Path run, const TrainConfig& config)
    : path_(std::move(run) / "rollbacks.jsonl"),
      allowed_(config.on_divergence == "rollback"),
      most_(config.max_rollbacks) {
  if (!std::filesystem::exists(path_)) return;
  for_each_line(path_, [&](std::string_view line, uint64_t number) {
    const std::string where = path_.string() + ":" + std::to_string(number);
    const Json json = parse_json(line, where);
    all_.push_back({json_int(json, "step", where), json_int(json, "diverged_at", where),
                    json_int(json, "skipped_steps", where)});
  });
}

Rollback Rollbacks::go_back(int64_t step, int64_t diverged_at, const std::string& why) {
  if (!allowed_) throw DivergedError(why);
  if (step == 0)
    throw DivergedError(why + "; there is no checkpoint to go back to: set checkpoint.every_steps below " +
                        std::to_string(diverged_at));
  // What was skipped behind this checkpoint before is skipped again.
  int64_t skipped = diverged_at - step;
  if (!done_.empty() && done_.back().step == step) skipped += done_.back().skipped_steps;
  const Rollback rollback{step, diverged_at, skipped};
  done_.push_back(rollback);
  if (std::find(all_.begin(), all_.end(), rollback) == all_.end()) {
    if (static_cast<int64_t>(all_.size()) >= most_)
      throw DivergedError(why + "; it has gone back " + std::to_string(all_.size()) +
                          " times, as often as train.max_rollbacks allows");
    all_.push_back(rollback);
    LineAppender lines(path_);
    lines.append(
        OrderedJson{{"step", step}, {"diverged_at", diverged_at}, {"skipped_steps", skipped}}.dump());
    lines.sync();
  }
  log_warning("step " + std::to_string(diverged_at) + ": loss or gradient is not finite; back to step " +
              std::to_string(step) + ", and on without the batches of " + std::to_string(skipped) +
              (skipped == 1 ? " step" : " steps") + " (" + std::to_string(all_.size()) + " of at most " +
              std::to_string(most_) + " times)");
  return rollback;
}

}  // namespace mom::train
