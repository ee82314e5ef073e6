#include "mom/data/codec_training.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/base/stopwatch.h"
#include "mom/codecs/image_vae_train.h"
#include "mom/codecs/image_vq_train.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/speech_train.h"
#include "mom/codecs/text_codec_train.h"
#include "mom/config/schema.h"
#include "mom/data/media.h"
#include "mom/data/sounds.h"

namespace mom::data {
namespace {

constexpr uint64_t kHeldOutBytes = 1'000'000;  // of each validation source
constexpr int64_t kHeldOutImages = 1'000;
constexpr double kHeldOutSpeechSeconds = 600;
constexpr int64_t kTrainingViews = 4;

struct CodecConfig {
  std::string kind;
  codecs::TextCodecConfig text;
  codecs::ImageVaeConfig image_vae;
  codecs::ImageVqConfig vq_image;
  codecs::SpeechConfig speech;
  void describe(config::Schema& schema) {
    schema.table("", "")
        .field("kind", kind, "what to train")
        .one_of({codecs::TextCodec::kKind, codecs::ImageVae::kKind, codecs::ImageVq::kKind,
                 codecs::SpeechCodec::kKind});
    text.describe(schema.table(codecs::TextCodec::kKind, "text codec: SentencePiece BPE with byte fallback"));
    image_vae.describe(schema.table(codecs::ImageVae::kKind, "image codec: convolutional KL-VAE"));
    vq_image.describe(
        schema.table(codecs::ImageVq::kKind, "image codec of discrete codes: convolutional VQ-VAE"));
    speech.describe(schema.table(codecs::SpeechCodec::kKind, "speech codec: convolutional VQ of log-mel"));
  }
};

void warn_unused(const config::Schema& schema, const std::string& kind) {
  for (const config::Table& table : schema.tables()) {
    if (table.name().empty() || table.name() == kind) continue;
    for (const config::Field& field : table.fields()) {
      if (field.was_set())
        log_warning(table.name() + "." + field.name() + " has no effect with kind = \"" + kind + "\"");
    }
  }
}

CodecConfig load_config(const CodecTrainOptions& options) {
  CodecConfig config;
  config::Schema schema;
  config.describe(schema);
  config::load_toml(schema, options.config);
  for (const std::string& assignment : options.overrides) config::apply_override(schema, assignment);
  if (!schema.was_set("kind"))
    throw UserError({options.config.string(), "kind = \"text\", \"image_vae\", \"vq_image\" or \"speech\"",
                     "no kind", ""});
  if (options.steps > 0)
    config::apply_override(schema, config.kind + ".steps=" + std::to_string(options.steps));
  warn_unused(schema, config.kind);
  return config;
}

// The text of a document as training will show it.
std::string text_of(const Document& document) {
  std::string text;
  for (const Segment& segment : document.segments) {
    if (segment.modality != kText) continue;
    if (!text.empty()) text += '\n';
    text += segment.text;
    for (size_t i = 0; i < segment.keywords.size(); ++i) text += (i == 0 ? ": " : ", ") + segment.keywords[i];
  }
  return text;
}

// At most about budget bytes of text of one split, by source; the same for the same documents.
std::vector<codecs::TextSource> sample_texts(const DocumentReader& reader, const std::string& split,
                                             uint64_t budget, bool evenly) {
  std::vector<const Collection*> collections;
  std::vector<uint64_t> sizes;
  for (const Collection& collection : reader.collections()) {
    if (collection.split != split || collection.num_segments.count(kText) == 0) continue;
    collections.push_back(&collection);
    reader.for_each(collection, [&, size = &sizes.emplace_back(0)](const Document& document) {
      *size += text_of(document).size();
    });
  }
  std::vector<uint64_t> shares =
      evenly ? even_shares(sizes, budget) : std::vector<uint64_t>(sizes.size(), budget);
  std::vector<codecs::TextSource> sources;
  for (size_t i = 0; i < collections.size(); ++i) {
    codecs::TextSource& source = sources.emplace_back(codecs::TextSource{collections[i]->source, {}});
    const double share =
        static_cast<double>(shares[i]) / static_cast<double>(std::max<uint64_t>(sizes[i], 1));
    reader.for_each(*collections[i], [&](const Document& document) {
      if (sample_draw(*collections[i], document) >= share) return;
      if (std::string text = text_of(document); !text.empty()) source.texts.push_back(std::move(text));
    });
  }
  return sources;
}

uint64_t count_pictures(const DocumentReader& reader, const std::string& split) {
  uint64_t count = 0;
  for (const Collection& collection : reader.collections()) {
    const auto found = collection.num_segments.find(kImage);
    if (collection.split == split && found != collection.num_segments.end()) count += found->second;
  }
  return count;
}

// K views of at most about max_images pictures, each [N, 3, S, S].
std::vector<at::Tensor> sample_pictures(const DocumentReader& reader, const std::string& split, int64_t side,
                                        int64_t max_images, int64_t num_views) {
  const uint64_t total = count_pictures(reader, split);
  const double share = total == 0 ? 0 : static_cast<double>(max_images) / static_cast<double>(total);
  std::vector<std::vector<at::Tensor>> views(static_cast<size_t>(num_views));
  Progress progress("reading " + split + " pictures", "pictures", total);
  uint64_t seen = 0;
  for (const Collection& collection : reader.collections()) {
    if (collection.split != split || collection.num_segments.count(kImage) == 0) continue;
    reader.for_each(collection, [&](const Document& document) {
      const bool drawn = sample_draw(collection, document) < share;
      for (const Segment& segment : document.segments) {
        if (segment.modality != kImage) continue;
        progress.update(++seen);
        if (!drawn) continue;
        const formats::Image picture = read_image(reader, segment.media, sample_name(collection, document));
        const std::vector<formats::Image> made = codecs::image_views(picture, side, num_views, document.key);
        for (size_t v = 0; v < made.size(); ++v) views[v].push_back(codecs::to_tensor(made[v]));
      }
    });
  }
  progress.finish();
  std::vector<at::Tensor> stacked;
  for (auto& view : views)
    stacked.push_back(view.empty() ? torch::empty({0, 3, side, side}, at::kByte) : torch::stack(view));
  return stacked;
}

template <class Config>
codecs::TrainingPictures pictures_for(const Config& config, const DocumentReader& reader) {
  return {sample_pictures(reader, "train", config.image_size, config.max_images, kTrainingViews),
          sample_pictures(reader, "validation", config.image_size, kHeldOutImages, 1)[0]};
}

Json train_by_kind(const CodecConfig& config, const DocumentReader& reader,
                   const CodecTrainOptions& options) {
  if (config.kind == codecs::TextCodec::kKind) {
    return codecs::train_text_codec(
        config.text, sample_texts(reader, "train", static_cast<uint64_t>(config.text.sample_bytes), true),
        sample_texts(reader, "validation", kHeldOutBytes, false), options.out, options.replace);
  }
  if (config.kind == codecs::ImageVae::kKind) {
    config.image_vae.check();
    return codecs::train_image_vae(config.image_vae, pictures_for(config.image_vae, reader), options.out,
                                   options.replace);
  }
  if (config.kind == codecs::SpeechCodec::kKind) {
    config.speech.check();
    codecs::SpeechSounds sounds{sample_speech(reader, "train", 60 * config.speech.max_minutes),
                                sample_speech(reader, "validation", kHeldOutSpeechSeconds)};
    return codecs::train_speech_codec(config.speech, std::move(sounds), options.out, options.replace);
  }
  config.vq_image.check();
  return codecs::train_image_vq(config.vq_image, pictures_for(config.vq_image, reader), options.out,
                                options.replace);
}

}  // namespace

double sample_draw(const Collection& collection, const Document& document) {
  const uint64_t hash =
      splitmix64_finalise(fnv1a64("codec sample\n" + collection.source + "\n" + document.key));
  return static_cast<double>(hash >> 11) * 0x1.0p-53;
}

std::vector<uint64_t> even_shares(const std::vector<uint64_t>& sizes, uint64_t budget) {
  std::vector<size_t> by_size(sizes.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](size_t a, size_t b) { return sizes[a] < sizes[b]; });
  std::vector<uint64_t> shares(sizes.size());
  for (size_t i = 0; i < by_size.size(); ++i) {
    const uint64_t even = budget / (by_size.size() - i);
    shares[by_size[i]] = std::min(sizes[by_size[i]], even);
    budget -= shares[by_size[i]];
  }
  return shares;
}

OrderedJson train_codec(const CodecTrainOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const CodecConfig config = load_config(options);
  const Lock lock = Lock::of_output(options.out, {"train into another folder with --out"});
  {
    const FolderPublisher refuses_now(options.out, options.replace);
  }  // not only after the pictures are read
  const DocumentReader reader(options.documents);
  const Json report = train_by_kind(config, reader, options);
  const double seconds = seconds_since(start);
  return {{"kind", config.kind},
          {"hash", codecs::read_codec_info(options.out).hash},
          {"seconds", seconds},
          {"report", report}};
}

}  // namespace mom::data
