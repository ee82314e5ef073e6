// A run that goes back instead of stopping where loss or gradient is not finite (train.on_divergence = "rollback"): to its last
// checkpoint, without the batches since then. RUN/rollbacks.jsonl has a line for each time:
//   {"step": of the checkpoint, "diverged_at": the step that failed, "skipped_steps": whose batches are left out behind the checkpoint}
// A run that is resumed from that checkpoint fails and goes back again, in the same way, and the line stays one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/train/recipe.h"

namespace mom::train {

struct Rollback {
  int64_t step, diverged_at, skipped_steps;
  bool operator==(const Rollback&) const = default;
};

class Rollbacks {
 public:
  // Of a run, with those that its file has.
  Rollbacks(Path run, const TrainConfig& config);
  // The step `diverged_at` failed with `why`, in a run whose last checkpoint is of `step` (0: it has none). DivergedError that tells
  // the way out: the recipe wants to stop, there is no checkpoint, or it has gone back as often as it may.
  Rollback go_back(int64_t step, int64_t diverged_at, const std::string& why);

 private:
  Path path_;
  bool allowed_;
  int64_t most_;
  std::vector<Rollback> all_;   // of the file
  std::vector<Rollback> done_;  // since the process began
};

}  // namespace mom::train
