// How likely a model considers text after other content.
#pragma once

#include <vector>

#include "mom/generate/step.h"

namespace mom::quality {

struct Continuation {
  generate::Feed before;      // from <bos> on
  std::vector<int32_t> text;  // at least one token
};

// ln p(text | before) of each, nats, summed over its tokens, in one softmax over the joint vocabulary. All in
// one packed batch; f32, sums in f64.
std::vector<double> log_likelihoods(models::ModelImpl& model, const std::vector<Continuation>& continuations);

}  // namespace mom::quality
