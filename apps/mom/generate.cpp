#include "mom/generate/generate.h"

#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/models/model_spec.h"

namespace mom::app {
namespace {

struct GenerateVerb : generate::GenerateOptions {
  bool json = false;
};

void print_texts(const OrderedJson& result) {
  for (const OrderedJson& answer : result["answers"])
    std::printf("%s\n\n", answer.contains("text") ? answer["text"].get<std::string>().c_str()
                                                  : answer["tokens"].dump().c_str());
}

void add_prompt(CLI::App& verb, GenerateVerb& o) {
  verb.add_option("--prompt", o.prompt, "text that the document begins with");
  // Files precede the text in this order, whatever the order of the options.
  for (const auto& [modality, help] :
       {std::pair{"image", "image file before the text"}, {"speech", "sound file before the text"}}) {
    const std::string option = std::string("--") + modality;
    verb.add_option_function<std::string>(
        option,
        [&o, option, name = std::string(modality)](const std::string& file) {
          o.files.push_back({option, name, file});
        },
        help);
  }
  verb.add_option_function<std::vector<std::string>>(
          "--given",
          [&o](const std::vector<std::string>& given) {
            for (const std::string& one : given) {
              const size_t equals = one.find('=');
              if (equals == std::string::npos)
                throw UserError({"--given", "MODALITY=FILE", "'" + one + "'", ""});
              o.files.push_back({"--given", one.substr(0, equals), one.substr(equals + 1)});
            }
          },
          "a file of any modality before the text, such as music=song.npy; may be repeated")
      ->type_name("MODALITY=FILE")
      ->allow_extra_args(false);
  verb.add_option("--tokens", o.tokens, "the whole prompt as ids, e.g. 2,17,301")->delimiter(',');
}

void add_target(CLI::App& verb, GenerateVerb& o) {
  verb.add_option("--modality", o.modality,
                  "what to generate: text, image, speech or another modality of the model")
      ->capture_default_str();
  verb.add_flag("--interleaved", o.interleaved, "all modalities the model writes, as a folder with a page");
  verb.add_option("--count", o.count, "number of answers (1 to 1000)")->capture_default_str();
  verb.add_option(
      "--max-tokens", o.max_tokens,
      "at most so many tokens and patches, 256 by default; open images and speech end within them");
  verb.add_option("--out", o.out, "a folder, or for one answer a .png, .wav, .npy or .txt file");
  verb.add_flag(
      "--run-decoders", o.run_decoders,
      "run the decode commands of codecs from outside ('mom codec describe --decode'): only for codec "
      "folders that you trust");
  verb.add_option("--decode-limit", o.decode_limit_s, "seconds that each of them may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--grid", o.grid, "PNG with all images side by side");
}

void add_sampling(CLI::App& verb, GenerateVerb& o) {
  verb.add_option("--seed", o.seed, "the same seed gives the same answers")->capture_default_str();
  verb.add_option("--temperature", o.sampling.temperature, "sampling temperature; 0: the likeliest token")
      ->capture_default_str();
  verb.add_option("--top-k", o.sampling.top_k, "sample among this many likeliest tokens; 0: off")
      ->capture_default_str();
  verb.add_option("--top-p", o.sampling.top_p,
                  "sample among the likeliest tokens whose probabilities sum to this; 1: off")
      ->capture_default_str();
  verb.add_option("--min-p", o.sampling.min_p,
                  "sample among tokens with at least this share of the likeliest one's probability; 0: off")
      ->capture_default_str();
  verb.add_option("--repetition-penalty", o.sampling.repetition_penalty,
                  "makes tokens of text seen before less likely; 1: off")
      ->capture_default_str();
  verb.add_option("--steps", o.steps, "denoising steps of images as latents, 50 by default");
  verb.add_option("--sampler", o.sampler, "for images as latents: ddpm (default) or ddim");
  verb.add_option("--guidance", o.guidance, "how strongly images follow the text, 3 by default; 1: off");
}

}  // namespace

void add_generate_verb(CLI::App& app) {
  auto options = std::make_shared<GenerateVerb>();
  CLI::App* verb = app.add_subcommand("generate", "generate text, images, speech and documents of all three");
  verb->add_option("RUN", options->run,
                   "run folder, or a model folder (also of Hugging Face's Mamba and Llama)")
      ->required();
  verb->add_option(
      "--codecs", options->codecs,
      "folder with a codec per modality (text/, image/ ...), instead of those of the run's data");
  verb->add_option(
          "--weights", options->weights,
          "for steps of text and codes: float32, bfloat16 or int8; by default as stored in the folder")
      ->check(CLI::IsMember(models::weight_types()));
  verb->add_flag("--last-weights", options->last_weights,
                 "the weights of the last step, where the run keeps an average (train.ema_decay)");
  add_device_option(*verb, options->device);
  add_prompt(*verb, *options);
  add_target(*verb, *options);
  add_sampling(*verb, *options);
  verb->add_flag("--json", options->json, "one JSON object: token ids, log-probabilities, files, timings");
  verb->callback([options] {
    if (!options->json) {
      options->on_text = [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
      };
    }
    const OrderedJson result = generate::generate(*options);
    if (options->json) return print_json(result);
    if (options->modality == modality::kTextName && options->count == 1)
      std::puts(result.contains("text") ? "" : result["tokens"].dump().c_str());
    if (options->modality == modality::kTextName && options->count > 1) print_texts(result);
    for (const OrderedJson& file : result["files"]) std::printf("%s\n", file.get<std::string>().c_str());
  });
}

}  // namespace mom::app
