#include "mom/data/import_run.h"

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/data/split.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxListed = 20;

}  // namespace

ImportRun::ImportRun(const ImportOptions& options)
    : options_(options), writer_(options.out, options.replace), progress_("import", "documents", 0) {}

void ImportRun::sample(const std::function<Draft()>& make) {
  try {
    store(make());
  } catch (const InputError& error) {
    bad(error.what());
  }
}

void ImportRun::bad(const std::string& message) {
  if (!options_.skip_bad) throw InputError(message + " ('--skip-bad' goes on without bad samples)");
  if (++summary_.num_skipped <= kMaxListed) log_warning("skipped: " + message);
}

void ImportRun::store(const Draft& draft) {
  Document document{.key = draft.key, .free_order = draft.free_order, .segments = {}};
  for (const DraftSegment& segment : draft.segments) {
    MediaRef media;
    if (segment.modality != kText) media = writer_.add_media(segment.media_name, segment.media_bytes);
    document.segments.push_back({segment.modality, segment.text, segment.keywords, media, segment.seconds});
  }
  writer_.add(source_, options_.split.empty() ? split_by_hash(draft.key) : options_.split, document);
  progress_.update(++summary_.num_documents);
}

ImportSummary ImportRun::finish() {
  if (summary_.num_skipped > 0)
    log_warning(std::to_string(summary_.num_skipped) + " bad samples skipped" +
                (summary_.num_skipped > kMaxListed
                     ? ", the first " + std::to_string(kMaxListed) + " of them listed"
                     : ""));
  if (summary_.num_documents == 0) {
    std::string sources;
    for (const Path& source : options_.sources) sources += (sources.empty() ? "" : ", ") + source.string();
    std::string found = "no samples";
    if (summary_.num_skipped > 0) found = "only bad samples (" + std::to_string(summary_.num_skipped) + ")";
    throw InputError({sources, "documents", found, "see 'mom data import --help' for what a sample is"});
  }
  writer_.set_skipped(summary_.num_skipped);
  writer_.commit();
  progress_.finish();
  return summary_;
}

}  // namespace mom::data
