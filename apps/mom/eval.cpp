#include "mom/eval/evaluate.h"

#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/compare/number_text.h"
#include "mom/models/model_spec.h"
#include "mom/quality/quality.h"

namespace mom::app {
namespace {

void print_table(const OrderedJson& result) {
  std::printf("step %lld, split %s\n%-20s %-10s %12s %12s\n", result["step"].get<long long>(),
              result["split"].get<std::string>().c_str(), "set", "modality", "loss", "tokens");
  for (const auto& [name, set] : result["sets"].items())
    for (const auto& [modality, loss] : set["loss"].items())
      std::printf("%-20s %-10s %12.5f %12lld\n", name.c_str(), modality.c_str(), loss.get<double>(),
                  set["tokens"][modality].get<long long>());
  for (const auto& [modality, unit] : result["units"].items())
    std::printf("%s: %s\n", modality.c_str(), unit.get<std::string>().c_str());
}

std::string accuracy_words(const OrderedJson& accuracy) {
  const auto percent = [](const OrderedJson& share) { return compare::percent_text(share.get<double>()); };
  return percent(accuracy["accuracy"]) + " (" + percent(accuracy["interval"][0]) + " to " +
         percent(accuracy["interval"][1]) + ") of " + accuracy["of"].dump();
}

std::string use_words(const OrderedJson& one) {
  const double use = one["use"].get<double>(), error = one["standard_error"].get<double>();
  return compare::fixed(100 * use, 2) + "% +- " + compare::fixed(100 * error, 2);
}

// How much lower the loss of images is with the right caption than with another one.
void print_uses(const OrderedJson& buckets) {
  for (const auto& [bucket, use] : buckets.items()) {
    std::printf("use of captions, %-16s %s  (loss %.4f, %.4f with another caption, %lld images)\n",
                bucket.c_str(), use_words(use).c_str(), use["right"].get<double>(),
                use["shuffled"].get<double>(), use["images"].get<long long>());
    if (!use.contains("levels")) continue;
    for (const auto& level : use["levels"])
      std::printf("  t %4lld to %-4lld                   %s\n", level["from"].get<long long>(),
                  level["to"].get<long long>(), use_words(level).c_str());
  }
}

void print_head(const OrderedJson& result) {
  std::printf("step %lld, split %s\n", result["step"].get<long long>(),
              result["split"].get<std::string>().c_str());
}

void print_caption_use(const OrderedJson& result) {
  print_head(result);
  print_uses(result["caption_use"]);
}

void print_grid(const OrderedJson& result, const Path& file) {
  print_head(result);
  for (const auto& row : result["grid"]["rows"])
    std::printf("%-10s %s\n", row["bucket"].get<std::string>().c_str(),
                row["caption"].get<std::string>().c_str());
  std::printf("%s\n", file.c_str());
}

void print_images(const OrderedJson& pictures) {
  for (const auto& [name, bucket] : pictures["buckets"].items()) {
    const OrderedJson &retrieval = bucket["retrieval"], &kid = bucket["kid"], &copies = bucket["copies"];
    std::printf("pictures of %s captions: %lld\n", name.c_str(), bucket["generated"].get<long long>());
    std::printf("  caption found among %-3lld         %s\n    from real pictures            %s%s\n",
                retrieval["among"].get<long long>(), accuracy_words(retrieval["generated"]).c_str(),
                accuracy_words(retrieval["real"]).c_str(),
                retrieval["accepted"].get<bool>() ? "" : ": not enough to judge by");
    const auto distance = [](const OrderedJson& one) {
      return compare::fixed(one["mean"].get<double>(), 4) + " +- " +
             compare::fixed(one["standard_error"].get<double>(), 4);
    };
    std::printf("  KID to real ones                %s (training pictures: %s)\n",
                distance(kid["generated"]).c_str(), distance(kid["real"]).c_str());
    std::printf("  copies of training pictures     %s\n", accuracy_words(copies["generated"]).c_str());
    std::printf("  steps across patch borders, of those of real ones: %.2f\n",
                bucket["seams"]["ratio"].get<double>());
  }
}

void print_quality(const OrderedJson& result) {
  print_head(result);
  if (result.contains("pictures")) print_images(result["pictures"]);
  if (result.contains("caption_use")) print_uses(result["caption_use"]);
  auto print_ranking = [](const std::string& of, const std::string& which, const OrderedJson& ranking) {
    std::printf("%s: caption chosen among %lld, %-12s %s\n", of.c_str(), ranking["among"].get<long long>(),
                which.c_str(), accuracy_words(ranking["by_information"]).c_str());
  };
  if (result.contains("descriptions"))
    for (const auto& [bucket, ranking] : result["descriptions"].items())
      print_ranking("image", bucket, ranking);
  const std::string captions = "captions_of_";
  for (const auto& [key, sources] : result.items()) {
    if (!key.starts_with(captions)) continue;
    for (const auto& [source, ranking] : sources.items())
      print_ranking(key.substr(captions.size()), source, ranking);
  }
  if (result.contains("text"))
    for (const auto& [source, text] : result["text"].items())
      std::printf("text: bits per byte, %-12s %.4f\n", source.c_str(), text["bits_per_byte"].get<double>());
}

void add_quality_options(CLI::App& verb, quality::QualityOptions& o, CLI::Option& generation) {
  verb.add_option(
          "--pictures", o.pictures,
          "of each kind of captions (trained, recombined, unseen): pictures to generate, or to measure "
          "the use of captions on")
      ->capture_default_str();
  verb.add_option("--steps", o.steps, "denoising steps of pictures as latents")->capture_default_str();
  verb.add_option("--sampler", o.sampler, "of pictures as latents: ddpm or ddim")->capture_default_str();
  verb.add_option("--guidance", o.guidance, "how much more pictures follow the text; 1: off")
      ->capture_default_str();
  verb.add_option("--probe-steps", o.probe_steps,
                  "training steps of the probe that finds captions, where the data have none yet")
      ->capture_default_str()
      ->needs(&generation);
  verb.add_option("--candidates", o.candidates, "captions that a picture or recording is ranked among")
      ->capture_default_str()
      ->needs(&generation);
  verb.add_option("--seed", o.seed, "of pictures, noise and candidates")->capture_default_str();
}

// What the verb was asked for.
struct Asked {
  bool json = false, generation = false, caption_use = false;
  std::optional<std::string> grid;  // empty text: in the run folder

  // Which of the options above mean something.
  void check(const CLI::App& verb) const {
    for (const char* name : {"--pictures", "--seed"})
      if (verb.count(name) > 0 && !generation && !caption_use)
        throw UserError({name, "--generation or --caption-use beside it", "neither", ""});
    for (const char* name : {"--steps", "--sampler", "--guidance"})
      if (verb.count(name) > 0 && !generation && !grid)
        throw UserError({name, "--generation or --grid beside it", "neither", ""});
  }
};

}  // namespace

void add_eval_verb(CLI::App& app) {
  auto options = std::make_shared<eval::EvalOptions>();
  auto quality = std::make_shared<quality::QualityOptions>();
  auto asked = std::make_shared<Asked>();
  CLI::App* verb =
      app.add_subcommand("eval", "loss per modality on held-out data, or quality of what is generated");
  verb->add_option("RUN", options->run, "run folder")->required();
  verb->add_option("--data", options->data, "other encoded data than the run's");
  verb->add_option("--split", options->split, "which documents")
      ->check(CLI::IsMember({"train", "validation", "test", "recombined"}))
      ->capture_default_str();
  verb->add_option("--max-tokens", options->max_tokens,
                   "about how many tokens of each set, spread evenly; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--weights", options->weights, "round the weights first, as `mom convert quantize` does")
      ->check(CLI::IsMember(models::weight_types()))
      ->capture_default_str();
  verb->add_flag("--last-weights", options->last_weights,
                 "the weights of the last step, where the run keeps an average (train.ema_decay)");
  add_device_option(*verb, options->device);
  verb->add_option("--samples", options->samples, "samples of each modality to write into RUN/samples")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  CLI::Option* run_decoders = verb->add_flag(
      "--run-decoders", options->run_decoders,
      "for samples, run the decode commands of codecs from outside ('mom codec describe --decode'): only for "
      "codec folders that you trust");
  verb->add_option("--decode-limit", options->decode_limit_s, "seconds that each of them may take")
      ->check(CLI::PositiveNumber)
      ->needs(run_decoders)
      ->capture_default_str();
  CLI::Option* generation =
      verb->add_flag("--generation", asked->generation,
                     "instead: generate for held-out captions, rank captions, measure text "
                     "(docs/quality.md); into RUN/generation");
  CLI::Option* caption_use =
      verb->add_flag("--caption-use", asked->caption_use,
                     "instead: how much lower the loss of images is with the right caption than with "
                     "another one, in seconds (docs/quality.md)")
          ->excludes(generation);
  CLI::Option* grid =
      verb->add_option(
              "--grid", asked->grid,
              "instead: only the grid of captions and seeds of --generation, as this PNG file; without a "
              "file into RUN/grid, for mom report")
          ->type_name("[FILE]")
          ->expected(0, 1)
          ->excludes(generation)
          ->excludes(caption_use);
  for (const char* other : {"--weights", "--last-weights", "--samples", "--max-tokens", "--run-decoders"})
    for (CLI::Option* instead : {generation, caption_use, grid}) instead->excludes(verb->get_option(other));
  add_quality_options(*verb, *quality, *generation);
  verb->add_flag("--json", asked->json, "one JSON object");
  verb->callback([options, quality, asked, verb] {
    asked->check(*verb);
    quality->run = options->run;
    quality->data = options->data;
    quality->split = options->split;
    quality->device = options->device;
    if (asked->generation) {
      const OrderedJson result = quality::evaluate_generation(*quality);
      return asked->json ? print_json(result) : print_quality(result);
    }
    if (asked->caption_use) {
      const OrderedJson result = quality::evaluate_caption_use(*quality);
      return asked->json ? print_json(result) : print_caption_use(result);
    }
    if (asked->grid) {
      const OrderedJson result = quality::evaluate_grid(*quality, *asked->grid);
      return asked->json ? print_json(result)
                         : print_grid(result, asked->grid->empty() ? quality->run / "grid/grid.png"
                                                                   : Path(*asked->grid));
    }
    const OrderedJson result = eval::evaluate_run(*options);
    asked->json ? print_json(result) : print_table(result);
  });
}

}  // namespace mom::app
