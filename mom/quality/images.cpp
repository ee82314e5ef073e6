#include "mom/quality/images.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mom/base/progress.h"
#include "mom/base/random.h"
#include "mom/codecs/image_codec.h"
#include "mom/modality/special_tokens.h"
#include "mom/quality/accuracy.h"
#include "mom/quality/frechet.h"
#include "mom/quality/probe.h"
#include "mom/quality/seams.h"

namespace mom::quality {
namespace {

constexpr int64_t kTogether = 32;         // images in one batch: affects memory, not results
constexpr int64_t kFrechetFeatures = 16;  // far fewer than images: with 64 the size of the sets dominates
constexpr int64_t kProbeFeatures = 256;

std::vector<size_t> all_of(size_t count) {
  std::vector<size_t> all(count);
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

class ImageJudge {
 public:
  ImageJudge(const generate::Network& network, const generate::ModelCodecs& codecs,
             const std::vector<Pair>& held_out, const std::vector<Pair>& train, const QualityOptions& options)
      : network_(network),
        codecs_(codecs),
        held_out_(held_out),
        train_(train),
        options_(options),
        asked_(spread(first_of_each_caption(held_out), options.pictures)) {}

  OrderedJson run(const Path& folder) {
    draw_images();
    std::vector<generate::Segment> real, seen;
    for (const Pair& pair : held_out_) real.push_back(pair.media);
    for (const Pair& pair : train_) seen.push_back(pair.media);
    drawn_NCHW_ = encodings(drawn_);
    real_NCHW_ = encodings(real);
    train_NCHW_ = encodings(seen);
    OrderedJson json;
    json["generated"] = drawn_.size();
    json["sampling"] = sampling();
    json["frechet"] = frechet();
    json["retrieval"] = retrieval();
    json["nearest"] = compare_with_nearest();
    json["seams"] = seams(real);
    json["items"] = write_items(folder);
    return json;
  }

 private:
  generate::Request request_for(size_t index, const generate::DocumentRules& rules) const {
    generate::Request request;
    generate::DocumentCursor cursor(rules);
    const auto put = [&](int32_t token) {
      request.prompt.append(token);
      cursor.advance(token);
    };
    put(modality::special::kBos);
    for (const int32_t token : held_out_[asked_[index]].caption) put(token);
    put(rules.vocabulary.find(held_out_[asked_[index]].media.modality)->brackets->open);
    request.until = generate::Until::kSegment;
    request.max_positions = cursor.to_close();
    request.picture.steps = options_.steps;
    request.picture.method = generate::parse_diffusion_method(options_.sampler);
    request.picture.guidance = options_.guidance;
    request.key = stream_key({static_cast<uint64_t>(options_.seed), fnv1a64("quality"), index});
    return request;
  }

  void draw_images() {
    const models::ModelSpec& spec = network_.model()->spec();
    const generate::DocumentRules rules{codecs_.vocabulary(), spec.vocab_size};
    const auto num_batches = (std::ssize(asked_) + kTogether - 1) / kTogether;
    std::unique_ptr<Progress> shown;
    int64_t batch = 0, rounds_a_batch = 0;
    generate::EngineEvents events;
    events.progress = [&](int64_t done, int64_t total) {
      if (!shown)
        shown = std::make_unique<Progress>("images", "rounds", static_cast<uint64_t>(num_batches * total));
      rounds_a_batch = std::max(rounds_a_batch, total);
      shown->update(static_cast<uint64_t>(batch * rounds_a_batch + done));
    };
    generate::Engine engine(network_, rules, std::move(events));
    for (; batch < num_batches; ++batch) {
      std::vector<generate::Request> requests;
      for (int64_t i = batch * kTogether; i < std::min(std::ssize(asked_), (batch + 1) * kTogether); ++i)
        requests.push_back(request_for(static_cast<size_t>(i), rules));
      const std::vector<generate::Answer> answers = engine.run(requests);
      for (size_t i = 0; i < answers.size(); ++i)
        drawn_.push_back(generate::split(requests[i].prompt, answers[i].content, spec.vocabulary).back());
    }
  }

  at::Tensor encodings(const std::vector<generate::Segment>& images) {
    std::vector<at::Tensor> all;
    for (const generate::Segment& image : images) {
      const auto& codec = codecs_.set().as<codecs::ImageCodec>(image.modality, "of images");
      all.push_back(codec.features(codecs_.item_of(image)));
    }
    return torch::stack(all);
  }

  OrderedJson sampling() const {
    OrderedJson json{{"guidance", options_.guidance}, {"seed", options_.seed}};
    if (network_.model()->spec().latents()) {
      json["steps"] = options_.steps;
      json["sampler"] = options_.sampler;
    }
    return json;
  }

  // What a perfect generator would get: as many real training images against the same held-out ones.
  OrderedJson frechet() const {
    const at::Tensor real = pooled_features(real_NCHW_, kFrechetFeatures);
    const std::vector<size_t> chosen = spread(all_of(train_.size()), std::ssize(drawn_));
    const at::Tensor rows = torch::tensor(std::vector<int64_t>(chosen.begin(), chosen.end()), torch::kInt64);
    return {{"distance", frechet_distance(pooled_features(drawn_NCHW_, kFrechetFeatures), real)},
            {"distance_of_training_pictures",
             frechet_distance(pooled_features(train_NCHW_.index_select(0, rows), kFrechetFeatures), real)},
            {"features", real.size(1)},
            {"held_out_pictures", real.size(0)}};
  }

  OrderedJson retrieval() const {
    std::vector<std::vector<int32_t>> train_captions, captions;
    for (const Pair& pair : train_) train_captions.push_back(pair.caption);
    for (const Pair& pair : held_out_) captions.push_back(pair.caption);
    const CaptionProbe probe(pooled_features(train_NCHW_, kProbeFeatures), train_captions);
    const auto candidates =
        draw_candidates(held_out_, asked_, options_.candidates, static_cast<uint64_t>(options_.seed));
    const at::Tensor of_drawn = probe.similarities(pooled_features(drawn_NCHW_, kProbeFeatures), captions);
    const at::Tensor of_real = probe.similarities(pooled_features(real_NCHW_, kProbeFeatures), captions);
    Accuracy drawn, real;
    size_t among = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      std::vector<double> scores, real_scores;
      for (const size_t caption : candidates[i]) {
        const auto column = static_cast<int64_t>(caption);
        scores.push_back(of_drawn[static_cast<int64_t>(i)][column].item<double>());
        real_scores.push_back(of_real[static_cast<int64_t>(asked_[i])][column].item<double>());
      }
      drawn.add(scores);
      real.add(real_scores);
      among = std::max(among, candidates[i].size());
    }
    return {
        {"among", among}, {"generated", drawn.to_json()}, {"real", real.to_json()}, {"ridge", probe.ridge()}};
  }

  // Below 1: nearer to the training images than unseen real images are.
  OrderedJson compare_with_nearest() {
    const at::Tensor train = pooled_features(train_NCHW_, kProbeFeatures);
    const Nearest of_drawn = nearest(pooled_features(drawn_NCHW_, kProbeFeatures), train);
    const Nearest of_real = nearest(pooled_features(real_NCHW_, kProbeFeatures), train);
    nearest_ = of_drawn.indices_N;
    const double drawn = of_drawn.distances_N.median().item<double>(),
                 real = of_real.distances_N.median().item<double>();
    return {{"median_distance", drawn}, {"median_distance_of_held_out", real}, {"ratio", drawn / real}};
  }

  std::vector<formats::Image> pixels_of(const std::vector<generate::Segment>& images, int64_t count) const {
    std::vector<formats::Image> pixels;
    for (const size_t i : spread(all_of(images.size()), count))
      pixels.push_back(std::get<formats::Image>(codecs_.media_of(images[i])));
    return pixels;
  }

  // On the grid of the patches, or codes, that the model generates one by one. Real images are decoded by the same codec.
  OrderedJson seams(const std::vector<generate::Segment>& real) const {
    const modality::Modality& images = *codecs_.vocabulary().find(drawn_.front().modality);
    const auto patches_per_side = std::llround(std::sqrt(static_cast<double>(images.positions_per_item())));
    const std::vector<formats::Image> drawn_pixels = pixels_of(drawn_, std::ssize(drawn_)),
                                      real_pixels = pixels_of(real, std::ssize(drawn_));
    const int64_t patch_side = drawn_pixels.front().width / patches_per_side;
    const double of_drawn = seam_ratio(drawn_pixels, patch_side),
                 of_real = seam_ratio(real_pixels, patch_side);
    return {{"patch_side", patch_side},
            {"generated", of_drawn},
            {"real", of_real},
            {"ratio", of_drawn / of_real}};
  }

  std::string write_image(const Path& folder, const std::string& name, const generate::Segment& image) {
    publish_file(folder / name, codecs::to_file(codecs_.media_of(image)));
    return name;
  }

  OrderedJson write_items(const Path& folder) {
    OrderedJson items = OrderedJson::array();
    for (const size_t i : spread(all_of(drawn_.size()), std::min(options_.samples, std::ssize(drawn_)))) {
      const Pair& asked = held_out_[asked_[i]];
      const Pair& near = train_[static_cast<size_t>(nearest_[static_cast<int64_t>(i)].item<int64_t>())];
      const std::string stem = "picture-" + std::to_string(items.size());
      OrderedJson item;
      item["caption"] = codecs_.text_of(asked.caption);
      item["generated"] = write_image(folder, stem + "-generated.png", drawn_[i]);
      item["original"] = write_image(folder, stem + "-original.png", asked.media);
      item["nearest"] = write_image(folder, stem + "-nearest.png", near.media);
      item["nearest_caption"] = codecs_.text_of(near.caption);
      items.push_back(item);
    }
    return items;
  }

  generate::Network network_;
  const generate::ModelCodecs& codecs_;
  const std::vector<Pair>&held_out_, &train_;
  const QualityOptions& options_;
  const std::vector<size_t> asked_;  // of the held-out pairs, one per generated image
  std::vector<generate::Segment> drawn_;
  at::Tensor drawn_NCHW_, real_NCHW_, train_NCHW_, nearest_;
};

}  // namespace

OrderedJson judge_images(const generate::Network& network, const generate::ModelCodecs& codecs,
                         const std::vector<Pair>& held_out, const std::vector<Pair>& train,
                         const QualityOptions& options, const Path& folder) {
  return ImageJudge(network, codecs, held_out, train, options).run(folder);
}

}  // namespace mom::quality
