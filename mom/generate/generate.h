// `mom generate`: text, images, speech and interleaved documents from a trained model. The entry has no torch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/generate/token_sampler.h"
#include "mom/modality/modality.h"

namespace mom::generate {

struct PromptFile {
  std::string option;  // that it was given by, for errors
  std::string modality;
  Path file;
};

struct GenerateOptions {
  Path run;     // a run folder (newest checkpoint), or a model folder
  Path codecs;  // a folder with one for each modality; empty: those of the run's data
  // The prompt: a document's beginning, files before text; or all of it as ids.
  std::optional<std::string> prompt;
  std::vector<PromptFile> files;
  std::vector<int64_t> tokens;
  std::string modality = modality::kTextName;  // of what is asked for
  // Of the steps of single tokens: float32, bfloat16 or int8; empty: the folder's.
  std::optional<std::string> weights;
  bool last_weights = false;   // those of the last step, where the run keeps an average
  std::string device = "cpu";  // what computes: a recipe's train.device
  bool interleaved = false;    // everything the model writes, until the end of the document
  int64_t count = 1;
  std::optional<int64_t> max_tokens;  // empty: 256
  Path out, grid;
  // Decode commands of codecs from outside (codecs/decode_command.h) are run: the user trusts the codec folders.
  bool run_decoders = false;
  double decode_limit_s = 120;  // of each
  int64_t seed = 1;
  SamplingOptions sampling;
  // Pictures. Empty: 50, "ddpm".
  std::optional<int64_t> steps;
  std::optional<std::string> sampler;
  std::optional<double> guidance;                 // empty: kDefaultGuidance
  std::function<void(std::string_view)> on_text;  // text as it comes, of a single answer
};

// {"tokens", "log_probabilities", "stop": "end" or "length", "text" (where there is a tokenizer)} of the one
// answer, or "answers": a list of them when count is above 1; then "files", "seconds", "timings": {"load_s",
// "generate_s", "files_s", "tokens_per_s"}. UserError for options, InputError for files and codecs.
OrderedJson generate(const GenerateOptions& options);

}  // namespace mom::generate
