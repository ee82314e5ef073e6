// `mom eval`: losses of a trained model on held-out data, and samples of what it denoises and predicts. The entry has no torch.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::eval {

struct EvalOptions {
  Path run;   // a run folder
  Path data;  // other encoded data; empty: the run's
  std::string split = "validation";
  int64_t max_tokens = 0;           // about how many tokens of each set, spread evenly over it; 0: all
  bool last_weights = false;        // those of the last step, where the run keeps an average
  std::string device = "cpu";       // what computes: a recipe's train.device
  std::string weights = "float32";  // or rounded first: bfloat16, int8 (models/quantize.h)
  int64_t samples = 8;              // of each modality, written to RUN/samples (samples.h); 0: none
  bool run_decoders = false;        // for them, decode commands of codecs from outside are run
  double decode_limit_s = 120;      // of each
};

// Returns {"step", "setting", "split", "units": {MODALITY: of its loss}, "loss": {MODALITY: mean over all sets},
//          "tokens": {..}, "sets": {NAME: {"loss", "loss_overall": what training minimises, "tokens"}}}
// Also published as RUN/evaluation.json when data and weights are the run's own and the split is validation.
// InputError: not a run, or no checkpoint in it.
OrderedJson evaluate_run(const EvalOptions& options);

}  // namespace mom::eval
