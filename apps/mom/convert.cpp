#include "mom/eval/convert.h"

#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/log.h"
#include "mom/eval/export.h"

namespace mom::app {

namespace {

void add_dense_to_mom(CLI::App& convert) {
  struct Options {
    Path from, out;
    std::vector<std::string> modalities, decoupled;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = convert.add_subcommand(
      "dense-to-mom",
      "a dense Mamba as the Mixture-of-Mamba that computes the same (train.start_from continues from it)");
  verb->add_option("MODEL", options->from, "run or model folder")->required();
  verb->add_option("--out", options->out, "the new model folder")->required();
  verb->add_option("--modalities", options->modalities,
                   "for a plain language model: the modalities of the new model, e.g. text,image")
      ->delimiter(',');
  verb->add_option("--decoupled", options->decoupled, "projections to copy; all four when not given")
      ->delimiter(',');
  verb->callback([options] {
    eval::convert_dense_to_mixture(options->from, options->out, options->modalities, options->decoupled);
    log_info("wrote " + options->out.string());
  });
}

void add_add_modality(CLI::App& convert) {
  auto options = std::make_shared<eval::AddModality>();
  CLI::App* verb = convert.add_subcommand(
      "add-modality",
      "a model with one more modality, whose own weights begin as text's; text is computed as before");
  verb->add_option("MODEL", options->from, "run or model folder")->required();
  verb->add_option("--modality", options->modality, "its name, e.g. speech")->required();
  verb->add_option("--out", options->out, "the new model folder")->required();
  auto* data = verb->add_option("--data", options->data, "encoded data that has it, for train.start_from");
  verb->add_option("--codes", options->codes,
                   "without data: size of the codebook of images or speech; the papers' when not given")
      ->check(CLI::Range(1, 1 << 24))
      ->excludes(data);
  verb->callback([options] {
    eval::convert_add_modality(*options);
    log_info("wrote " + options->out.string());
  });
}

void add_export(CLI::App& convert, const char* name, const char* help, const char* out,
                void (*convert_it)(const eval::Export&)) {
  auto options = std::make_shared<eval::Export>();
  CLI::App* verb = convert.add_subcommand(name, help);
  verb->add_option("MODEL", options->from, "run or model folder")->required();
  verb->add_option("--out", options->out, out)->required();
  verb->add_option("--codecs", options->codecs,
                   "codecs, one folder per modality; those of a run's data when not given");
  verb->callback([options, convert_it] {
    convert_it(*options);
    log_info("wrote " + options->out.string());
  });
}

void add_quantize(CLI::App& convert) {
  struct Options {
    Path from, out;
    std::string weights = "int8";
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      convert.add_subcommand("quantize", "a model folder with its matrices in fewer bits, for generation");
  verb->add_option("MODEL", options->from, "run or model folder")->required();
  verb->add_option("--out", options->out, "the new model folder")->required();
  verb->add_option("--weights", options->weights, "int8 (one scale per row) or bfloat16")
      ->check(CLI::IsMember({"int8", "bfloat16"}))
      ->capture_default_str();
  verb->callback([options] {
    eval::convert_quantize(options->from, options->out, options->weights);
    log_info("wrote " + options->out.string());
  });
}

}  // namespace

void add_convert_verb(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("convert", "turn a model into another");
  verb->require_subcommand(1);
  add_dense_to_mom(*verb);
  add_add_modality(*verb);
  add_quantize(*verb);
  add_export(*verb, "text-only",
             "the dense Mamba inside a Mixture-of-Mamba, for transformers and mom: text's weights "
             "and rows",
             "the new model folder", eval::convert_text_only);
  add_export(*verb, "to-hf", "a folder that transformers loads with trust_remote_code: all modalities",
             "the new model folder", eval::convert_to_hf);
  add_export(*verb, "to-gguf", "a GGUF file of the dense Mamba inside, for llama.cpp", "the new file",
             eval::convert_to_gguf);
}

}  // namespace mom::app
