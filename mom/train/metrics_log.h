// metrics.jsonl and TensorBoard: the same numbers, one object per line.
#pragma once

#include <memory>

#include "mom/formats/tensorboard.h"
#include "mom/train/trainer.h"

namespace mom::train {

class MetricsLog {
 public:
  // Keeps only the lines up to `steps_done`: what a killed run wrote after its last checkpoint happens again.
  MetricsLog(const Path& run, int64_t steps_done, const models::ModelSpec& spec);
  void train_step(const StepReport& report, const Trainer& trainer);
  void held_out(const std::string& set, const models::LossReport& loss, const Trainer& trainer);
  void sync();

 private:
  void write(const OrderedJson& line, const std::string& prefix);
  OrderedJson start_line(const char* kind, const Trainer& trainer) const;
  void add_losses(OrderedJson& line, const models::LossReport& loss, const Trainer& trainer) const;
  models::ModelSpec spec_;
  LineAppender lines_;
  formats::TensorboardWriter tensorboard_;
};

}  // namespace mom::train
