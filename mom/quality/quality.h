// `mom eval --generation`: the quality of what a model generates. No torch here.
//
// All figures are proxies that small data and codecs allow, for comparing models of one setting on one data
// folder; docs/quality.md says what each means and does not mean.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/generate/asked.h"

namespace mom::quality {

struct QualityOptions {
  Path run;   // a run folder
  Path data;  // other encoded data; empty: the run's
  std::string split = "validation";
  int64_t pictures =
      100;  // of each bucket of captions: images to generate, and to measure the use of captions on
  int64_t steps = 50;  // of denoising
  std::string sampler = "ddpm";
  double guidance = generate::kDefaultGuidance;  // 1: off
  int64_t candidates = 20;                       // captions that each image or recording is ranked among
  int64_t ranked = 300;                          // at most so many images, and recordings, are ranked
  int64_t text_tokens = 50'000;                  // of each source of text, about
  int64_t samples = 12;                          // images kept as files
  int64_t probe_steps = 800;  // of training the caption probe, where the data have none yet
  int64_t seed = 1;
  std::string device = "cpu";  // what computes: a recipe's train.device
};

// What docs/quality.md describes; parts that do not apply to the setting or data are absent. Also published,
// with the images it names, as RUN/generation/. UserError: options out of range. InputError: not a run, or
// not its data.
OrderedJson evaluate_generation(const QualityOptions& options);

// `mom eval --grid`: only the grid of captions and seeds, published as this PNG file; empty: as RUN/grid, with what is
// returned here, for pages.
OrderedJson evaluate_grid(const QualityOptions& options, const Path& file);

// `mom eval --caption-use`: of that only the use of captions, which takes seconds. Publishes nothing.
OrderedJson evaluate_caption_use(const QualityOptions& options);

}  // namespace mom::quality
