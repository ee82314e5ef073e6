#include "mom/eval/evaluate.h"

#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/models/model_config.h"

namespace mom::app {
namespace {

void print_table(const OrderedJson& result) {
  std::printf("step %lld, split %s\n%-20s %-10s %12s %12s\n", result["step"].get<long long>(),
              result["split"].get<std::string>().c_str(), "set", "modality", "loss", "tokens");
  for (const auto& [name, set] : result["sets"].items())
    for (const auto& [modality, loss] : set["loss"].items())
      std::printf("%-20s %-10s %12.5f %12lld\n", name.c_str(), modality.c_str(), loss.get<double>(),
                  set["tokens"][modality].get<long long>());
  std::puts(result["setting"] == "transfusion"
                ? "text: nats a token; image: mean squared error of the predicted noise (predicting nothing "
                  "gives 1)"
                : "nats a token, counted to the modality of the token that is predicted");
}

}  // namespace

void add_eval_verb(CLI::App& app) {
  auto options = std::make_shared<eval::EvalOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("eval", "loss per modality on held-out data");
  verb->add_option("RUN", options->run, "run folder")->required();
  verb->add_option("--data", options->data, "other encoded data than the run's");
  verb->add_option("--split", options->split, "which documents")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->capture_default_str();
  verb->add_option("--max-tokens", options->max_tokens,
                   "about how many tokens of each set, spread evenly; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--weights", options->weights, "round the weights first, as `mom convert quantize` does")
      ->check(CLI::IsMember(models::weight_types()))
      ->capture_default_str();
  verb->add_option("--samples", options->samples, "samples of each kind to write into RUN/samples")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_flag("--json", *json, "one JSON object");
  verb->callback([options, json] {
    const OrderedJson result = eval::evaluate_run(*options);
    *json ? print_json(result) : print_table(result);
  });
}

}  // namespace mom::app
