#include "mom/eval/convert.h"

#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/log.h"

namespace mom::app {

void add_convert_verb(CLI::App& app) {
  struct Options {
    Path from, out;
    std::vector<std::string> modalities, decoupled;
  };
  CLI::App* verb = app.add_subcommand("convert", "turns a model into another");
  verb->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* upcycle = verb->add_subcommand(
      "dense-to-mom",
      "a dense Mamba as the Mixture-of-Mamba that computes the same (train.start_from goes on with it)");
  upcycle->add_option("MODEL", options->from, "run or model folder")->required();
  upcycle->add_option("--out", options->out, "the new model folder")->required();
  upcycle
      ->add_option("--modalities", options->modalities,
                   "for a plain language model: the modalities to be, e.g. text,image")
      ->delimiter(',');
  upcycle->add_option("--decoupled", options->decoupled, "projections to copy; all four when not given")
      ->delimiter(',');
  upcycle->callback([options] {
    eval::convert_dense_to_mixture(options->from, options->out, options->modalities, options->decoupled);
    log_info("wrote " + options->out.string());
  });
}

}  // namespace mom::app
