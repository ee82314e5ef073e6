// A plain language model, which needs no codecs, and who waits for its answers.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mom/models/model.h"
#include "mom/serve/workers.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/tokenizer/tiny.h"

namespace mom::serve {

// Of 50 ids; with a tokenizer 264, of which 0 to 255 are bytes and the last three none.
inline void write_plain_model(const Path& folder, const Json& tokenizer = {}) {
  models::ModelSpec spec = test::tiny_spec({});
  spec.vocabulary = {};
  spec.modalities = {modality::kTextName};
  spec.vocab_size = tokenizer.is_null() ? 50 : 264;
  models::write_model(folder, *test::initialised(spec.resolved()));
  if (!tokenizer.is_null()) test::write_file(folder / "tokenizer.json", tokenizer.dump());
}

// Writes again and again what there was before, and never the end.
inline Wish endless(size_t prompt_tokens) {
  Wish wish;
  wish.asked.tokens.assign(prompt_tokens, 7);
  wish.asked.max_tokens = 1'000'000;
  wish.asked.sampling.temperature = 0;
  wish.asked.sampling.repetition_penalty = 0.01;
  return wish;
}

inline Wish short_wish(int64_t max_tokens = 3) {
  Wish wish = endless(2);
  wish.asked.max_tokens = max_tokens;
  return wish;
}

// Until it holds; after a minute it never will.
inline void wait_for(const std::string& what, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain for " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Keeps what it is told.
class Listener : public Sink {
 public:
  void event(Event event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  void done(const Usage& usage) override {
    const std::lock_guard lock(mutex_);
    usage_ = usage;
  }
  void failed(const ApiError& error) override {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  bool gone() const override { return left; }

  std::vector<Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  void wait() const {
    wait_for("the end of a job", [&] {
      const std::lock_guard lock(mutex_);
      return usage_ || error_;
    });
  }
  // Of a job that has ended; none: it was done.
  std::optional<ApiError> error() const {
    wait();
    const std::lock_guard lock(mutex_);
    return error_;
  }
  std::optional<Usage> usage() const {
    wait();
    const std::lock_guard lock(mutex_);
    return usage_;
  }
  std::atomic<bool> left = false;

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
  std::optional<Usage> usage_;
  std::optional<ApiError> error_;
};

// Once it is loaded, or cannot be.
inline std::unique_ptr<Worker> loaded_worker(WorkerOptions options, const Path& folder) {
  options.run = folder;
  auto worker = std::make_unique<Worker>(std::move(options));
  wait_for("the model", [&] { return worker->state() != Worker::State::kLoading; });
  return worker;
}

}  // namespace mom::serve
