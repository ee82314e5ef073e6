#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/text_import.h"
#include "mom/data/codec_describe.h"
#include "mom/data/codec_training.h"

namespace mom::app {
namespace {

// Figures for people, one "key: value" per line.
void print_figures(const OrderedJson& figures) {
  for (const auto& [key, value] : figures.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    std::printf("%s: %s\n", key.c_str(), text.c_str());
  }
}

void add_train(CLI::App& codec) {
  struct Options : data::CodecTrainOptions {
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = codec.add_subcommand("train", "train a text, image or speech codec on documents");
  verb->add_option("CONFIG", options->config,
                   "TOML with kind = \"text\", \"image_vae\", \"vq_image\" or \"speech\"")
      ->required();
  verb->add_option("--data", options->documents, "documents folder")->required();
  verb->add_option("--out", options->out, "codec folder to make")->required();
  verb->add_option("--set", options->overrides, "override a key of CONFIG, e.g. image_vae.steps=100")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb->add_option("--steps", options->steps, "training steps in place of the config's (not for text)")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--replace", options->replace, "replace the folder when it exists");
  verb->add_flag("--json", options->json, "the report as one JSON object");
  verb->callback([options] {
    const OrderedJson result = data::train_codec(*options);
    options->json ? print_json(result) : print_figures(result);
  });
}

void add_describe(CLI::App& codec) {
  struct Options : data::CodecDescribeOptions {
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = codec.add_subcommand(
      "describe", "the folder of a codec from outside, whose codes or latents documents hold as .npy arrays");
  verb->add_option("--name", options->name, "the modality, as in KEY.NAME.npy")->required();
  verb->add_option("--data", options->documents, "documents folder with its items")->required();
  verb->add_option("--out", options->out, "codec folder to make")->required();
  verb->add_option("--representation", options->representation,
                   "codes or latents (default: integers are codes, floats are latents)")
      ->check(CLI::IsMember({"codes", "latents"}));
  verb->add_option("--codebook-size", options->codebook_size, "codes: how many there are")
      ->check(CLI::PositiveNumber);
  verb->add_option("--length", options->length,
                   "codes: fixed or variable (default: fixed where all items of the data have one length)")
      ->check(CLI::IsMember({"fixed", "variable"}));
  verb->add_option("--grid", options->grid,
                   "codes of fixed length that are stored as a list: the array to give back, such as 16x16");
  verb->add_option("--rate", options->rate_hz, "codes per second, where they are in time")
      ->check(CLI::PositiveNumber);
  verb->add_option("--note", options->note, "where the decoder is, for people");
  verb->add_option("--decode", options->decode,
                   "command that decodes an .npy file, such as 'python decode.py {in} {out}'; run only "
                   "with --run-decoders");
  verb->add_option("--decodes-to", options->decodes_to, "what that command writes: png or wav")
      ->check(CLI::IsMember({"png", "wav"}));
  verb->add_flag("--replace", options->replace, "replace the folder when it exists");
  verb->add_flag("--json", options->json, "the description as one JSON object");
  verb->callback([options] {
    const OrderedJson result = data::describe_codec(*options);
    options->json ? print_json(result) : print_figures(result);
  });
}

void add_roundtrip(CLI::App& codec) {
  struct Options : codecs::RoundtripOptions {
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = codec.add_subcommand("roundtrip", "encode and decode one file, and measure what is lost");
  verb->add_option("CODEC", options->codec, "codec folder")->required();
  verb->add_option("FILE", options->file,
                   "a text, a PNG, JPEG, WebP or GIF image, or a WAV, FLAC, Ogg or MP3 sound")
      ->required();
  verb->add_option("--out", options->out, "file for the decoded text, image (PNG) or sound (WAV)")
      ->required();
  verb->add_option("--mel", options->mel, "speech: also the log-mel before and after, as safetensors");
  verb->add_flag("--json", options->json, "the figures as one JSON object");
  verb->callback([options] {
    const OrderedJson result = codecs::roundtrip(*options);
    options->json ? print_json(result) : print_figures(result);
  });
}

void add_codec_import(CLI::App& codec) {
  struct Options {
    Path source, out;
    bool replace = false, json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = codec.add_subcommand("import", "make a text codec of a tokenizer of Hugging Face");
  verb->add_option("SOURCE", options->source, "tokenizer.json (byte-level BPE), or a folder with one")
      ->required();
  verb->add_option("--out", options->out, "codec folder to make")->required();
  verb->add_flag("--replace", options->replace, "replace the folder when it exists");
  verb->add_flag("--json", options->json, "the result as one JSON object");
  verb->callback([options] {
    const OrderedJson result = codecs::import_text_codec(options->source, options->out, options->replace);
    options->json ? print_json(result) : print_figures(result);
  });
}

void add_codec_export(CLI::App& codec) {
  struct Options {
    Path codec, out;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = codec.add_subcommand("export", "write a text codec as a tokenizer.json of Hugging Face");
  verb->add_option("CODEC", options->codec, "codec folder of kind text")->required();
  verb->add_option("--out", options->out, "file to write")->required();
  verb->add_flag("--json", options->json, "the result as one JSON object");
  verb->callback([options] {
    const OrderedJson result = codecs::export_text_codec(options->codec, options->out);
    options->json ? print_json(result) : print_figures(result);
  });
}

}  // namespace

void add_codec_verb(CLI::App& app) {
  CLI::App* codec = app.add_subcommand("codec", "train, describe, try, import and export codecs");
  codec->require_subcommand(1);
  add_train(*codec);
  add_describe(*codec);
  add_roundtrip(*codec);
  add_codec_import(*codec);
  add_codec_export(*codec);
}

}  // namespace mom::app
