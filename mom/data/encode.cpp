#include "mom/data/encode.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/parallel.h"
#include "mom/base/progress.h"
#include "mom/codecs/pictures.h"
#include "mom/data/document.h"
#include "mom/data/encode_media.h"
#include "mom/data/shard.h"
#include "mom/data/sounds.h"
#include "mom/data/views.h"

namespace mom::data {
namespace {

constexpr size_t kBatchDocuments = 256;
constexpr uint64_t kMaxShardBytes = uint64_t{256} << 20;
constexpr int64_t kThreads = 2;

void require_codecs(const DocumentReader& reader, const CodecSet& codecs) {
  for (const Collection& collection : reader.collections()) {
    for (const auto& [modality, count] : collection.num_segments) {
      if (count == 0 || codecs.vocabulary().find(modality)) continue;
      throw UserError({"--codecs",
                       "a codec for " + modality + " (" + collection.file + " has " + std::to_string(count) +
                           " such segments)",
                       "none", "add one made by 'mom codec train'"});
    }
  }
}

// A document on its way: token ids and speech codes are there, pictures are still pixels.
struct Prepared {
  Document document;
  EncodedDocument encoded;
  std::vector<std::pair<size_t, at::Tensor>> pictures;  // segment, u8 [K, 3, S, S]
  std::string error;
};

class Encoder {
 public:
  Encoder(const EncodeOptions& options, const DocumentReader& reader, const CodecSet& codecs, const Path& out)
      : options_(options),
        reader_(reader),
        codecs_(codecs),
        out_(out),
        format_(codecs.shard_format(options.variants)) {}

  void run() {
    uint64_t total = 0;
    for (const Collection& collection : reader_.collections()) total += collection.num_documents;
    Progress progress("encoding", "documents", total);
    uint64_t done = 0;
    for (const Collection& collection : reader_.collections()) {
      begin_collection(collection);
      std::vector<Prepared> batch;
      reader_.for_each(collection, [&](const Document& document) {
        batch.push_back({document, {}, {}, {}});
        if (batch.size() == kBatchDocuments) encode_batch(batch);
        progress.update(++done, collection.source);
      });
      encode_batch(batch);
      end_shard();
    }
    progress.finish();
  }

  OrderedJson shards = OrderedJson::array();
  uint64_t num_documents = 0, num_skipped = 0;
  std::map<std::string, uint64_t> num_segments, num_tokens;

 private:
  void begin_collection(const Collection& collection) {
    collection_ = &collection;
    shard_number_ = 0;
    begin_shard();
  }

  void begin_shard() {
    writer_.emplace(format_);
    shard_segments_.clear();
    shard_tokens_.clear();
  }

  void end_shard() {
    if (writer_->num_documents() == 0) return;
    char number[16];
    std::snprintf(number, sizeof number, "-%05d", shard_number_++);
    const std::string file = collection_->split + "-" + collection_->source + number + ".safetensors";
    writer_->write(out_ / file);
    shards.push_back({{"source", collection_->source},
                      {"split", collection_->split},
                      {"file", file},
                      {"documents", writer_->num_documents()},
                      {"segments", shard_segments_},
                      {"tokens", shard_tokens_}});
    for (const auto& [modality, count] : shard_segments_) num_segments[modality] += count;
    for (const auto& [modality, count] : shard_tokens_) num_tokens[modality] += count;
    num_documents += static_cast<uint64_t>(writer_->num_documents());
    begin_shard();
  }

  void encode_batch(std::vector<Prepared>& batch) {
    parallel_for(static_cast<int64_t>(batch.size()), kThreads,
                 [&](int64_t i) { prepare(batch[static_cast<size_t>(i)]); });
    drop_bad(batch);
    encode_pictures(batch);
    for (const Prepared& item : batch) add(item.encoded);
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
      if (item.document.segments.empty()) throw InputError({sample, "at least one segment", "none", ""});
      for (const Segment& segment : item.document.segments) prepare_segment(item, segment, sample);
      if (item.document.free_order) check_free(item.document, sample);
    } catch (const InputError& error) {
      item.error = error.what();
    }
  }

  void prepare_segment(Prepared& item, const Segment& segment, const std::string& sample) const {
    const int64_t modality = index_of(segment.modality);
    if (modality < 0)
      throw InputError(
          {sample, "segments of a modality that dataset.json counts", "\"" + segment.modality + "\"", ""});
    EncodedSegment& encoded = item.encoded.segments.emplace_back();
    encoded.modality = static_cast<uint8_t>(modality);
    const size_t index = item.encoded.segments.size() - 1;
    if (segment.modality == "text") {
      encoded.parts.push_back(codecs_.text()->encode(segment.text));
      for (const std::string& keyword : segment.keywords)
        encoded.parts.push_back(codecs_.text()->encode(" " + keyword));
    } else if (segment.modality == "image") {
      item.pictures.emplace_back(index, views_of(item.document, segment, index, sample));
    } else {
      encode_speech(segment, sample, encoded);
    }
  }

  void encode_speech(const Segment& segment, const std::string& sample, EncodedSegment& encoded) const {
    const std::vector<float> samples = read_speech(reader_, segment.media, sample);
    try {
      codecs_.encode_speech(samples, encoded);
    } catch (const InputError& error) {
      throw InputError(sample + ": " + error.what());
    }
  }

  int64_t index_of(const std::string& modality) const {
    return codecs_.vocabulary().index_of(codecs_.vocabulary().find(modality));
  }

  at::Tensor views_of(const Document& document, const Segment& segment, size_t index,
                      const std::string& sample) const {
    const std::string key = document.key + (index == 0 ? "" : "#" + std::to_string(index));
    std::vector<at::Tensor> views;
    for (const formats::Image& view : picture_views(read_picture(reader_, segment.media, sample),
                                                    codecs_.image_side(), options_.variants, key)) {
      views.push_back(codecs::to_tensor(view));
    }
    return torch::stack(views);
  }

  static void check_free(const Document& document, const std::string& sample) {
    const size_t num_segments = document.segments.size();
    if (num_segments >= 2 && may_be_free(document.segments)) return;
    throw InputError(
        {sample, "two segments or more, one a modality, as \"free_order\" says",
         std::to_string(num_segments) + " segments" + (num_segments < 2 ? "" : ", several of a modality"),
         ""});
  }

  void encode_pictures(std::vector<Prepared>& batch) const {
    std::vector<at::Tensor> images;
    std::vector<EncodedSegment*> segments;
    for (Prepared& item : batch) {
      for (const auto& [index, views] : item.pictures) {
        images.push_back(views);
        segments.push_back(&item.encoded.segments[index]);
      }
    }
    if (!images.empty()) codecs_.encode_images(torch::cat(images), options_.variants, segments);
  }

  void add(const EncodedDocument& document) {
    for (const EncodedSegment& segment : document.segments) {
      const modality::Modality& modality = codecs_.vocabulary().modalities()[segment.modality];
      ++shard_segments_[modality.name];
      shard_tokens_[modality.name] += num_tokens_of(segment, modality);
    }
    writer_->add(document);
    if (writer_->num_bytes() > kMaxShardBytes) end_shard();
  }

  // An item counts in one of its variants, a text with all its keywords.
  static uint64_t num_tokens_of(const EncodedSegment& segment, const modality::Modality& modality) {
    if (modality.is_continuous()) return static_cast<uint64_t>(modality.positions_per_item());
    if (!modality.is_text()) return segment.parts.front().size();
    uint64_t count = 0;
    for (const auto& part : segment.parts) count += part.size();
    return count;
  }

  const EncodeOptions& options_;
  const DocumentReader& reader_;
  const CodecSet& codecs_;
  Path out_;
  ShardFormat format_;
  const Collection* collection_ = nullptr;
  int shard_number_ = 0;
  std::optional<ShardWriter> writer_;
  std::map<std::string, uint64_t> shard_segments_, shard_tokens_;
};

}  // namespace

OrderedJson encode_documents(const EncodeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.variants < 1 || options.variants > 64)
    throw UserError({"--variants", "1 to 64", std::to_string(options.variants), ""});
  const DocumentReader reader(options.documents);
  const CodecSet codecs(options.codecs);
  require_codecs(reader, codecs);
  FolderPublisher publisher(options.out, options.replace);
  Encoder encoder(options, reader, codecs, publisher.path());
  encoder.run();
  if (encoder.num_documents == 0)
    throw InputError({options.documents.string(), "at least one good document", "none", ""});
  codecs.copy_to(publisher.path() / "codecs");
  OrderedJson manifest = {{"format", "mom-encoded"},
                          {"version", 3},
                          {"modalities", codecs.vocabulary().names()},
                          {"vocabulary", codecs.vocabulary().to_json()},
                          {"modality_table", codecs.vocabulary().table_json()},
                          {"codecs", codecs.describe(options.variants)},
                          {"skipped", reader.skipped() + encoder.num_skipped}};
  if (!reader.titles().empty()) manifest["titles"] = reader.titles();
  manifest["shards"] = encoder.shards;
  publish_json(publisher.path() / "dataset.json", manifest);
  publisher.commit();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {{"documents", encoder.num_documents}, {"skipped", reader.skipped() + encoder.num_skipped},
          {"segments", encoder.num_segments},   {"tokens", encoder.num_tokens},
          {"shards", encoder.shards.size()},    {"seconds", seconds}};
}

}  // namespace mom::data
