#include "mom/generate/engine.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/codecs/text_codec.h"

namespace mom::generate {
namespace {

constexpr double kMaxGuidance = 100;

// One of a sequence's states, and what it is still to be fed.
struct Branch {
  int64_t slot = 0;
  Feed pending;
};

// A picture on its way from noise.
struct Painting {
  at::Tensor latent_CHW;
  int64_t visit = 0;
};

// Predictions of a sequence's branches, of whatever is due; the second undefined without guidance.
struct Predictions {
  at::Tensor conditional, unconditional;
  at::Tensor joined(double guidance) const {
    return unconditional.defined() ? guide(conditional, unconditional, guidance) : conditional;
  }
};

class Sequence {
 public:
  Sequence(const Request& request, const DocumentRules& rules, const models::CosineSchedule& schedule,
           const models::ModelSpec& spec, std::function<void(int32_t)> on_token)
      : request_(request),
        spec_(spec),
        on_token_(std::move(on_token)),
        cursor_(rules),
        diffusion_(schedule, request.picture.steps, request.picture.method),
        room_(request.max_positions) {
    if (request.picture.guidance != 1) unconditional_.emplace();
    size_t picture = 0;
    for (const int32_t token : request.prompt.tokens)
      take_in(token, token == kPicture ? request.prompt.pictures[picture++] : Picture{});
    write_what_is_certain();
  }

  bool done() const { return done_; }
  Answer take_answer() { return std::move(answer_); }
  std::vector<Branch*> branches() {
    return unconditional_ ? std::vector{&conditional_, &*unconditional_} : std::vector{&conditional_};
  }
  // Rounds until it is where it may end, as far as can be foreseen.
  int64_t rounds_to_come() const {
    if (done_) return 0;
    if (painting_) return diffusion_.num_steps() - painting_->visit;
    return cursor_.picture_due() ? diffusion_.num_steps() + 1 : std::max<int64_t>(1, cursor_.to_close() - 1);
  }

  // What its branches are fed in the next round, the conditional one first.
  struct Job {
    Branch* branch;
    Feed feed;
    bool commit;  // the state after it is kept
  };
  std::vector<Job> next_jobs() {
    std::vector<Job> jobs;
    for (Branch* branch : branches()) {
      if (branch != &conditional_ && !cursor_.inside("image")) continue;
      if (painting_) {
        jobs.push_back({branch, {}, false});
        jobs.back().feed.append(Picture{painting_->latent_CHW, diffusion_.timestep(painting_->visit)});
      } else {
        jobs.push_back({branch, std::exchange(branch->pending, {}), true});
      }
    }
    return jobs;
  }

  bool painting() const { return painting_.has_value(); }
  // What the round gave: the noise [C, H, W] where it is painting, else logits [V].
  void receive(const Predictions& predictions) {
    if (!painting_ && cursor_.picture_due()) return start_painting();
    const at::Tensor predicted = predictions.joined(request_.picture.guidance);
    painting_ ? denoise(predicted) : write(draw(predicted));
    write_what_is_certain();
  }

 private:
  // A token or picture of the document: for the branches, and for the penalty. Without its text a document is
  // <bos> and what stands between brackets.
  void take_in(int32_t token, const Picture& picture) {
    const bool after_text = cursor_.in_text();
    cursor_.advance(token);
    const bool text = after_text && cursor_.in_text();
    for (Branch* branch : branches()) {
      if (branch != &conditional_ && text && token != codecs::special::kBos) continue;
      token == kPicture ? branch->pending.append(picture) : branch->pending.append(token);
    }
    if (text) seen_.insert(token);
  }

  void put(int32_t token, const Picture& picture, int64_t num_positions) {
    take_in(token, picture);
    token == kPicture ? answer_.content.append(picture) : answer_.content.append(token);
    room_ -= num_positions;
    if (on_token_) on_token_(token);
  }

  SampledToken draw(const at::Tensor& logits_V) {
    const at::Tensor row = logits_V.contiguous();
    SamplingOptions options = request_.sampling;
    if (!cursor_.in_text()) options.repetition_penalty = 1;
    // Where text ends at another modality, its start may be drawn however little room there is.
    const bool any_room = request_.until == Until::kText && cursor_.in_text();
    const uint64_t key = stream_key({request_.key, fnv1a64("token"), num_drawn_++});
    return sample_token({row.const_data_ptr<float>(), static_cast<size_t>(row.numel())},
                        cursor_.allowed(any_room ? std::numeric_limits<int64_t>::max() : room_), seen_,
                        options, RandomStream(key).uniform());
  }

  void write(const SampledToken& sampled) {
    const auto token = static_cast<int32_t>(sampled.token);
    const bool after_text = cursor_.in_text();
    if (request_.until == Until::kText && after_text && cursor_.opens(token)) return finish(Stop::kEnd);
    put(token, {}, 1);
    answer_.log_probabilities.push_back(sampled.log_probability);
    const bool closed = !after_text && cursor_.in_text();
    if (ends_document(token) || (closed && request_.until == Until::kSegment)) return finish(Stop::kEnd);
    if (room_ <= 0) finish(Stop::kLength);
  }

  // Without waiting for logits.
  void write_what_is_certain() {
    while (!done_ && !cursor_.in_text() && !cursor_.picture_due()) {
      const std::vector<TokenSpan> allowed = cursor_.allowed(room_);
      if (allowed.size() != 1 || allowed[0].size() != 1) return;
      write({allowed[0].begin, 0});
    }
  }

  bool ends_document(int32_t token) const {
    return (!spec_.vocabulary.empty() && token == codecs::special::kEos) ||
           std::count(request_.stop_tokens.begin(), request_.stop_tokens.end(), token) > 0;
  }

  void finish(Stop stop) {
    done_ = true;
    answer_.stop = stop;
  }

  // `draw`: 0 for the first noise, then one more than the visit.
  at::Tensor normal_latent(int64_t draw) const {
    at::Tensor noise_CHW = torch::empty(spec_.latent_shape);
    RandomStream random(stream_key(
        {request_.key, fnv1a64("picture"), answer_.content.pictures.size(), static_cast<uint64_t>(draw)}));
    float* values = noise_CHW.mutable_data_ptr<float>();
    for (int64_t i = 0; i < noise_CHW.numel(); ++i) values[i] = static_cast<float>(random.normal());
    return noise_CHW;
  }

  void start_painting() { painting_ = Painting{normal_latent(0), 0}; }

  void denoise(const at::Tensor& noise_CHW) {
    auto& [latent_CHW, visit] = *painting_;
    const at::Tensor fresh_CHW = diffusion_.draws(visit) ? normal_latent(visit + 1) : at::Tensor();
    latent_CHW = diffusion_.step(visit, latent_CHW, noise_CHW, fresh_CHW);
    if (++visit < diffusion_.num_steps()) return;
    const Picture clean{latent_CHW, 0};
    painting_.reset();
    put(kPicture, clean, spec_.patches_per_image());
  }

  const Request& request_;
  const models::ModelSpec& spec_;
  std::function<void(int32_t)> on_token_;
  DocumentCursor cursor_;
  DiffusionSampler diffusion_;
  Branch conditional_;
  std::optional<Branch> unconditional_;  // with guidance
  std::optional<Painting> painting_;
  std::set<int64_t> seen_;
  int64_t room_;
  uint64_t num_drawn_ = 0;
  bool done_ = false;
  Answer answer_;
};

using Sequences = std::vector<std::unique_ptr<Sequence>>;

// Numbers the states of sequences that go on 0, 1, ... and drops the others.
void drop_finished(const Sequences& sequences, DecodeState& state) {
  std::vector<int64_t> kept;
  for (const auto& sequence : sequences) {
    if (sequence->done()) continue;
    for (Branch* branch : sequence->branches()) {
      kept.push_back(branch->slot);
      branch->slot = static_cast<int64_t>(kept.size()) - 1;
    }
  }
  state = state.select(kept);
}

// Feeds the jobs and keeps the states of those that commit.
StepOutput feed(models::ModelImpl& model, DecodeState& state, const std::vector<Sequence::Job>& jobs) {
  std::vector<int64_t> slots, committed, committed_slots;
  std::vector<Feed> feeds;
  for (const Sequence::Job& job : jobs) {
    if (job.commit) {
      committed.push_back(static_cast<int64_t>(slots.size()));
      committed_slots.push_back(job.branch->slot);
    }
    slots.push_back(job.branch->slot);
    feeds.push_back(job.feed);
  }
  DecodeState part = state.select(slots);
  StepOutput output = step(model, part, feeds);
  if (!committed.empty()) state.replace(committed_slots, part.select(committed));
  return output;
}

// All sequences that are not done take one step. False when there is none.
bool advance(models::ModelImpl& model, const Sequences& sequences, DecodeState& state) {
  std::vector<Sequence::Job> jobs;
  std::vector<std::pair<Sequence*, size_t>> takers;  // and how many jobs
  for (const auto& sequence : sequences) {
    if (sequence->done()) continue;
    std::vector<Sequence::Job> own = sequence->next_jobs();
    takers.emplace_back(sequence.get(), own.size());
    std::move(own.begin(), own.end(), std::back_inserter(jobs));
  }
  if (jobs.empty()) return false;
  const StepOutput output = feed(model, state, jobs);
  int64_t job = 0, picture = 0;
  bool any_done = false;
  for (const auto& [sequence, num_jobs] : takers) {
    std::vector<at::Tensor> predicted(2);
    for (size_t i = 0; i < num_jobs; ++i, ++job) {
      const auto num_pictures = static_cast<int64_t>(jobs[static_cast<size_t>(job)].feed.pictures.size());
      predicted[i] = sequence->painting() ? output.noise_ICHW[picture] : output.logits_SV[job];
      picture += num_pictures;
    }
    sequence->receive({predicted[0], predicted[1]});
    any_done |= sequence->done();
  }
  if (any_done) drop_finished(sequences, state);
  return true;
}

void check_picture_options(const PictureOptions& picture, const models::CosineSchedule& schedule) {
  DiffusionSampler(schedule, picture.steps, picture.method);  // throws where steps are out of range
  if (!(picture.guidance >= 0 && picture.guidance <= kMaxGuidance))
    throw UserError({"--guidance", "0 to 100", std::to_string(picture.guidance), ""});
}

}  // namespace

Engine::Engine(models::Model model, const DocumentRules& rules, EngineEvents events)
    : model_(std::move(model)),
      rules_(rules),
      schedule_(model_->spec().diffusion_steps),
      events_(std::move(events)) {}

void Engine::check(const Request& request) const {
  request.sampling.check();
  check_picture_options(request.picture, schedule_);
  if (request.prompt.empty()) throw UserError({"prompt", "at least one token", "none", ""});
  DocumentCursor cursor(rules_);
  size_t num_pictures = 0;
  for (const int32_t token : request.prompt.tokens) {
    cursor.advance(token);
    num_pictures += token == kPicture;
  }
  TORCH_CHECK(num_pictures == request.prompt.pictures.size(), "[engine] expected ", num_pictures,
              " pictures, got ", request.prompt.pictures.size());
  for (const Picture& picture : request.prompt.pictures)
    TORCH_CHECK(picture.latent_CHW.sizes() == model_->spec().latent_shape && picture.timestep == 0,
                "[engine] picture: expected a clean latent ", model_->spec().latent_shape, ", got ",
                picture.latent_CHW.sizes());
  const int64_t least = std::max<int64_t>(1, cursor.to_close());
  if (request.max_positions < least)
    throw UserError({"--max-tokens", "at least " + std::to_string(least) + ", which the prompt leaves open",
                     std::to_string(request.max_positions), ""});
}

std::vector<Answer> Engine::run(const std::vector<Request>& requests) {
  Sequences sequences;
  int64_t num_slots = 0;
  for (const Request& request : requests) check(request);
  for (const Request& request : requests) {
    std::function<void(int32_t)> on_token;
    if (events_.token) on_token = [this, i = sequences.size()](int32_t token) { events_.token(i, token); };
    sequences.push_back(
        std::make_unique<Sequence>(request, rules_, schedule_, model_->spec(), std::move(on_token)));
    for (Branch* branch : sequences.back()->branches()) branch->slot = num_slots++;
  }
  DecodeState state = initial_state(*model_, num_slots);
  auto rounds_to_come = [&] {
    int64_t rounds = 0;
    for (const auto& sequence : sequences) rounds = std::max(rounds, sequence->rounds_to_come());
    return rounds;
  };
  for (int64_t round = 1; advance(*model_, sequences, state); ++round)
    if (events_.progress) events_.progress(round, round + rounds_to_come());
  std::vector<Answer> answers;
  for (const auto& sequence : sequences) answers.push_back(sequence->take_answer());
  return answers;
}

}  // namespace mom::generate
