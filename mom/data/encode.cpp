#include "mom/data/encode.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/parallel.h"
#include "mom/base/progress.h"
#include "mom/base/stopwatch.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/document.h"
#include "mom/data/encoded_writer.h"
#include "mom/data/media.h"

namespace mom::data {
namespace {

constexpr size_t kBatchDocuments = 256;
constexpr int64_t kThreads = 2;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_without(const DocumentReader& reader, const std::vector<std::string>& without,
                   const codecs::CodecSet& codecs) {
  std::map<std::string, uint64_t> num_segments;
  for (const Collection& collection : reader.collections())
    for (const auto& [modality, count] : collection.num_segments) num_segments[modality] += count;
  std::string names;
  for (const auto& [modality, count] : num_segments)
    if (count > 0) names += (names.empty() ? "" : ", ") + modality;
  for (const std::string& modality : without) {
    if (!num_segments.contains(modality) || num_segments[modality] == 0)
      throw UserError({"--without", "a modality of the documents (" + names + ")", "'" + modality + "'", ""});
    if (codecs.has(modality))
      throw UserError(
          {"--without", "no codec for " + modality, "one in '--codecs'", "leave one of them out"});
  }
}

void require_codecs(const DocumentReader& reader, const codecs::CodecSet& codecs,
                    const std::vector<std::string>& without) {
  for (const Collection& collection : reader.collections()) {
    for (const auto& [modality, count] : collection.num_segments) {
      if (count == 0 || codecs.has(modality) || contains(without, modality)) continue;
      throw UserError({"--codecs",
                       "a codec for " + modality + " (" + collection.file + " has " + std::to_string(count) +
                           " such segments)",
                       "none",
                       "add one made by 'mom codec train' (of encoded segments: 'mom codec describe'), or "
                       "leave them out with "
                       "'--without " +
                           modality + "'"});
    }
  }
}

// An item that waits to be encoded with others.
struct Waiting {
  size_t segment;
  std::vector<at::Tensor> views;
};

// A document on its way.
struct Prepared {
  Document document;
  EncodedDocument encoded;
  std::vector<Waiting> waiting;
  std::string error;
};

class Encoder {
 public:
  Encoder(const EncodeOptions& options, const DocumentReader& reader, EncodedWriter& writer)
      : options_(options),
        reader_(reader),
        codecs_(writer.codecs()),
        vocabulary_(writer.vocabulary()),
        writer_(writer) {}

  void run() {
    uint64_t total = 0;
    for (const Collection& collection : reader_.collections()) total += collection.num_documents;
    Progress progress("encoding", "documents", total);
    uint64_t done = 0;
    for (const Collection& collection : reader_.collections()) {
      collection_ = &collection;
      std::vector<Prepared> batch;
      reader_.for_each(collection, [&](const Document& document) {
        if (std::optional<Document> kept = without_modalities(document))
          batch.push_back({std::move(*kept), {}, {}, {}});
        if (batch.size() == kBatchDocuments) encode_batch(batch);
        progress.update(++done, collection.source);
      });
      encode_batch(batch);
      writer_.end_shards();
    }
    progress.finish();
  }

  uint64_t num_skipped = 0;
  uint64_t num_emptied = 0, num_dropped = 0;  // documents and segments of modalities that are left out

 private:
  // Nothing when nothing would be left of it.
  std::optional<Document> without_modalities(Document document) {
    const size_t dropped = std::erase_if(document.segments, [&](const Segment& segment) {
      return contains(options_.without, segment.modality);
    });
    num_dropped += dropped;
    if (dropped > 0 && document.segments.empty()) return ++num_emptied, std::nullopt;
    if (dropped > 0 && document.segments.size() < 2) document.free_order = false;
    return document;
  }

  void encode_batch(std::vector<Prepared>& batch) {
    parallel_for(static_cast<int64_t>(batch.size()), kThreads,
                 [&](int64_t i) { prepare(batch[static_cast<size_t>(i)]); });
    drop_bad(batch);
    encode_waiting(batch);
    for (const Prepared& item : batch) writer_.add(collection_->source, collection_->split, item.encoded);
    batch.clear();
  }

  void drop_bad(std::vector<Prepared>& batch) {
    std::erase_if(batch,
                  [&](const Prepared& item) { return !item.error.empty() && (skip(item.error), true); });
  }

  void skip(const std::string& error) {
    if (!options_.skip_bad) throw InputError(error);
    ++num_skipped;
    log_warning("left out: " + error);
  }

  void prepare(Prepared& item) const {
    const std::string sample = sample_name(*collection_, item.document);
    item.encoded.free_order = item.document.free_order;
    try {
      for (const Segment& segment : item.document.segments) prepare_segment(item, segment, sample);
      check_segments(item.document.segments, item.document.free_order, sample);
    } catch (const InputError& error) {
      item.error = error.what();
    }
  }

  void prepare_segment(Prepared& item, const Segment& segment, const std::string& sample) const {
    const modality::Modality* modality = vocabulary_.find(segment.modality);
    if (!modality)
      throw InputError(
          {sample, "segments of a modality that dataset.json counts", "\"" + segment.modality + "\"", ""});
    if (modality->is_text()) {
      item.encoded.segments.push_back(writer_.text_segment(segment.text, segment.keywords));
      return;
    }
    EncodedSegment& encoded = item.encoded.segments.emplace_back(writer_.segment_of(*modality));
    const codecs::MediaCodec& codec = codecs_.media(modality->name);
    if (segment.encoded != (codec.media() == codecs::MediaKind::kArray))
      throw InputError({sample, segment.encoded ? "media" : "encoded segments (.npy)",
                        segment.encoded ? "an encoded segment" : "media",
                        "the codec of " + modality->name + " is of kind " + codec.info().kind});
    const size_t index = item.encoded.segments.size() - 1;
    std::vector<at::Tensor> views = views_of(codec, item.document, segment, index, sample);
    if (codec.prefers_batches()) {
      item.waiting.push_back({index, std::move(views)});
    } else {
      try {
        for (const codecs::CodedItem& view : codec.encode_items(views))
          EncodedWriter::append_view(view, *modality, encoded);
      } catch (const InputError& error) {
        throw InputError(sample + ": " + error.what());
      }
    }
  }

  std::vector<at::Tensor> views_of(const codecs::MediaCodec& codec, const Document& document,
                                   const Segment& segment, size_t index, const std::string& sample) const {
    const std::string key = document.key + (index == 0 ? "" : "#" + std::to_string(index));
    return with_media(reader_, segment.media, sample, [&](auto bytes, const std::string& where) {
      return codec.read(bytes, where, options_.variants, key);
    });
  }

  // Items of one codec go through it together.
  void encode_waiting(std::vector<Prepared>& batch) const {
    for (const modality::Modality& modality : vocabulary_.modalities()) {
      std::vector<at::Tensor> inputs;
      std::vector<EncodedSegment*> segments;  // of each input
      for (Prepared& item : batch) {
        for (const Waiting& waiting : item.waiting) {
          EncodedSegment& segment = item.encoded.segments[waiting.segment];
          if (segment.modality != vocabulary_.index_of(&modality)) continue;
          inputs.insert(inputs.end(), waiting.views.begin(), waiting.views.end());
          segments.insert(segments.end(), waiting.views.size(), &segment);
        }
      }
      if (inputs.empty()) continue;
      const std::vector<codecs::CodedItem> views = codecs_.media(modality.name).encode_items(inputs);
      for (size_t i = 0; i < views.size(); ++i) EncodedWriter::append_view(views[i], modality, *segments[i]);
    }
  }

  const EncodeOptions& options_;
  const DocumentReader& reader_;
  const codecs::CodecSet& codecs_;
  const modality::Vocabulary& vocabulary_;
  EncodedWriter& writer_;
  const Collection* collection_ = nullptr;
};

}  // namespace

OrderedJson encode_documents(const EncodeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.variants < 1 || options.variants > 64)
    throw UserError({"--variants", "1 to 64", std::to_string(options.variants), ""});
  const DocumentReader reader(options.documents);
  codecs::CodecSet codecs(options.codecs);
  check_without(reader, options.without, codecs);
  require_codecs(reader, codecs, options.without);
  EncodedWriter writer(options.out, options.replace, std::move(codecs), options.variants);
  Encoder encoder(options, reader, writer);
  encoder.run();
  if (writer.account().documents == 0)
    throw InputError({options.documents.string(), "at least one good document", "none", ""});
  if (!options.without.empty())
    log_info("left out: " + std::to_string(encoder.num_dropped) +
             " segments of modalities in '--without', and " + std::to_string(encoder.num_emptied) +
             " documents that hold nothing else");
  const uint64_t num_skipped = reader.skipped() + encoder.num_skipped + encoder.num_emptied;
  OrderedJson more = OrderedJson::object();
  if (!options.without.empty()) more["without"] = options.without;
  if (!reader.titles().empty()) more["titles"] = reader.titles();
  writer.commit(num_skipped, more);
  const double seconds = seconds_since(start);
  const EncodedWriter::Account& account = writer.account();
  return {{"documents", account.documents}, {"skipped", num_skipped},   {"segments", account.segments},
          {"tokens", account.tokens},       {"shards", account.shards}, {"seconds", seconds}};
}

}  // namespace mom::data
