// Understanding, without generating: which of several captions a model considers likeliest after an image or a recording.
#pragma once

#include <functional>
#include <vector>

#include "mom/quality/accuracy.h"
#include "mom/quality/pairs.h"

namespace mom::quality {

struct Ranking {
  // By ln p(caption | media) - ln p(caption), the pointwise mutual information: what the media adds. Without
  // the second term, short and common captions win whatever the media.
  Accuracy by_information;
  Accuracy by_likelihood;  // by ln p(caption | media) alone
  int64_t among = 0;
};

// `candidates` as draw_candidates gives them. The media stands first, right after <bos>, and its caption behind it.
Ranking rank_captions(models::ModelImpl& model, const std::vector<Pair>& pairs,
                      const std::vector<std::vector<size_t>>& candidates,
                      const std::function<void(size_t done)>& on_progress);

}  // namespace mom::quality
