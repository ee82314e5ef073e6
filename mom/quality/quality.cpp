#include "mom/quality/quality.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/base/range.h"
#include "mom/models/objective.h"
#include "mom/ops/backend.h"
#include "mom/ops/device.h"
#include "mom/quality/buckets.h"
#include "mom/quality/caption_use.h"
#include "mom/quality/grid.h"
#include "mom/quality/images.h"
#include "mom/quality/ranking.h"
#include "mom/train/held_out.h"
#include "mom/train/trained_run.h"

namespace mom::quality {
namespace {

void check(const QualityOptions& options) {
  require_in_range("--pictures", options.pictures, 2, 10'000);
  require_in_range("--candidates", options.candidates, 2, 1'000);
  require_in_range("--probe-steps", options.probe_steps, 1, 100'000);
  require_in_range("--samples", options.samples, 0, 1'000);
  generate::parse_diffusion_method(options.sampler);
  if (options.split == "train" || options.split == kRecombined)
    throw UserError({"--split", "a split of held-out concepts", options.split,
                     "figures of that split are there in any case, beside those of the held-out one"});
}

class Evaluation {
 public:
  explicit Evaluation(const QualityOptions& options)
      : options_(options),
        trained_(train::open_trained_run(options.run)),
        recipe_(trained_.recipe),
        dataset_(data::open_encoded(options.data.empty() ? Path(recipe_.data.path) : options.data)),
        model_(models::load_model(trained_.model_folder, models::WeightsOf::kModel,
                                  ops::use_device(options.device))),
        network_(model_),
        codecs_(model_->spec(), dataset_.folder / "codecs", trained_.model_folder) {
    models::check_same_codecs(model_->spec(), dataset_.codec_hashes, dataset_.folder.string());
    train::require_split(dataset_, options.split);
    ops::set_backend(ops::parse_backend(recipe_.model.scan_backend));
  }

  OrderedJson run() {
    FolderPublisher folder(options_.run / "generation", /*replace=*/true);
    OrderedJson json = head();
    for (const modality::Modality& modality : model_->spec().vocabulary.modalities())
      if (media_of(modality) == codecs::MediaKind::kImage) {
        const std::vector<Bucket> buckets = buckets_of(dataset_, recipe_, options_.split, modality.name);
        add_images(json, buckets, folder.path());
        add_caption_use(json, buckets);
        add_descriptions(json, buckets);
      }
    for (const modality::Modality& modality : model_->spec().vocabulary.modalities())
      if (!modality.is_text()) add_ranking(json, modality);
    add_texts(json);
    publish_json(folder.path() / "quality.json", json);
    folder.commit();
    return json;
  }

  OrderedJson run_caption_use() {
    OrderedJson json = head();
    for (const modality::Modality& modality : model_->spec().vocabulary.modalities())
      if (media_of(modality) == codecs::MediaKind::kImage)
        add_caption_use(json, buckets_of(dataset_, recipe_, options_.split, modality.name));
    if (!json.contains("caption_use"))
      throw InputError({dataset_.folder.string(), "images with at least two captions", "none", ""});
    return json;
  }

  OrderedJson run_grid(const Path& file) {
    const Path folder = options_.run / "grid";
    if (!file.empty()) {
      const Path parent = file.has_parent_path() ? file.parent_path() : Path(".");
      if (!std::filesystem::is_directory(parent) || std::filesystem::is_directory(file))
        throw UserError({"--grid", "a file in a folder that is there", file.string(), ""});
      if (file.extension() != ".png") throw UserError({"--grid", "a .png file", file.string(), ""});
      return grid_as(file);
    }
    std::filesystem::create_directories(folder);
    OrderedJson json = grid_as(folder / "grid.png");
    publish_json(folder / "grid.json", json);
    return json;
  }

 private:
  OrderedJson grid_as(const Path& file) {
    OrderedJson json = head();
    for (const modality::Modality& modality : model_->spec().vocabulary.modalities()) {
      if (media_of(modality) != codecs::MediaKind::kImage) continue;
      const std::vector<Bucket> buckets = buckets_of(dataset_, recipe_, options_.split, modality.name);
      if (!buckets.empty()) json["grid"] = draw_grid(network_, codecs_, buckets, options_, file);
    }
    if (!json.contains("grid"))
      throw InputError({dataset_.folder.string(), "images with captions", "none", ""});
    return json;
  }

  OrderedJson head() const {
    return {{"step", trained_.step}, {"setting", recipe_.setting}, {"split", options_.split}};
  }

  codecs::MediaKind media_of(const modality::Modality& modality) const {
    return codecs_.media_kind(modality.name);
  }

  void add_images(OrderedJson& json, const std::vector<Bucket>& buckets, const Path& folder) {
    const Bucket* train = find(buckets, kTrained);
    if (!train || train->pairs.size() < 2) return;
    std::set<std::string> sources;
    for (const Pair& pair : train->pairs) sources.insert(pair.source);
    const TrainedProbe probe = probe_of(dataset_.folder, train->pairs, codecs_, probe_options());
    json["pictures"] = judge_images(network_, codecs_, buckets, probe, options_, folder);
    json["pictures"]["sources"] = sources;
  }

  // Not of options_.seed: one probe for all evaluations.
  ProbeOptions probe_options() const {
    ProbeOptions options;
    options.steps = options_.probe_steps;
    return options;
  }

  std::vector<size_t> asked_of(const Bucket& bucket) const {
    const std::vector<size_t> all = first_of_each_caption(bucket.pairs);
    return spread(all, std::min(options_.pictures, std::ssize(all)));
  }

  void add_caption_use(OrderedJson& json, const std::vector<Bucket>& buckets) {
    const models::Schedules schedules = models::schedules_of(model_->spec());
    const auto seed = static_cast<uint64_t>(options_.seed);
    for (const Bucket& bucket : buckets) {
      const std::vector<size_t> asked = asked_of(bucket);
      if (bucket.pairs.empty()) continue;
      const std::optional<generate::Picture>& latents = bucket.pairs.front().media.picture;
      Progress progress("use of captions, " + bucket.name, "images", asked.size());
      const CaptionUse use = caption_use(network_, schedules.of(latents ? latents->latents : 0), bucket.pairs,
                                         draw_candidates(bucket.pairs, asked, 2, seed), seed,
                                         [&](size_t done) { progress.update(done); });
      if (use.overall.count() > 0) json["caption_use"][bucket.name] = use.to_json();
    }
  }

  OrderedJson rank(const std::vector<Pair>& pairs, const std::vector<std::vector<size_t>>& candidates,
                   const std::string& of, codecs::MediaKind kind) {
    Progress progress("rank captions of " + of, std::string(codecs::noun(kind)) + "s", candidates.size());
    const Ranking ranking =
        rank_captions(*model_, pairs, candidates, [&](size_t done) { progress.update(done); });
    return {{"among", ranking.among},
            {"by_information", ranking.by_information.to_json()},
            {"by_likelihood", ranking.by_likelihood.to_json()}};
  }

  void add_descriptions(OrderedJson& json, const std::vector<Bucket>& buckets) {
    for (const Bucket& bucket : buckets) {
      const auto candidates = draw_candidates(bucket.pairs, asked_of(bucket), options_.candidates,
                                              static_cast<uint64_t>(options_.seed));
      if (!candidates.empty() && candidates.front().size() >= 2)
        json["descriptions"][bucket.name] =
            rank(bucket.pairs, candidates, bucket.name + " images", codecs::MediaKind::kImage);
    }
  }

  void add_ranking(OrderedJson& json, const modality::Modality& modality) {
    const std::vector<Pair> pairs = pairs_of(dataset_, recipe_, options_.split, modality.name);
    std::map<std::string, std::vector<size_t>> of_source;
    for (size_t i = 0; i < pairs.size(); ++i) of_source[pairs[i].source].push_back(i);
    for (auto& [source, asked] : of_source) {
      asked = spread(asked, std::min(options_.ranked, std::ssize(asked)));
      const auto candidates =
          draw_candidates(pairs, asked, options_.candidates, static_cast<uint64_t>(options_.seed));
      if (candidates.front().size() < 2) continue;
      json["captions_of_" + modality.name][source] = rank(pairs, candidates, source, media_of(modality));
    }
  }

  // Bits of the true next tokens, per byte of the text they stand for.
  void add_texts(OrderedJson& json) {
    const modality::Vocabulary& vocabulary = model_->spec().vocabulary;
    const models::Objective objective(recipe_.objective, vocabulary);
    const auto text = static_cast<size_t>(vocabulary.index_of(vocabulary.text()));
    for (const data::SourceView& view : data::sources_of(dataset_, options_.split)) {
      const std::vector<data::Batch> batches = data::held_out_batches(
          dataset_, view.source, options_.split, recipe_.data, recipe_.model.patches(), options_.text_tokens);
      if (!only_text(batches, text)) continue;
      Progress progress("text of " + view.source, "batches", batches.size());
      models::LossReport report(model_->spec().modalities.size());
      int64_t num_bytes = 0;
      for (size_t i = 0; i < batches.size(); ++i) {
        models::add(report, models::held_out_loss(*model_, objective, {batches[i]}));
        num_bytes += bytes_of(batches[i].target_ids_R);
        progress.update(i + 1);
      }
      if (num_bytes > 0)
        json["text"][view.source] = {
            {"bits_per_byte", report[text].sum / std::log(2.0) / static_cast<double>(num_bytes)},
            {"bytes", num_bytes}};
    }
  }

  static bool only_text(const std::vector<data::Batch>& batches, size_t text) {
    for (const data::Batch& batch : batches)
      for (size_t m = 0; m < batch.num_tokens.size(); ++m)
        if (m != text && batch.num_tokens[m] > 0) return false;
    return !batches.empty();
  }

  int64_t bytes_of(const at::Tensor& tokens_R) const {
    int64_t sum = 0;
    const int64_t* token = tokens_R.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < tokens_R.size(0); ++i)
      sum += std::ssize(codecs_.bytes_of(static_cast<int32_t>(token[i])));
    return sum;
  }

  const QualityOptions& options_;
  const train::TrainedRun trained_;
  const train::Recipe& recipe_;
  data::EncodedDataset dataset_;
  models::Model model_;
  generate::Network network_;
  generate::ModelCodecs codecs_;
};

}  // namespace

OrderedJson evaluate_generation(const QualityOptions& options) {
  check(options);
  const torch::NoGradGuard no_grad;
  return Evaluation(options).run();
}

OrderedJson evaluate_grid(const QualityOptions& options, const Path& file) {
  check(options);
  const torch::NoGradGuard no_grad;
  return Evaluation(options).run_grid(file);
}

OrderedJson evaluate_caption_use(const QualityOptions& options) {
  check(options);
  const torch::NoGradGuard no_grad;
  return Evaluation(options).run_caption_use();
}

}  // namespace mom::quality
