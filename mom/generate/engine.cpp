#include "mom/generate/engine.h"

#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "mom/base/error.h"
#include "mom/models/objective.h"
#include "mom/ops/parallel.h"

namespace mom::generate {
namespace {

constexpr double kMaxGuidance = 100;
// A prompt is read up to the next multiple of this many positions at a time, so that others go on meanwhile and one that
// is cancelled soon ends, but the last ones with those before if they are as few as the second number; several prompts together
// up to the third in a step.
constexpr int64_t kReadAtOnce = 256, kFewAtEnd = 64, kReadInStep = 512;

void check_picture_options(const PictureOptions& picture, const models::ModelSpec& spec) {
  int64_t most = spec.latents() ? 1 : spec.diffusion_steps;  // of the longest schedule
  for (const modality::Modality* latents : spec.vocabulary.continuous())
    most = std::max(most, spec.diffusion_steps_of(*latents));
  if (picture.steps < 1 || picture.steps > most)
    throw UserError({"--steps", "1 to " + std::to_string(most) + ", the steps of the schedule",
                     std::to_string(picture.steps), ""});
  if (!(picture.guidance >= 0 && picture.guidance <= kMaxGuidance))
    throw UserError({"--guidance", "0 to 100", std::to_string(picture.guidance), ""});
}

}  // namespace

Engine::Engine(Network network, const DocumentRules& rules, const EngineOptions& options)
    : network_(std::move(network)),
      rules_(rules),
      schedules_(models::schedules_of(network_.model()->spec())),
      cache_(options.cache_bytes),
      fresh_(initial_state(*network_.model(), 1)) {}

void Engine::check(const Request& request) const {
  request.sampling.check();
  check_picture_options(request.picture, network_.model()->spec());
  if (request.prompt.empty()) throw UserError({"prompt", "at least one token", "none", ""});
  DocumentCursor cursor(rules_);
  size_t num_pictures = 0;
  for (const int32_t token : request.prompt.tokens) {
    if (token == kPicture && num_pictures < request.prompt.pictures.size())
      TORCH_CHECK(
          cursor.inside(modality_of(network_.model()->spec(), request.prompt.pictures[num_pictures]).name),
          "[engine] picture ", num_pictures, ": expected one of the modality that is open");
    cursor.advance(token);
    num_pictures += token == kPicture;
  }
  TORCH_CHECK(num_pictures == request.prompt.pictures.size(), "[engine] expected ", num_pictures,
              " pictures, got ", request.prompt.pictures.size());
  for (const Picture& picture : request.prompt.pictures) {
    const std::vector<int64_t>& shape = modality_of(network_.model()->spec(), picture).latent_shape;
    TORCH_CHECK(picture.latent_CHW.sizes() == shape && picture.timestep == 0,
                "[engine] picture: expected a clean latent ", shape, ", got ", picture.latent_CHW.sizes());
  }
  const int64_t least = std::max<int64_t>(1, cursor.to_close());
  if (request.max_positions < least)
    throw UserError({"--max-tokens", "at least " + std::to_string(least) + ", which the prompt leaves open",
                     std::to_string(request.max_positions), ""});
}

SequenceId Engine::add(Request request, Listener listener) {
  check(request);
  auto running = std::make_unique<Running>();
  running->id = next_id_++;
  SequenceEvents events = listener;
  events.token = [this, token = std::move(events.token)](int32_t id, double log_probability) {
    ++counts_.written_tokens;
    if (token) token(id, log_probability);
  };
  running->listener = std::move(listener);
  running->sequence = std::make_unique<Sequence>(std::move(request), rules_, schedules_,
                                                 network_.model()->spec(), std::move(events));
  for (Branch* branch : running->sequence->branches()) {
    branch->slot = state_.num_sequences();
    state_.append(fresh_);
  }
  running_.push_back(std::move(running));
  return running_.back()->id;
}

// Numbers the states of sequences that stay 0, 1, ... and drops the others.
void Engine::leave(const std::function<bool(const Running&)>& leaves) {
  if (std::erase_if(running_, [&](const auto& running) { return leaves(*running); }) == 0) return;
  std::vector<int64_t> kept;
  for (const auto& running : running_) {
    for (Branch* branch : running->sequence->branches()) {
      kept.push_back(branch->slot);
      branch->slot = static_cast<int64_t>(kept.size()) - 1;
    }
  }
  state_ = kept.empty() ? DecodeState() : state_.select(kept);
}

void Engine::cancel(SequenceId id) {
  leave([&](const Running& running) { return running.id == id; });
}

void Engine::cancel_all() {
  leave([](const Running&) { return true; });
}

void Engine::begin_tasks(Running& running) {
  if (!running.tasks.empty()) return;
  for (Sequence::Job& job : running.sequence->next_jobs()) {
    Task task{std::move(job), {}, false, {}};
    if (state_.model.num_tokens_S[static_cast<size_t>(task.job.branch->slot)] == 0)
      task.whole = task.job.feed;
    running.tasks.push_back(std::move(task));
  }
}

// Goes on from the state of a prefix that was read before. False: there is none.
bool Engine::resume(Task& task) {
  const Snapshot* snapshot = cache_.find(*task.whole, /*whole=*/!network_.cuts_exactly());
  if (!snapshot) return false;
  const size_t length = snapshot->prefix.tokens.size();
  state_.replace({task.job.branch->slot}, snapshot->state);
  task.job.feed = items_of(*task.whole, length, task.whole->tokens.size() - length);
  if (task.job.feed.empty()) {
    task.predicted = snapshot->logits_V;
    task.whole.reset();
  }
  counts_.reused_tokens += static_cast<int64_t>(length);
  task.begun = true;
  return true;
}

// Equal prompts that come together are read once.
bool Engine::is_read_by_another(const Task& task) const {
  for (const auto& running : running_)
    for (const Task& other : running->tasks)
      if (other.begun && other.whole && other.whole->tokens.size() == task.whole->tokens.size() &&
          begins_with(*other.whole, *task.whole))
        return true;
  return false;
}

std::optional<Engine::Piece> Engine::next_piece(Task& task) const {
  const models::ModelSpec& spec = network_.model()->spec();
  const int64_t seen = state_.model.num_tokens_S[static_cast<size_t>(task.job.branch->slot)];
  int64_t left = kReadAtOnce - seen % kReadAtOnce;
  if (const int64_t all = positions_of(task.job.feed, spec); all <= left + kFewAtEnd) left = all;
  const std::vector<int32_t>& tokens = task.job.feed.tokens;
  auto picture = task.job.feed.pictures.begin();
  size_t count = 0;
  for (; count < tokens.size(); ++count) {
    const bool is_picture = tokens[count] == kPicture;
    const int64_t positions = is_picture ? modality_of(spec, *picture).positions_per_item() : 1;
    if (count > 0 && left < positions) break;
    left -= positions;
    if (is_picture) ++picture;
  }
  return Piece{&task, items_of(task.job.feed, 0, count), count == tokens.size()};
}

void Engine::keep(Task& task, const at::Tensor& logits_V) {
  if (!task.whole) return;
  if (logits_V.defined()) cache_.put({*task.whole, state_.select({task.job.branch->slot}), logits_V.clone()});
  task.whole.reset();
}

void Engine::decode(const std::vector<Task*>& tasks) {
  if (tasks.empty()) return;
  std::vector<int64_t> slots;
  std::vector<int32_t> tokens;
  for (const Task* task : tasks) {
    slots.push_back(task->job.branch->slot);
    tokens.push_back(task->job.feed.tokens.front());
  }
  DecodeState part = state_.take(slots);
  const at::Tensor logits_SV = network_.decode(part, tokens);
  state_.replace(slots, std::move(part));
  for (size_t i = 0; i < tasks.size(); ++i) {
    tasks[i]->predicted = logits_SV[static_cast<int64_t>(i)];
    tasks[i]->job.feed = {};
  }
}

void Engine::read(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return;
  std::vector<int64_t> slots, committed, committed_slots;
  std::vector<Feed> feeds;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Sequence::Job& job = pieces[i].task->job;
    slots.push_back(job.branch->slot);
    feeds.push_back(pieces[i].feed);
    if (!job.commit) continue;
    committed.push_back(static_cast<int64_t>(i));
    committed_slots.push_back(job.branch->slot);
  }
  DecodeState part = state_.select(slots);
  const StepOutput output = network_.read(part, feeds);
  if (!committed.empty()) state_.replace(committed_slots, part.select(committed));
  size_t picture = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    Task& task = *pieces[i].task;
    const size_t count = feeds[i].tokens.size();
    const bool paints = !task.job.commit;
    const at::Tensor logits_V =
        output.logits_SV.defined() ? output.logits_SV[static_cast<int64_t>(i)] : at::Tensor();
    if (pieces[i].last) {
      task.predicted = paints ? output.predicted[picture] : logits_V;
      keep(task, logits_V);
    }
    if (!paints) counts_.read_tokens += static_cast<int64_t>(count);
    picture += feeds[i].pictures.size();
    task.job.feed = items_of(task.job.feed, count, task.job.feed.tokens.size() - count);
  }
}

bool Engine::step() {
  if (running_.empty()) return false;
  for (const auto& running : running_) begin_tasks(*running);
  std::vector<Task*> decoded;
  std::vector<Piece> pieces;
  int64_t room = kReadInStep;
  for (const auto& running : running_) {
    for (Task& task : running->tasks) {
      if (task.job.feed.empty()) continue;
      const bool fresh = task.whole && !task.begun;
      if (fresh && resume(task) && task.job.feed.empty()) continue;
      const std::vector<int32_t>& tokens = task.job.feed.tokens;
      if (!task.whole && task.job.commit && !task.begun && tokens.size() == 1 && tokens.front() != kPicture) {
        decoded.push_back(&task);
        continue;
      }
      if (fresh && !task.begun && is_read_by_another(task)) continue;
      Piece piece = *next_piece(task);
      room -= positions_of(piece.feed, network_.model()->spec());
      // Painting and what follows a picture is a prompt's size and never waits.
      if (room < 0 && task.whole && !pieces.empty()) continue;
      task.begun = true;
      pieces.push_back(std::move(piece));
    }
  }
  decode(decoded);
  read(pieces);
  ++counts_.steps;
  std::vector<Running*> ready, done;
  for (const auto& running : running_) {
    std::vector<Task>& tasks = running->tasks;
    const auto prompt = static_cast<int64_t>(running->sequence->request().prompt.tokens.size());
    running->read_tokens =
        tasks[0].whole ? prompt - static_cast<int64_t>(tasks[0].job.feed.tokens.size()) : prompt;
    if (std::any_of(tasks.begin(), tasks.end(), [](const Task& task) { return !task.job.feed.empty(); }))
      continue;
    ready.push_back(running.get());
  }
  auto predictions = [](const Running& running) -> Predictions {
    const std::vector<Task>& tasks = running.tasks;
    return {tasks[0].predicted, tasks.size() > 1 ? tasks[1].predicted : at::Tensor()};
  };
  ops::parallel_tiles(static_cast<int64_t>(ready.size()), [&](int64_t i) {
    const Running& running = *ready[static_cast<size_t>(i)];
    running.sequence->choose(predictions(running));
  });
  for (Running* running : ready) {
    running->sequence->receive(predictions(*running));
    running->tasks.clear();
    if (running->sequence->done()) done.push_back(running);
  }
  std::vector<std::pair<std::function<void(Answer)>, Answer>> answers;
  for (Running* running : done)
    answers.emplace_back(std::move(running->listener.done), running->sequence->take_answer());
  leave([](const Running& running) { return running.sequence->done(); });
  for (auto& [listener, answer] : answers)
    if (listener) listener(std::move(answer));
  return true;
}

int64_t Engine::steps_to_come() const {
  int64_t steps = 0;
  for (const auto& running : running_) steps = std::max(steps, running->sequence->rounds_to_come());
  return steps;
}

std::vector<SequenceView> Engine::sequences() const {
  std::vector<SequenceView> views;
  for (const auto& running : running_)
    views.push_back({running->id, static_cast<int64_t>(running->sequence->request().prompt.tokens.size()),
                     running->read_tokens, static_cast<int64_t>(running->sequence->num_written())});
  return views;
}

std::vector<Answer> run(Engine& engine, const std::vector<Request>& requests, const RunEvents& events) {
  std::vector<Answer> answers(requests.size());
  for (const Request& request : requests) engine.check(request);
  for (size_t i = 0; i < requests.size(); ++i) {
    Listener listener;
    listener.done = [&answers, i](Answer answer) { answers[i] = std::move(answer); };
    if (events.token) listener.token = [&events, i](int32_t token, double) { events.token(i, token); };
    engine.add(requests[i], std::move(listener));
  }
  for (int64_t done = 1; engine.step(); ++done)
    if (events.progress) events.progress(done, done + engine.steps_to_come());
  return answers;
}

}  // namespace mom::generate
