#include "mom/eval/forward.h"

#include <memory>

#include "apps/mom/verbs.h"

namespace mom::app {

void add_forward_verb(CLI::App& app) {
  struct Options {
    Path model, input, output;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("forward", "run a model on given tensors");
  verb->add_option("MODEL", options->model,
                   "model folder (Hugging Face Mamba folders too), checkpoint or run")
      ->required();
  verb->add_option("--input", options->input,
                   "safetensors: tokens, modality, offsets; transfusion: patches, timesteps")
      ->required();
  verb->add_option("--output", options->output, "safetensors: logits; transfusion: noise")->required();
  verb->callback([options] { eval::forward_file(options->model, options->input, options->output); });
}

}  // namespace mom::app
