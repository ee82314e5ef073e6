// What the engine is asked and what it answers, one sequence each: ids of the joint vocabulary and latents.
// Made by options.h for the command line.
#pragma once

#include <cstdint>
#include <vector>

#include "mom/generate/diffusion_sampler.h"
#include "mom/generate/step.h"
#include "mom/generate/token_sampler.h"

namespace mom::generate {

struct PictureOptions {
  int64_t steps = 50;  // of denoising
  DiffusionMethod method = DiffusionMethod::kDdpm;
  double guidance = 1;  // 1: off
};

enum class Until {
  kDocument,  // <eos>, or a stop token
  kText,      // the same, or the start of another modality, which is not part of the answer
  kSegment,   // the end of the segment that the prompt has opened
};

struct Request {
  Feed prompt;
  Until until = Until::kDocument;
  // Positions at most (tokens and patches). What is open is closed within them.
  int64_t max_positions = 256;
  // The first token is a piece of text. Most pictures of training end their document, and so would most
  // descriptions before they begin.
  bool needs_text = false;
  std::vector<int64_t> stop_tokens;  // of a plain language model; part of the answer
  SamplingOptions sampling;          // the penalty concerns text
  PictureOptions picture;
  uint64_t key = 0;
};

enum class Stop { kEnd, kLength };  // what `until` asked for, or no room

struct Answer {
  Feed content;                           // what is new
  std::vector<double> log_probabilities;  // one per token (sample_token); pictures have none
  Stop stop = Stop::kEnd;
};

}  // namespace mom::generate
