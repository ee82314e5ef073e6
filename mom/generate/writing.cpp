#include "mom/generate/writing.h"

#include <utility>

#include "mom/base/random.h"

namespace mom::generate {
namespace {

// The modality of what comes first.
std::string left_open(const Feed& prompt, const modality::Vocabulary& vocabulary) {
  if (vocabulary.empty()) return modality::kTextName;
  const modality::Modality* opened = vocabulary.opened_by(prompt.tokens.back());
  return opened ? opened->name : vocabulary.text()->name;
}

}  // namespace

Writing::Writing(Wish wish, const Request& request, const LoadedModel& model, Engine& engine,
                 Composer::Tell tell)
    : wish_(std::move(wish)), engine_(engine), prompt_positions_(positions_of(request.prompt, model.spec())) {
  try {
    for (int64_t i = 0; i < wish_.count; ++i) add_answer(request, static_cast<size_t>(i), model, tell);
  } catch (...) {
    leave();
    throw;
  }
}

Writing::~Writing() { leave(); }

void Writing::add_answer(const Request& request, size_t choice, const LoadedModel& model,
                         const Composer::Tell& tell) {
  const modality::Vocabulary& vocabulary = model.spec().vocabulary;
  Request own = request;
  own.key = stream_key({wish_.seed, static_cast<uint64_t>(choice)});
  composers_.push_back(std::make_unique<Composer>(model.codecs(), vocabulary, wish_, choice,
                                                  left_open(request.prompt, vocabulary), tell));
  Composer* composer = composers_.back().get();
  Listener listener;
  listener.token = [composer](int32_t token, double p) { composer->token(token, p); };
  listener.picture = [composer](const Picture& picture) { composer->picture(picture); };
  if (wish_.previews > 0)
    listener.preview = [composer](const at::Tensor& clean, int64_t visit, int64_t n) {
      composer->preview(clean, visit, n);
    };
  listener.done = [composer](const Answer& answer) { composer->end(answer.stop); };
  ids_.push_back(engine_.add(std::move(own), std::move(listener)));
}

void Writing::leave() {
  for (const SequenceId id : ids_) engine_.cancel(id);
}

bool Writing::ended() {
  bool all = true;
  for (size_t i = 0; i < composers_.size(); ++i) {
    Composer& composer = *composers_[i];
    if (composer.stopped() && !composer.ended()) {
      engine_.cancel(ids_[i]);
      composer.end(Stop::kEnd);
    }
    all &= composer.ended();
  }
  return all;
}

int64_t Writing::written_positions() const {
  int64_t count = 0;
  for (const auto& composer : composers_) count += composer->num_positions();
  return count;
}

}  // namespace mom::generate
