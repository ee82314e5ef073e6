// A wish while an engine writes its answers: the sequences that are its own, and what its client is told of them.
#pragma once

#include <memory>
#include <vector>

#include "mom/generate/composer.h"
#include "mom/generate/loaded_model.h"

namespace mom::generate {

class Writing {
 public:
  // Its answers join `engine`; `request` is make_request() of wish.asked, with a key for each answer. `tell` is called from
  // within Engine::step() and ended(). Model and engine must outlive it. Throws as Engine::add(), and then none has joined.
  Writing(Wish wish, const Request& request, const LoadedModel& model, Engine& engine, Composer::Tell tell);
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing();  // what is still being written leaves the engine

  // Whether all answers have ended. To be called after every step: it ends those that have come to a stop string.
  bool ended();
  // Tokens and patches.
  int64_t prompt_positions() const { return prompt_positions_; }
  int64_t written_positions() const;

 private:
  void add_answer(const Request& request, size_t choice, const LoadedModel& model,
                  const Composer::Tell& tell);
  void leave();

  const Wish wish_;
  Engine& engine_;
  const int64_t prompt_positions_;
  std::vector<std::unique_ptr<Composer>> composers_;
  std::vector<SequenceId> ids_;
};

}  // namespace mom::generate
