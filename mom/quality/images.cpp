#include "mom/quality/images.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "mom/base/random.h"
#include "mom/codecs/pictures.h"
#include "mom/quality/copies.h"
#include "mom/quality/grid.h"
#include "mom/quality/kid.h"
#include "mom/quality/seams.h"

namespace mom::quality {
namespace {

constexpr int64_t kMostReal = 1000;  // real images that a bucket is compared with

std::vector<formats::Image> images_of(const at::Tensor& pixels_N3SS) {
  std::vector<formats::Image> images;
  for (int64_t i = 0; i < pixels_N3SS.size(0); ++i) images.push_back(codecs::to_image(pixels_N3SS[i]));
  return images;
}

// One bucket of captions.
class BucketJudge {
 public:
  BucketJudge(const generate::ModelCodecs& codecs, const std::vector<Pair>& train,
              const TrainedProbe& trained, const QualityOptions& options, const Bucket& bucket)
      : codecs_(codecs),
        train_(train),
        trained_(trained),
        options_(options),
        bucket_(bucket),
        asked_(spread(first_of_each_caption(bucket.pairs), options.pictures)) {}

  OrderedJson run(const generate::Network& network, const Path& folder, int64_t num_items) {
    draw(network);
    return {
        {"generated", drawn_.size()}, {"retrieval", retrieval()}, {"kid", kid()},
        {"copies", copies()},         {"seams", seams()},         {"items", write_items(folder, num_items)}};
  }

 private:
  void draw(const generate::Network& network) {
    std::vector<Wish> wishes;
    std::vector<generate::Segment> real;
    for (size_t i = 0; i < asked_.size(); ++i) {
      const Pair& pair = bucket_.pairs[asked_[i]];
      wishes.push_back({&pair, stream_key({static_cast<uint64_t>(options_.seed), fnv1a64("quality"),
                                           fnv1a64(bucket_.name), i})});
      real.push_back(pair.media);
    }
    drawn_ = draw_images(network, codecs_, wishes, options_, "images, " + bucket_.name);
    drawn_N3SS_ = pixels_of(codecs_, drawn_, "decode images");
    asked_N3SS_ = pixels_of(codecs_, real, "decode images");
    drawn_encoded_ = trained_.probe.encode(drawn_N3SS_);
    nearest_ = nearest_training(thumbnails(drawn_N3SS_), trained_.thumbnails_NP);
  }

  OrderedJson retrieval() const {
    const auto candidates =
        draw_candidates(bucket_.pairs, asked_, options_.candidates, static_cast<uint64_t>(options_.seed));
    std::vector<Words> captions;
    for (const Pair& pair : bucket_.pairs) captions.push_back(words_of(codecs_.text_of(pair.caption)));
    const at::Tensor captions_CE = trained_.probe.encode(captions),
                     real_NE = trained_.probe.encode(asked_N3SS_).space_NE;
    Accuracy drawn, real;
    int64_t among = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const at::Tensor columns =
          torch::tensor(std::vector<int64_t>(candidates[i].begin(), candidates[i].end()), torch::kInt64);
      const at::Tensor some_CE = captions_CE.index_select(0, columns);
      const auto scores = [&](const at::Tensor& images_NE) {
        const at::Tensor found = some_CE.mv(images_NE[static_cast<int64_t>(i)]).to(torch::kFloat64);
        return std::vector<double>(found.const_data_ptr<double>(),
                                   found.const_data_ptr<double>() + found.size(0));
      };
      drawn.add(scores(drawn_encoded_.space_NE));
      real.add(scores(real_NE));
      among = std::max(among, std::ssize(candidates[i]));
    }
    return {{"among", among},
            {"generated", drawn.to_json()},
            {"real", real.to_json()},
            {"accepted", is_accepted(real, among)}};
  }

  // Standardised over the training images, so that every feature counts alike. Beside it what as many real training
  // images get.
  OrderedJson kid() const {
    std::vector<generate::Segment> some;
    const int64_t num_real = std::min(kMostReal, std::ssize(bucket_.pairs));
    for (const size_t i : spread(all_indices(bucket_.pairs.size()), num_real))
      some.push_back(bucket_.pairs[i].media);
    const at::Tensor mean_F = trained_.features_NF.mean(0),
                     scale_F = trained_.features_NF.std(0, /*unbiased=*/false).clamp_min(1e-6);
    const auto standard = [&](const at::Tensor& features_NF) { return (features_NF - mean_F) / scale_F; };
    const at::Tensor real =
        standard(trained_.probe.encode(pixels_of(codecs_, some, "decode real images")).features_NF);
    const auto seed = static_cast<uint64_t>(options_.seed);
    return {{"generated", kernel_distance(standard(drawn_encoded_.features_NF), real, seed).to_json()},
            {"real", kernel_distance(standard(training_features()), real, seed).to_json()},
            {"real_images", num_real}};
  }

  // Of training images that are not the bucket's.
  at::Tensor training_features() const {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < train_.size(); ++i)
      if (!std::binary_search(trained_.aside.begin(), trained_.aside.end(), i))
        rows.push_back(static_cast<int64_t>(i));
    return trained_.features_NF.index_select(0, torch::tensor(rows, torch::kInt64));
  }

  // Real images of the bucket beside it, unless they are training images.
  OrderedJson copies() const {
    const auto share = [](const NearestTraining& nearest) {
      return Accuracy{nearest.copies(), nearest.ratio_N.size(0)}.to_json();
    };
    OrderedJson json{{"generated", share(nearest_)}};
    if (bucket_.name != kTrained)
      json["real"] = share(nearest_training(thumbnails(asked_N3SS_), trained_.thumbnails_NP));
    return json;
  }

  // On the grid of the patches, or codes, that the model generates one by one.
  OrderedJson seams() const {
    const modality::Modality& images = *codecs_.vocabulary().find(drawn_.front().modality);
    const auto patches_per_side = std::llround(std::sqrt(static_cast<double>(images.positions_per_item())));
    const int64_t patch_side = drawn_N3SS_.size(3) / patches_per_side;
    const double of_drawn = seam_ratio(images_of(drawn_N3SS_), patch_side),
                 of_real = seam_ratio(images_of(asked_N3SS_), patch_side);
    return {{"patch_side", patch_side},
            {"generated", of_drawn},
            {"real", of_real},
            {"ratio", of_drawn / of_real}};
  }

  std::string write_image(const Path& folder, const std::string& name, const formats::Image& image) const {
    publish_file(folder / name, formats::encode_png(image));
    return name;
  }

  OrderedJson write_items(const Path& folder, int64_t num_items) const {
    OrderedJson items = OrderedJson::array();
    for (const size_t i : spread(all_indices(drawn_.size()), std::min(num_items, std::ssize(drawn_)))) {
      const auto row = static_cast<int64_t>(i);
      const Pair& near = train_[static_cast<size_t>(nearest_.index_N[row].item<int64_t>())];
      const std::string stem = bucket_.name + "-" + std::to_string(items.size());
      items.push_back(
          {{"caption", codecs_.text_of(bucket_.pairs[asked_[i]].caption)},
           {"generated", write_image(folder, stem + "-generated.png", codecs::to_image(drawn_N3SS_[row]))},
           {"original", write_image(folder, stem + "-original.png", codecs::to_image(asked_N3SS_[row]))},
           {"nearest", write_image(folder, stem + "-nearest.png",
                                   std::get<formats::Image>(codecs_.media_of(near.media)))},
           {"nearest_caption", codecs_.text_of(near.caption)}});
    }
    return items;
  }

  const generate::ModelCodecs& codecs_;
  const std::vector<Pair>& train_;
  const TrainedProbe& trained_;
  const QualityOptions& options_;
  const Bucket& bucket_;
  std::vector<size_t> asked_;
  std::vector<generate::Segment> drawn_;
  at::Tensor drawn_N3SS_, asked_N3SS_;
  EncodedImages drawn_encoded_;
  NearestTraining nearest_;
};

OrderedJson sampling_of(const generate::Network& network, const QualityOptions& options) {
  OrderedJson json{{"guidance", options.guidance}, {"seed", options.seed}};
  if (network.model()->spec().latents()) {
    json["steps"] = options.steps;
    json["sampler"] = options.sampler;
  }
  return json;
}

}  // namespace

OrderedJson judge_images(const generate::Network& network, const generate::ModelCodecs& codecs,
                         const std::vector<Bucket>& buckets, const TrainedProbe& probe,
                         const QualityOptions& options, const Path& folder) {
  const std::vector<Pair>& train = find(buckets, kTrained)->pairs;
  Bucket aside{kTrained, {}};
  for (const size_t i : probe.aside) aside.pairs.push_back(train[i]);
  OrderedJson judged = OrderedJson::object();
  int64_t generated = 0;
  for (const Bucket& bucket : buckets) {
    const Bucket& judged_one = bucket.name == kTrained ? aside : bucket;
    if (judged_one.pairs.size() < 2) continue;
    judged[bucket.name] = BucketJudge(codecs, train, probe, options, judged_one)
                              .run(network, folder, options.samples / std::ssize(buckets));
    generated += judged[bucket.name]["generated"].get<int64_t>();
  }
  return {
      {"generated", generated},
      {"sampling", sampling_of(network, options)},
      {"probe", {{"training_images", train.size() - probe.aside.size()}, {"set_aside", probe.aside.size()}}},
      {"buckets", judged},
      {"grid", draw_grid(network, codecs, buckets, options, folder / "grid.png")}};
}

}  // namespace mom::quality
