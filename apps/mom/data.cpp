#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/log.h"
#include "mom/data/encode.h"
#include "mom/data/import.h"
#include "mom/data/inspect.h"

namespace mom::app {
namespace {

// Draws and speaks, with libraries that nothing else needs: a program of its own, which knows the options.
void add_quickstart(CLI::App& data) {
  CLI::App* verb =
      data.add_subcommand("quickstart", "make the quickstart data set from installed Debian packages");
  verb->prefix_command();
  verb->set_help_flag();
  verb->callback([verb] { become("mom-quickstart-data", verb->remaining()); });
}

void add_import(CLI::App& data) {
  auto options = std::make_shared<data::ImportOptions>();
  CLI::App* verb = data.add_subcommand("import", "make documents from your own files");
  verb->add_option(
          "SRC", options->sources,
          "WebDataset tars, folders, .jsonl (also .gz, .xz, .zst) or .txt; patterns as a-{000..012}.tar. "
          "Samples: "
          "KEY.txt with images and / or sounds (PNG, JPEG, WebP, GIF; WAV, FLAC, Ogg, MP3), or KEY.json with "
          "ordered \"segments\" of {\"text\": ...}, {\"image\": FILE}, {\"speech\": FILE}; codes or latents "
          "made elsewhere as KEY.MODALITY.npy, or {\"modality\": ..., \"codes\": [...]} or \"file\"; the "
          "caption may "
          "be KEY.caption, or \"caption\" or \"text\" of KEY.json. A line says what was left out and why")
      ->required();
  verb->add_option("--out", options->out, "documents folder to make")->required();
  verb->add_option("--source", options->source_name,
                   "source name (default: the stem of each file or folder; files that differ only in numbers "
                   "are one source)");
  verb->add_option("--split", options->split,
                   "train, validation or test for all (default: by the hash of the key, 1 in 20 each for "
                   "test and validation)");
  verb->add_option(
      "--validation", options->validation,
      "share of the documents for validation, such as 0.02, by the hash of the key; all others are "
      "for training");
  verb->add_flag("--paragraphs", options->paragraphs, "make a document of each paragraph of a text");
  verb->add_flag("--skip-bad", options->skip_bad,
                 "count and list bad samples instead of stopping at the first");
  verb->add_flag("--strict", options->strict,
                 "stop at anything that would be left out, also files of other kinds");
  verb->add_flag("--replace", options->replace, "replace the folder when it exists");
  verb->callback([options] {
    data::import_documents(*options);
    std::fputs(data::inspect_text(options->out, 0).c_str(), stdout);
  });
}

struct InspectOptions {
  Path folder, sheet;
  bool json = false;
  int examples = 3;
};

void add_inspect(CLI::App& data) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* verb = data.add_subcommand("inspect", "counts per modality, and examples");
  verb->add_option("PATH", options->folder, "documents folder or encoded data")->required();
  verb->add_flag("--json", options->json, "counts as one JSON object");
  verb->add_option("--examples", options->examples, "documents to show for each source and split")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  verb->add_option("--sheet", options->sheet, "also write a contact sheet of the images (PNG)");
  verb->callback([options] {
    if (options->json) {
      print_json(data::inspect_json(options->folder));
    } else {
      std::fputs(data::inspect_text(options->folder, options->examples).c_str(), stdout);
    }
    if (!options->sheet.empty()) data::write_contact_sheet(options->folder, options->sheet);
  });
}

void add_encode(CLI::App& data) {
  struct Options : data::EncodeOptions {
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = data.add_subcommand("encode", "turn documents into token ids and latents for training");
  verb->add_option("DIR", options->documents, "documents folder")->required();
  verb->add_option("--codecs", options->codecs, "codec folders, one per modality")->required();
  verb->add_option("--out", options->out, "folder of encoded shards to make")->required();
  verb->add_option("--without", options->without, "modalities to leave out, such as speech");
  verb->add_option("--variants", options->variants,
                   "views to encode of each image: itself and slightly shifted and scaled ones")
      ->capture_default_str();
  verb->add_flag("--skip-bad", options->skip_bad,
                 "count and list bad documents instead of stopping at the first");
  verb->add_flag("--replace", options->replace, "replace the folder when it exists");
  verb->add_flag("--json", options->json, "the counts as one JSON object");
  verb->callback([options] {
    const OrderedJson result = data::encode_documents(*options);
    if (options->json) {
      print_json(result);
    } else {
      std::fputs(data::inspect_text(options->out, 0).c_str(), stdout);
    }
  });
}

}  // namespace

void add_data_verb(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "make, import, encode and inspect data");
  data->require_subcommand(1);
  add_quickstart(*data);
  add_import(*data);
  add_encode(*data);
  add_inspect(*data);
}

}  // namespace mom::app
