// What is asked of a model before it is ids: by the command line (generate.h) or by a server's client. No torch here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mom/generate/token_sampler.h"
#include "mom/modality/modality.h"

namespace mom::generate {

// Text as UTF-8, or the bytes of an image or sound file.
struct PromptPart {
  std::string modality = {}, content = {};
  std::string where = {};  // for errors about the bytes
};

// What makes images follow their text without harm (docs/results/showcase); evaluation draws with it, too.
inline constexpr double kDefaultGuidance = 3;

struct Asked {
  // A document's beginning, in this order; or all of it as ids.
  std::vector<PromptPart> parts = {};
  std::vector<int64_t> tokens = {};
  std::string modality = modality::kTextName;  // of what is asked for
  bool interleaved = false;                    // everything the model writes, until the end of the document
  std::optional<int64_t> max_tokens = {};      // empty: 256
  SamplingOptions sampling = {};
  // Pictures. Empty: 50, "ddpm".
  std::optional<int64_t> steps = {};
  std::optional<std::string> sampler = {};
  std::optional<double> guidance = {};  // empty: kDefaultGuidance where items of one length are written
};

}  // namespace mom::generate
