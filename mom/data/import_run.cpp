#include "mom/data/import_run.h"

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/utf8.h"
#include "mom/data/split.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxListed = 20;

std::string counted(uint64_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

}  // namespace

ImportRun::ImportRun(const ImportOptions& options)
    : options_(options), writer_(options.out, options.replace), progress_("import", "documents", 0) {}

void ImportRun::sample(const std::string& place, const std::function<std::optional<Draft>()>& make) {
  LeftOut item{Reason::kUnusable, place, {}};
  try {
    if (const std::optional<Draft> draft = make()) store(*draft, place);
    return;
  } catch (const SampleFault& fault) {
    item.reason = fault.reason();
    item.message = fault.what();
  } catch (const InputError& error) {
    item.message = error.what();
  }
  leave_out(item);
}

void ImportRun::leave_out(LeftOut item) {
  item.message = printable(item.message);  // errors of readers have names as they are
  const bool is_fault = text_of(item.reason).is_fault;
  if (options_.strict) throw ImportStopped(item.message + " ('--strict': nothing may be left out)");
  if (is_fault && !options_.skip_bad)
    throw ImportStopped(item.message + " ('--skip-bad' goes on without bad samples)");
  summary_.left_out.add(item);
  writer_.add_left_out(
      {{"reason", text_of(item.reason).id}, {"place", item.place}, {"message", item.message}});
  if (is_fault && ++summary_.num_skipped <= kMaxListed) log_warning("left out: " + item.message);
}

void ImportRun::leave_out(const std::vector<LeftOut>& items) {
  for (const LeftOut& item : items) leave_out(item);
}

std::string ImportRun::split_of(const std::string& key) const {
  if (options_.validation) return in_share(key, *options_.validation) ? "validation" : "train";
  return options_.split.empty() ? split_by_hash(key) : options_.split;
}

void ImportRun::store(const Draft& draft, const std::string& place) {
  const std::string split = split_of(draft.key);
  if (writer_.contains(source_, split, draft.key))
    throw SampleFault(Reason::kCollision,
                      format_error({place, "a key used once in source '" + source_ + "'",
                                    "a second document '" + draft.key + "'", "give each a key of its own"}));
  Document document{.key = draft.key, .free_order = draft.free_order, .segments = {}};
  for (const DraftSegment& segment : draft.segments) {
    MediaRef media;
    if (segment.modality != kText) media = writer_.add_media(segment.media_name, segment.media_bytes);
    document.segments.push_back(
        {segment.modality, segment.text, segment.keywords, media, segment.seconds, segment.encoded});
  }
  writer_.add(source_, split, document);
  splits_.insert(split);
  progress_.update(++summary_.num_documents);
}

void ImportRun::report() {
  const ImportAccount& account = summary_.left_out;
  const std::string imported = "imported " + counted(summary_.num_documents, "document");
  if (account.num_all() == 0) return log_info(imported + "; nothing was left out");
  const std::string line = imported + "; left out: " + account.summary() + "; all are listed in " +
                           (options_.out / "left_out.jsonl").string();
  account.num_faults() > 0 ? log_warning(line) : log_info(line);
}

ImportSummary ImportRun::finish() {
  if (summary_.num_documents == 0) {
    std::string sources;
    for (const Path& source : options_.sources)
      sources += (sources.empty() ? "" : ", ") + printable(source.string());
    const std::string left_out = summary_.left_out.summary();
    throw InputError({sources, "documents", left_out.empty() ? "no samples" : "none; left out: " + left_out,
                      "see 'mom data import --help' for what a sample is"});
  }
  writer_.set_skipped(summary_.num_skipped);
  writer_.commit();
  progress_.finish();
  report();
  if (splits_.contains("train") && !splits_.contains("validation"))
    log_warning(
        "no validation split: a model trained on these documents alone has nothing held out to be evaluated "
        "on; " +
        std::string(options_.validation
                        ? "give '--validation' a larger share"
                        : "'--validation 0.02' holds out a share of them by the hash of the key"));
  return summary_;
}

}  // namespace mom::data
