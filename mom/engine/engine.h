// A trained model inside another program, as libmom_engine.so: text, images and sounds are written as `mom serve` writes
// them, many answers side by side, one step at a time. This header needs nothing but the standard library.
//
//   mom::engine::Engine engine("runs/quickstart/mixture_of_mamba");
//   engine.add({.asked = {.parts = {{"text", "red apple", "prompt"}}, .max_tokens = 40}, .seed = 1},
//              [](const mom::generate::Event& event) { std::cout << event.data; });
//   while (engine.step()) {}
//
// The same wish gives the answers of `mom generate` with its seed, whatever else is being written. One thread at a time.
// Errors are std::runtime_error, with one line that says what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mom/generate/wish.h"

namespace mom::engine {

struct Options {
  std::string codecs = {};                   // a folder with one per modality; empty: those of the run's data
  std::optional<std::string> weights = {};   // of text and codes: float32, bfloat16 or int8; empty: as stored
  bool last_weights = false;                 // of the last step, where the run keeps an average
  std::string device = "cpu";                // what computes: a recipe's train.device
  int64_t cache_bytes = int64_t{256} << 20;  // of states of prompts that were read
};

// Told of an answer's pieces in order, from within step(), which it must not call: text as it is written, images and
// sounds whole; kEnd comes last. What it throws ends its wish and comes out of step().
using Listener = std::function<void(const generate::Event&)>;
using Id = uint64_t;

class Engine {
 public:
  explicit Engine(const std::string& run, const Options& options = {});  // a run or model folder
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Joins those that are being written. Throws where the wish cannot be fulfilled.
  Id add(generate::Wish wish, Listener listener);
  void cancel(Id id);  // nothing more is told of it; one that is not there: nothing
  // False: there was nothing to do.
  bool step();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mom::engine
