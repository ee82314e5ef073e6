#include "mom/quality/caption_use.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "mom/base/random.h"
#include "mom/quality/likelihood.h"

namespace mom::quality {
namespace {

constexpr size_t kImagesTogether = 16;  // images in one batch: affects memory, not results

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// A timestep of the level and noise, for one image.
struct Draw {
  int64_t timestep;
  at::Tensor noise_CHW;
};

Draw draw(const NoiseLevel& level, const at::Tensor& latent_CHW, uint64_t key) {
  RandomStream random(key);
  const auto width = static_cast<uint64_t>(level.to - level.from);
  return {level.from + static_cast<int64_t>(random.below(width)),
          torch::randn(latent_CHW.sizes(), at::make_generator<at::CPUGeneratorImpl>(random.next()),
                       torch::kFloat32)};
}

std::vector<NoiseLevel> levels_of(int64_t steps) {
  std::vector<NoiseLevel> levels;
  for (int64_t k = 0; k < kNoiseLevels; ++k) {
    const NoiseLevel level{k * steps / kNoiseLevels, (k + 1) * steps / kNoiseLevels, {}};
    if (level.to > level.from) levels.push_back(level);
  }
  return levels;
}

// Those that have another caption.
std::vector<std::vector<size_t>> comparable(const std::vector<std::vector<size_t>>& candidates) {
  std::vector<std::vector<size_t>> kept;
  for (const std::vector<size_t>& some : candidates)
    if (some.size() >= 2) kept.push_back(some);
  return kept;
}

// One level of noise for some images: losses with their own and with the other caption, f64 [I, 2].
class LevelLosses {
 public:
  LevelLosses(const models::CosineSchedule& schedule, const modality::Vocabulary& vocabulary,
              const std::vector<Pair>& pairs, uint64_t seed)
      : schedule_(schedule), vocabulary_(vocabulary), pairs_(pairs), seed_(seed) {}

  at::Tensor operator()(const NoisePredictor& predict, const NoiseLevel& level,
                        std::span<const std::vector<size_t>> asked) const {
    std::vector<generate::Feed> feeds;
    std::vector<at::Tensor> noise;
    for (const std::vector<size_t>& captions : asked) {
      const Pair& image = pairs_[captions[0]];
      const at::Tensor& latent_CHW = image.media.picture->latent_CHW;
      const Draw drawn =
          draw(level, latent_CHW,
               stream_key({seed_, fnv1a64("caption use"), captions[0], static_cast<uint64_t>(level.from)}));
      const at::Tensor noised_CHW = schedule_.add_noise(latent_CHW.unsqueeze(0), drawn.noise_CHW.unsqueeze(0),
                                                        torch::tensor({drawn.timestep}, torch::kInt64))[0];
      for (size_t c = 0; c < 2; ++c) {
        feeds.push_back(caption_prompt(pairs_[captions[c]].caption, image.media.modality, vocabulary_));
        feeds.back().append(generate::Picture{noised_CHW, drawn.timestep, image.media.picture->latents});
        noise.push_back(drawn.noise_CHW);
      }
    }
    const at::Tensor errors = (predict(feeds) - torch::stack(noise)).to(torch::kFloat64).square();
    return errors.flatten(1).mean(1).view({-1, 2});
  }

 private:
  const models::CosineSchedule& schedule_;
  const modality::Vocabulary& vocabulary_;
  const std::vector<Pair>& pairs_;
  uint64_t seed_;
};

}  // namespace

void LossPair::add(const at::Tensor& losses_I2) {
  for (int64_t i = 0; i < losses_I2.size(0); ++i) {
    right_.push_back(losses_I2[i][0].item<double>());
    shuffled_.push_back(losses_I2[i][1].item<double>());
  }
}

double LossPair::use() const {
  if (count() == 0 || mean(shuffled_) == 0) return 0;
  return 1 - mean(right_) / mean(shuffled_);
}

double LossPair::standard_error() const {
  if (count() < 2 || mean(shuffled_) == 0) return 0;
  const double ratio = 1 - use(), n = static_cast<double>(count());
  double squares = 0;
  for (size_t i = 0; i < right_.size(); ++i) squares += std::pow(right_[i] - ratio * shuffled_[i], 2);
  return std::sqrt(squares / (n * (n - 1))) / mean(shuffled_);
}

OrderedJson LossPair::to_json() const {
  return {{"use", use()},
          {"standard_error", standard_error()},
          {"right", count() > 0 ? mean(right_) : 0},
          {"shuffled", count() > 0 ? mean(shuffled_) : 0},
          {"images", count()}};
}

OrderedJson CaptionUse::to_json() const {
  OrderedJson json = overall.to_json();
  for (const NoiseLevel& level : levels) {
    OrderedJson one{{"from", level.from}, {"to", level.to}};
    one.update(level.losses.to_json());
    json["levels"].push_back(one);
  }
  return json;
}

CaptionUse caption_use_of_latents(const NoisePredictor& predict, const models::CosineSchedule& schedule,
                                  const modality::Vocabulary& vocabulary, const std::vector<Pair>& pairs,
                                  const std::vector<std::vector<size_t>>& candidates, uint64_t seed,
                                  const OnProgress& on_progress) {
  CaptionUse found;
  found.levels = levels_of(schedule.steps());
  const auto asked = comparable(candidates);
  const LevelLosses losses_of(schedule, vocabulary, pairs, seed);
  for (size_t first = 0; first < asked.size(); first += kImagesTogether) {
    const std::span some = std::span(asked).subspan(first, std::min(kImagesTogether, asked.size() - first));
    std::vector<at::Tensor> of_levels;
    for (NoiseLevel& level : found.levels) {
      of_levels.push_back(losses_of(predict, level, some));
      level.losses.add(of_levels.back());
    }
    found.overall.add(torch::stack(of_levels).mean(0));
    on_progress(first + some.size());
  }
  return found;
}

CaptionUse caption_use_of_codes(models::ModelImpl& model, const std::vector<Pair>& pairs,
                                const std::vector<std::vector<size_t>>& candidates,
                                const OnProgress& on_progress) {
  CaptionUse found;
  const auto asked = comparable(candidates);
  for (size_t first = 0; first < asked.size(); first += kImagesTogether) {
    const std::span some = std::span(asked).subspan(first, std::min(kImagesTogether, asked.size() - first));
    std::vector<Continuation> batch;
    for (const std::vector<size_t>& captions : some) {
      const generate::Segment& image = pairs[captions[0]].media;
      for (size_t c = 0; c < 2; ++c)
        batch.push_back({caption_prompt(pairs[captions[c]].caption, image.modality, model.spec().vocabulary),
                         image.tokens});
    }
    std::vector<double> nats = log_likelihoods(model, batch);
    for (size_t i = 0; i < nats.size(); ++i) nats[i] /= -static_cast<double>(batch[i].text.size());
    found.overall.add(torch::tensor(nats, torch::kFloat64).view({-1, 2}));
    on_progress(first + some.size());
  }
  return found;
}

CaptionUse caption_use(generate::Network network, const models::CosineSchedule& schedule,
                       const std::vector<Pair>& pairs, const std::vector<std::vector<size_t>>& candidates,
                       uint64_t seed, const OnProgress& on_progress) {
  models::Model model = network.model();
  if (!pairs.empty() && !pairs.front().media.picture)
    return caption_use_of_codes(*model, pairs, candidates, on_progress);
  const auto predict = [&](const std::vector<generate::Feed>& feeds_S) {
    generate::DecodeState state = generate::initial_state(*model, std::ssize(feeds_S));
    std::vector<at::Tensor> noised;
    std::vector<int64_t> timesteps;
    for (const generate::Feed& feed : feeds_S) {
      noised.push_back(feed.pictures.front().latent_CHW);
      timesteps.push_back(feed.pictures.front().timestep);
    }
    const modality::Modality& latents =
        generate::modality_of(model->spec(), feeds_S.front().pictures.front());
    return schedule.noise(model->spec().prediction_of(latents), torch::stack(noised),
                          torch::stack(network.read(state, feeds_S).predicted),
                          torch::tensor(timesteps, torch::kInt64));
  };
  return caption_use_of_latents(predict, schedule, model->spec().vocabulary, pairs, candidates, seed,
                                on_progress);
}

}  // namespace mom::quality
