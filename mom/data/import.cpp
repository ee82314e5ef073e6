#include "mom/data/import.h"

#include <set>

#include "mom/base/error.h"
#include "mom/base/lock.h"
#include "mom/data/import_names.h"
#include "mom/data/import_run.h"
#include "mom/data/import_sources.h"

namespace mom::data {
namespace {

void check(const ImportOptions& options) {
  if (options.sources.empty()) throw UserError("mom data import: expected at least one source");
  static const std::set<std::string> kSplits = {"", "train", "validation", "test"};
  if (!kSplits.contains(options.split))
    throw UserError({"--split", "train, validation or test", "'" + options.split + "'", ""});
  if (options.strict && options.skip_bad)
    throw UserError({"--strict", "nothing to be left out", "'--skip-bad' beside it", "choose one of them"});
  if (!options.validation) return;
  if (!(*options.validation > 0 && *options.validation < 1))
    throw UserError({"--validation", "a share above 0 and below 1", std::to_string(*options.validation), ""});
  if (!options.split.empty() && options.split != "train")
    throw UserError(
        {"--validation", "train as the split of all others", "'--split " + options.split + "'", ""});
}

void import_item(ImportRun& run, const ImportSource::Item& item) {
  const std::string name = item.path.filename().string();
  if (std::filesystem::is_directory(item.path)) return import_folder(run, item.path, item.prefix);
  if (is_tar_name(name)) return import_tar(run, item.path, item.prefix);
  if (is_json_lines_name(name)) {
    import_json_lines(run, item.path, item.stem);
  } else {
    import_text_file(run, item.path, item.stem);
  }
}

}  // namespace

ImportSummary import_documents(const ImportOptions& options) {
  check(options);
  const Lock lock = Lock::of_output(options.out, {"import into another folder with --out"});
  const std::vector<ImportSource> sources = plan_sources(options.sources, options.source_name);
  ImportRun run(options);
  for (const ImportSource& source : sources) {
    run.set_source(source.name);
    for (const ImportSource::Item& item : source.items) import_item(run, item);
  }
  return run.finish();
}

}  // namespace mom::data
