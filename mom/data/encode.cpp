#include "mom/data/encode.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/base/manifest.h"
#include "mom/base/parallel.h"
#include "mom/base/progress.h"
#include "mom/base/stopwatch.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/document.h"
#include "mom/data/media.h"
#include "mom/data/shard.h"
#include "mom/data/shard_writer.h"

namespace mom::data {
namespace {

constexpr size_t kBatchDocuments = 256;
constexpr uint64_t kMaxShardBytes = uint64_t{256} << 20;
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

ShardFormat shard_format(const codecs::CodecSet& codecs, const modality::Vocabulary& vocabulary,
                         int64_t num_variants) {
  ShardFormat format;
  const codecs::TextCodec& text = codecs.text(vocabulary.text()->name);
  if (text.has_pieces()) {
    format.colon = text.encode(":");
    format.comma = text.encode(",");
  }
  for (const modality::Modality* latents : vocabulary.continuous())
    format.latents.push_back({latents_name(vocabulary, format.latents.size()),
                              codecs.media(latents->name).num_views(num_variants), latents->latent_shape});
  return format;
}

// A view's codes as tokens, and how many in a row each stands for where the codec says so.
void append_codes(const codecs::CodedItem& item, int64_t begin, EncodedSegment& segment) {
  constexpr int32_t kMost = std::numeric_limits<int16_t>::max();
  std::vector<int32_t>& tokens = segment.parts.emplace_back();
  for (size_t i = 0; i < item.codes.size(); ++i) {
    // A run longer than the shard can say (22 minutes of one code of speech) is written as several.
    for (int32_t left = item.counts.empty() ? 1 : item.counts[i]; left > 0; left -= kMost) {
      tokens.push_back(static_cast<int32_t>(begin) + item.codes[i]);
      if (!item.counts.empty()) segment.repeats.push_back(static_cast<int16_t>(std::min(left, kMost)));
    }
  }
}

void append_view(const codecs::CodedItem& item, const modality::Modality& modality, EncodedSegment& segment) {
  if (!modality.is_continuous()) return append_codes(item, modality.begin, segment);
  const at::Tensor latents = item.latents_CHW.to(at::kHalf).contiguous();
  const auto* bits = reinterpret_cast<const uint16_t*>(latents.const_data_ptr());
  segment.latents.insert(segment.latents.end(), bits, bits + latents.numel());
}

class Encoder {
 public:
  Encoder(const EncodeOptions& options, const DocumentReader& reader, const codecs::CodecSet& codecs,
          const modality::Vocabulary& vocabulary, const Path& out)
      : options_(options),
        reader_(reader),
        codecs_(codecs),
        vocabulary_(vocabulary),
        out_(out),
        format_(shard_format(codecs, vocabulary, options.variants)) {}

  void run() {
    uint64_t total = 0;
    for (const Collection& collection : reader_.collections()) total += collection.num_documents;
    Progress progress("encoding", "documents", total);
    uint64_t done = 0;
    for (const Collection& collection : reader_.collections()) {
      begin_collection(collection);
      std::vector<Prepared> batch;
      reader_.for_each(collection, [&](const Document& document) {
        if (std::optional<Document> kept = without_modalities(document))
          batch.push_back({std::move(*kept), {}, {}, {}});
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
  uint64_t num_emptied = 0, num_dropped = 0;  // documents and segments of modalities that are left out
  std::map<std::string, uint64_t> num_segments, num_tokens;

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
                      {"sha256", sha256_hex_of_file(out_ / file)},
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
    encode_waiting(batch);
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
    const modality::Modality* modality = vocabulary_.find(segment.modality);
    if (!modality)
      throw InputError(
          {sample, "segments of a modality that dataset.json counts", "\"" + segment.modality + "\"", ""});
    EncodedSegment& encoded = item.encoded.segments.emplace_back();
    encoded.modality = static_cast<uint8_t>(vocabulary_.index_of(modality));
    if (modality->is_continuous())
      encoded.latents_number = static_cast<size_t>(vocabulary_.latents_number(*modality));
    if (modality->is_text()) {
      const codecs::TextCodec& codec = codecs_.text(modality->name);
      encoded.parts.push_back(codec.encode(segment.text));
      for (const std::string& keyword : segment.keywords)
        encoded.parts.push_back(codec.encode(" " + keyword));
      return;
    }
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
        for (const codecs::CodedItem& view : codec.encode_items(views)) append_view(view, *modality, encoded);
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

  static void check_free(const Document& document, const std::string& sample) {
    const size_t num_segments = document.segments.size();
    if (num_segments >= 2 && may_be_free(document.segments)) return;
    throw InputError(
        {sample, "two segments or more, one a modality, as \"free_order\" says",
         std::to_string(num_segments) + " segments" + (num_segments < 2 ? "" : ", several of a modality"),
         ""});
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
      for (size_t i = 0; i < views.size(); ++i) append_view(views[i], modality, *segments[i]);
    }
  }

  void add(const EncodedDocument& document) {
    for (const EncodedSegment& segment : document.segments) {
      const modality::Modality& modality = vocabulary_.modalities()[segment.modality];
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
  const codecs::CodecSet& codecs_;
  const modality::Vocabulary& vocabulary_;
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
  codecs::CodecSet codecs(options.codecs);
  check_without(reader, options.without, codecs);
  require_codecs(reader, codecs, options.without);
  const Lock lock = Lock::of_output(options.out, {"encode into another folder with --out"});
  FolderPublisher publisher(options.out, options.replace);
  if (!codecs.has(modality::kTextName)) {
    const Path folder = publisher.path() / "codecs" / modality::kTextName;
    codecs::write_textless_codec(folder);
    codecs.add(folder);
  }
  const modality::Vocabulary vocabulary = codecs.vocabulary();
  Encoder encoder(options, reader, codecs, vocabulary, publisher.path());
  encoder.run();
  if (encoder.num_documents == 0)
    throw InputError({options.documents.string(), "at least one good document", "none", ""});
  if (!options.without.empty())
    log_info("left out: " + std::to_string(encoder.num_dropped) +
             " segments of modalities in '--without', and " + std::to_string(encoder.num_emptied) +
             " documents that hold nothing else");
  const uint64_t num_skipped = reader.skipped() + encoder.num_skipped + encoder.num_emptied;
  codecs.copy_to(publisher.path() / "codecs");
  OrderedJson manifest = {{"format", "mom-encoded"},
                          {"version", vocabulary.continuous().size() > 1 ? 4 : 3},
                          {"modalities", vocabulary.names()},
                          {"vocabulary", vocabulary.to_json()},
                          {"modality_table", vocabulary.table_json()},
                          {"codecs", codecs.describe(options.variants)},
                          {"skipped", num_skipped}};
  if (!options.without.empty()) manifest["without"] = options.without;
  if (!reader.titles().empty()) manifest["titles"] = reader.titles();
  manifest["shards"] = encoder.shards;
  publish_json(publisher.path() / "dataset.json", with_hash(manifest));
  publisher.commit();
  const double seconds = seconds_since(start);
  return {{"documents", encoder.num_documents}, {"skipped", num_skipped},
          {"segments", encoder.num_segments},   {"tokens", encoder.num_tokens},
          {"shards", encoder.shards.size()},    {"seconds", seconds}};
}

}  // namespace mom::data
