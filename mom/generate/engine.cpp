#include "mom/generate/engine.h"

#include <torch/types.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "mom/base/error.h"
#include "mom/generate/sequence.h"

namespace mom::generate {
namespace {

constexpr double kMaxGuidance = 100;

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

// Jobs that are run, and which of them each job has its answer from: before anything was seen, equal prompts
// have equal answers.
struct Shared {
  std::vector<const Sequence::Job*> run;
  std::vector<int64_t> run_of_job;
};

Shared share_prompts(const DecodeState& state, const std::vector<Sequence::Job>& jobs) {
  const auto fresh = [&](const Sequence::Job& job) {
    return state.model.num_tokens_S[static_cast<size_t>(job.branch->slot)] == 0;
  };
  Shared shared;
  for (const Sequence::Job& job : jobs) {
    const auto same = std::find_if(shared.run.begin(), shared.run.end(), [&](const Sequence::Job* other) {
      return fresh(job) && fresh(*other) && job.commit == other->commit && job.feed == other->feed;
    });
    shared.run_of_job.push_back(same - shared.run.begin());
    if (same == shared.run.end()) shared.run.push_back(&job);
  }
  return shared;
}

// Feeds the jobs and keeps the states of those that commit.
StepOutput feed(Network& network, DecodeState& state, const std::vector<Sequence::Job>& jobs) {
  const Shared shared = share_prompts(state, jobs);
  std::vector<int64_t> slots, committed, committed_slots;
  std::vector<Feed> feeds;
  for (const Sequence::Job* job : shared.run) {
    slots.push_back(job->branch->slot);
    feeds.push_back(job->feed);
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].commit) continue;
    committed.push_back(shared.run_of_job[i]);
    committed_slots.push_back(jobs[i].branch->slot);
  }
  DecodeState part = state.select(slots);
  StepOutput output = network.step(part, feeds);
  if (!committed.empty()) state.replace(committed_slots, part.select(committed));
  if (shared.run.size() == jobs.size()) return output;
  // Prompts share, and nobody paints yet: only logits are asked for.
  return {output.logits_SV.index_select(0, torch::tensor(shared.run_of_job, torch::kInt64)), {}};
}

// All sequences that are not done take one step. False when there is none.
bool advance(Network& network, const Sequences& sequences, DecodeState& state) {
  std::vector<Sequence::Job> jobs;
  std::vector<std::pair<Sequence*, size_t>> takers;  // and how many jobs
  for (const auto& sequence : sequences) {
    if (sequence->done()) continue;
    std::vector<Sequence::Job> own = sequence->next_jobs();
    takers.emplace_back(sequence.get(), own.size());
    std::move(own.begin(), own.end(), std::back_inserter(jobs));
  }
  if (jobs.empty()) return false;
  const StepOutput output = feed(network, state, jobs);
  int64_t job = 0, picture = 0;
  bool any_done = false;
  for (const auto& [sequence, num_jobs] : takers) {
    std::vector<at::Tensor> predicted(2);
    for (size_t i = 0; i < num_jobs; ++i, ++job) {
      const auto num_pictures = static_cast<int64_t>(jobs[static_cast<size_t>(job)].feed.pictures.size());
      predicted[i] = sequence->painting() ? output.predicted_ICHW[picture] : output.logits_SV[job];
      picture += num_pictures;
    }
    sequence->receive({predicted[0], predicted[1]});
    any_done |= sequence->done();
  }
  if (any_done) drop_finished(sequences, state);
  return true;
}

void check_picture_options(const PictureOptions& picture, const models::CosineSchedule& schedule) {
  // Throws where steps are out of range.
  DiffusionSampler(schedule, models::Prediction::kNoise, picture.steps, picture.method);
  if (!(picture.guidance >= 0 && picture.guidance <= kMaxGuidance))
    throw UserError({"--guidance", "0 to 100", std::to_string(picture.guidance), ""});
}

}  // namespace

Engine::Engine(Network network, const DocumentRules& rules, EngineEvents events)
    : network_(std::move(network)),
      rules_(rules),
      schedule_(network_.model()->spec().diffusion_steps),
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
  for (const Picture& picture : request.prompt.pictures) {
    const std::vector<int64_t>& shape = network_.model()->spec().latents()->latent_shape;
    TORCH_CHECK(picture.latent_CHW.sizes() == shape && picture.timestep == 0,
                "[engine] picture: expected a clean latent ", shape, ", got ", picture.latent_CHW.sizes());
  }
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
    sequences.push_back(std::make_unique<Sequence>(request, rules_, schedule_, network_.model()->spec(),
                                                   std::move(on_token)));
    for (Branch* branch : sequences.back()->branches()) branch->slot = num_slots++;
  }
  DecodeState state = initial_state(*network_.model(), num_slots);
  auto rounds_to_come = [&] {
    int64_t rounds = 0;
    for (const auto& sequence : sequences) rounds = std::max(rounds, sequence->rounds_to_come());
    return rounds;
  };
  for (int64_t round = 1; advance(network_, sequences, state); ++round)
    if (events_.progress) events_.progress(round, round + rounds_to_come());
  std::vector<Answer> answers;
  for (const auto& sequence : sequences) answers.push_back(sequence->take_answer());
  return answers;
}

}  // namespace mom::generate
