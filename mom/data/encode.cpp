#include "mom/data/encode.h"

#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/text_codec.h"
#include "mom/data/document.h"
#include "mom/data/parallel.h"
#include "mom/data/shard.h"
#include "mom/data/shard_writer.h"
#include "mom/data/views.h"

namespace mom::data {
namespace {

constexpr size_t kBatchDocuments = 256;
constexpr uint64_t kMaxShardBytes = uint64_t{256} << 20;
constexpr int64_t kThreads = 2;

struct Codecs {
  std::unique_ptr<codecs::TextCodec> text;
  std::unique_ptr<codecs::ImageVae> image;
  std::vector<std::string> modalities;  // those with a codec, text first

  std::optional<uint8_t> index_of(const std::string& modality) const {
    for (size_t i = 0; i < modalities.size(); ++i) {
      if (modalities[i] == modality) return static_cast<uint8_t>(i);
    }
    return std::nullopt;
  }
};

Codecs open_codecs(const std::vector<Path>& folders) {
  Codecs codecs;
  for (const Path& folder : folders) {
    const codecs::CodecInfo info = codecs::read_codec_info(folder);
    if (info.kind == "text" && !codecs.text) {
      codecs.text = std::make_unique<codecs::TextCodec>(folder);
    } else if (info.kind == "image_vae" && !codecs.image) {
      codecs.image = std::make_unique<codecs::ImageVae>(folder);
    } else {
      throw UserError({"--codecs " + folder.string(), "at most one text and one image_vae codec",
                       "kind \"" + info.kind + "\"", ""});
    }
  }
  if (codecs.text) codecs.modalities.push_back("text");
  if (codecs.image) codecs.modalities.push_back("image");
  return codecs;
}

void require_codecs(const DocumentReader& reader, const Codecs& codecs) {
  for (const Collection& collection : reader.collections()) {
    for (const auto& [modality, count] : collection.num_segments) {
      if (count == 0 || codecs.index_of(modality)) continue;
      throw UserError({"--codecs",
                       "a codec for " + modality + " (" + collection.file + " has " + std::to_string(count) +
                           " such segments)",
                       "none", "add one made by 'mom codec train'"});
    }
  }
}

std::array<int64_t, 3> latent_shape_of(const codecs::ImageVae& codec) {
  const codecs::ImageVaeConfig& config = codec.config();
  const int64_t side = config.image_size / config.downsample;
  return {config.latent_channels, side, side};
}

// A document on its way: token ids are there, pictures are still pixels.
struct Prepared {
  Document document;
  EncodedDocument encoded;
  std::vector<std::pair<size_t, at::Tensor>> pictures;  // segment, u8 [K, 3, S, S]
  std::string error;
};

class Encoder {
 public:
  Encoder(const EncodeOptions& options, const DocumentReader& reader, const Codecs& codecs, const Path& out)
      : options_(options), reader_(reader), codecs_(codecs), out_(out) {
    if (codecs_.text) {
      format_.colon = codecs_.text->encode(":");
      format_.comma = codecs_.text->encode(",");
    }
    if (codecs_.image) {
      format_.num_variants = options.variants;
      format_.latent_shape = latent_shape_of(*codecs_.image);
    }
  }

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
    std::erase_if(batch,
                  [&](const Prepared& item) { return !item.error.empty() && (skip(item.error), true); });
    encode_pictures(batch);
    for (const Prepared& item : batch) add(item.encoded);
    batch.clear();
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
      if (item.document.free_order) check_pair(item, sample);
    } catch (const InputError& error) {
      item.error = error.what();
    }
  }

  void prepare_segment(Prepared& item, const Segment& segment, const std::string& sample) const {
    const std::optional<uint8_t> modality = codecs_.index_of(segment.modality);
    if (!modality)
      throw InputError(
          {sample, "segments of a modality that dataset.json counts", "\"" + segment.modality + "\"", ""});
    EncodedSegment& encoded = item.encoded.segments.emplace_back();
    encoded.modality = *modality;
    if (segment.modality == "text") {
      encoded.parts.push_back(codecs_.text->encode(segment.text));
      for (const std::string& keyword : segment.keywords)
        encoded.parts.push_back(codecs_.text->encode(" " + keyword));
      return;
    }
    const size_t index = item.encoded.segments.size() - 1;
    const std::string key = item.document.key + (index == 0 ? "" : "#" + std::to_string(index));
    std::vector<at::Tensor> views;
    for (const formats::Image& view :
         picture_views(read_picture(reader_, segment.media, sample), codecs_.image->config().image_size,
                       options_.variants, key)) {
      views.push_back(codecs::to_tensor(view));
    }
    item.pictures.emplace_back(index, torch::stack(views));
  }

  static void check_pair(const Prepared& item, const std::string& sample) {
    if (item.document.segments.size() == 2 && item.pictures.size() == 1) return;
    throw InputError({sample, "one text and one picture, as \"free_order\" says",
                      std::to_string(item.document.segments.size()) + " segments, " +
                          std::to_string(item.pictures.size()) + " pictures",
                      ""});
  }

  void encode_pictures(std::vector<Prepared>& batch) const {
    std::vector<at::Tensor> images;
    for (const Prepared& item : batch) {
      for (const auto& picture : item.pictures) images.push_back(picture.second);
    }
    if (images.empty()) return;
    const at::Tensor latents = codecs_.image->encode(torch::cat(images)).to(at::kHalf).contiguous();
    const auto* bits = reinterpret_cast<const uint16_t*>(latents.const_data_ptr());
    const int64_t per_picture = latents.numel() / static_cast<int64_t>(images.size());
    for (Prepared& item : batch) {
      for (const auto& picture : item.pictures) {
        item.encoded.segments[picture.first].latents.assign(bits, bits + per_picture);
        bits += per_picture;
      }
    }
  }

  void add(const EncodedDocument& document) {
    for (const EncodedSegment& segment : document.segments) {
      const std::string& modality = codecs_.modalities[segment.modality];
      ++shard_segments_[modality];
      for (const auto& part : segment.parts) shard_tokens_[modality] += part.size();
      if (!segment.latents.empty())
        shard_tokens_[modality] +=
            static_cast<uint64_t>(format_.latent_shape[1] * format_.latent_shape[2] / 4);
    }
    writer_->add(document);
    if (writer_->num_bytes() > kMaxShardBytes) end_shard();
  }

  const EncodeOptions& options_;
  const DocumentReader& reader_;
  const Codecs& codecs_;
  Path out_;
  ShardFormat format_;
  const Collection* collection_ = nullptr;
  int shard_number_ = 0;
  std::optional<ShardWriter> writer_;
  std::map<std::string, uint64_t> shard_segments_, shard_tokens_;
};

OrderedJson describe_codecs(const Codecs& codecs, int64_t variants) {
  OrderedJson described = OrderedJson::object();
  if (codecs.text) {
    described["text"] = {{"hash", codecs.text->info().hash},
                         {"kind", codecs.text->info().kind},
                         {"vocabulary", codecs.text->vocabulary()}};
  }
  if (codecs.image) {
    described["image"] = {{"hash", codecs.image->info().hash},
                          {"kind", codecs.image->info().kind},
                          {"latent_shape", latent_shape_of(*codecs.image)},
                          {"variants", variants}};
  }
  return described;
}

void copy_codecs(const EncodeOptions& options, const Path& out) {
  std::filesystem::create_directory(out / "codecs");
  for (const Path& folder : options.codecs) {
    const std::string modality = codecs::read_codec_info(folder).modality;
    std::filesystem::copy(folder, out / "codecs" / modality, std::filesystem::copy_options::recursive);
  }
}

}  // namespace

OrderedJson encode_documents(const EncodeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.variants < 1 || options.variants > 64)
    throw UserError({"--variants", "1 to 64", std::to_string(options.variants), ""});
  const DocumentReader reader(options.documents);
  const Codecs codecs = open_codecs(options.codecs);
  require_codecs(reader, codecs);
  FolderPublisher publisher(options.out, options.replace);
  Encoder encoder(options, reader, codecs, publisher.path());
  encoder.run();
  if (encoder.num_documents == 0)
    throw InputError({options.documents.string(), "at least one good document", "none", ""});
  copy_codecs(options, publisher.path());
  publish_json(publisher.path() / "dataset.json", {{"format", "mom-encoded"},
                                                   {"version", 1},
                                                   {"modalities", codecs.modalities},
                                                   {"codecs", describe_codecs(codecs, options.variants)},
                                                   {"skipped", reader.skipped() + encoder.num_skipped},
                                                   {"shards", encoder.shards}});
  publisher.commit();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {{"documents", encoder.num_documents}, {"skipped", reader.skipped() + encoder.num_skipped},
          {"segments", encoder.num_segments},   {"tokens", encoder.num_tokens},
          {"shards", encoder.shards.size()},    {"seconds", seconds}};
}

}  // namespace mom::data
