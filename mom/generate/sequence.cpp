#include "mom/generate/sequence.h"

#include <torch/types.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "mom/base/random.h"
#include "mom/modality/special_tokens.h"

namespace mom::generate {

at::Tensor picture_noise(uint64_t key, size_t picture, int64_t draw, const std::vector<int64_t>& shape) {
  at::Tensor noise = torch::empty(shape);
  RandomStream random(
      stream_key({key, fnv1a64("picture"), static_cast<uint64_t>(picture), static_cast<uint64_t>(draw)}));
  float* values = noise.mutable_data_ptr<float>();
  for (int64_t i = 0; i < noise.numel(); ++i) values[i] = static_cast<float>(random.normal());
  return noise;
}

Sequence::Sequence(Request request, const DocumentRules& rules, const models::Schedules& schedules,
                   const models::ModelSpec& spec, SequenceEvents events)
    : request_(std::move(request)),
      spec_(spec),
      events_(std::move(events)),
      cursor_(rules),
      room_(request_.max_positions) {
  for (const modality::Modality* latents : spec.vocabulary.continuous()) {
    const models::CosineSchedule& schedule = schedules.of(diffusion_.size());
    diffusion_.emplace_back(schedule, spec.prediction_of(*latents),
                            std::min(request_.picture.steps, schedule.steps()), request_.picture.method);
  }
  if (request_.picture.guidance != 1) unconditional_.emplace();
  size_t picture = 0;
  for (const int32_t token : request_.prompt.tokens)
    take_in(token, token == kPicture ? request_.prompt.pictures[picture++] : Picture{});
  write_what_is_certain();
}

std::vector<Branch*> Sequence::branches() {
  return unconditional_ ? std::vector{&conditional_, &*unconditional_} : std::vector{&conditional_};
}

int64_t Sequence::rounds_to_come() const {
  if (done_) return 0;
  if (painting_) return diffusion(*painting_->modality).num_steps() - painting_->visit;
  return cursor_.picture_due() ? diffusion(*cursor_.open()).num_steps() + 1
                               : std::max<int64_t>(1, cursor_.to_close() - 1);
}

std::vector<Sequence::Job> Sequence::next_jobs() {
  std::vector<Job> jobs;
  for (Branch* branch : branches()) {
    if (branch != &conditional_ && !cursor_.inside_whole()) continue;
    if (painting_) {
      jobs.push_back({branch, {}, false});
      jobs.back().feed.append(Picture{painting_->latent_CHW,
                                      diffusion(*painting_->modality).timestep(painting_->visit), painted()});
    } else {
      jobs.push_back({branch, std::exchange(branch->pending, {}), true});
    }
  }
  return jobs;
}

void Sequence::choose(const Predictions& predictions) {
  if (!painting_ && !cursor_.picture_due()) chosen_ = draw(predictions.joined(request_.picture.guidance));
}

void Sequence::receive(const Predictions& predictions) {
  if (!painting_ && cursor_.picture_due()) {
    painting_ = Painting{cursor_.open(), {}, 0};
    painting_->latent_CHW = noise(0);
    return;
  }
  if (painting_) {
    denoise(predictions.joined(request_.picture.guidance));
  } else {
    write(*std::exchange(chosen_, {}));
  }
  write_what_is_certain();
}

void Sequence::take_in(int32_t token, const Picture& picture) {
  const bool after_text = cursor_.in_text();
  cursor_.advance(token);
  const bool text = after_text && cursor_.in_text();
  auto feed = [&](Branch& branch) {
    token == kPicture ? branch.pending.append(picture) : branch.pending.append(token);
  };
  feed(conditional_);
  if (unconditional_ && (!text || token == modality::special::kBos)) feed(*unconditional_);
  if (text && request_.sampling.repetition_penalty != 1) seen_.insert(token);
}

void Sequence::put(int32_t token, const Picture& picture, int64_t num_positions, double log_probability) {
  take_in(token, picture);
  token == kPicture ? answer_.content.append(picture) : answer_.content.append(token);
  room_ -= num_positions;
  if (token == kPicture && events_.picture) events_.picture(picture);
  if (events_.token) events_.token(token, log_probability);
}

std::vector<TokenSpan> Sequence::allowed() const {
  if (request_.needs_text && answer_.content.empty())
    return {{spec_.vocabulary.pieces().begin, spec_.vocabulary.pieces().end}};
  // Where text ends at another modality, its start may be drawn however little room there is.
  const bool any_room = request_.until == Until::kText && cursor_.in_text();
  return cursor_.allowed(any_room ? std::numeric_limits<int64_t>::max() : room_);
}

SampledToken Sequence::draw(const at::Tensor& logits_V) {
  const at::Tensor row = logits_V.contiguous();
  SamplingOptions options = request_.sampling;
  if (!cursor_.in_text()) options.repetition_penalty = 1;
  const uint64_t key = stream_key({request_.key, fnv1a64("token"), num_drawn_++});
  return sample_token({row.const_data_ptr<float>(), static_cast<size_t>(row.numel())}, allowed(), seen_,
                      options, RandomStream(key).uniform());
}

void Sequence::write(const SampledToken& sampled) {
  const auto token = static_cast<int32_t>(sampled.token);
  const bool after_text = cursor_.in_text();
  if (request_.until == Until::kText && after_text && cursor_.opens(token)) return finish(Stop::kEnd);
  put(token, {}, 1, sampled.log_probability);
  answer_.log_probabilities.push_back(sampled.log_probability);
  const bool closed = !after_text && cursor_.in_text();
  if (ends_document(token) || (closed && request_.until == Until::kSegment)) return finish(Stop::kEnd);
  if (room_ <= 0) finish(Stop::kLength);
}

void Sequence::write_what_is_certain() {
  while (!done_ && !cursor_.in_text() && !cursor_.picture_due()) {
    const std::vector<TokenSpan> allowed = cursor_.allowed(room_);
    if (allowed.size() != 1 || allowed[0].size() != 1) return;
    write({allowed[0].begin, 0});
  }
}

bool Sequence::ends_document(int32_t token) const {
  return (!spec_.vocabulary.empty() && token == modality::special::kEos) ||
         std::count(request_.stop_tokens.begin(), request_.stop_tokens.end(), token) > 0;
}

void Sequence::finish(Stop stop) {
  done_ = true;
  answer_.stop = stop;
}

at::Tensor Sequence::noise(int64_t draw) const {
  return picture_noise(request_.key, answer_.content.pictures.size(), draw,
                       painting_->modality->latent_shape);
}

const DiffusionSampler& Sequence::diffusion(const modality::Modality& latents) const {
  return diffusion_[static_cast<size_t>(spec_.vocabulary.latents_number(latents))];
}

size_t Sequence::painted() const {
  return static_cast<size_t>(spec_.vocabulary.latents_number(*painting_->modality));
}

void Sequence::denoise(const at::Tensor& predicted_CHW) {
  auto& [modality, latent_CHW, visit] = *painting_;
  const DiffusionSampler& sampler = diffusion(*modality);
  const at::Tensor fresh_CHW = sampler.draws(visit) ? noise(visit + 1) : at::Tensor();
  if (events_.preview && visit + 1 < sampler.num_steps())
    events_.preview(sampler.clean(visit, latent_CHW, predicted_CHW), visit, sampler.num_steps());
  latent_CHW = sampler.step(visit, latent_CHW, predicted_CHW, fresh_CHW);
  if (++visit < sampler.num_steps()) return;
  const Picture clean{latent_CHW, 0, painted()};
  const int64_t num_positions = modality->positions_per_item();
  painting_.reset();
  put(kPicture, clean, num_positions, 0);
}

}  // namespace mom::generate
