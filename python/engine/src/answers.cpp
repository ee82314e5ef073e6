// mom::engine::Engine for Python. The callers see to it that one thread at a time is in it.
#include <torch/custom_class.h>
#include <torch/library.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mom/base/log.h"
#include "mom/engine/engine.h"
#include "mom/generate/wish.h"
#include "python/engine/src/bytes.h"

namespace mom::python {
namespace {

// Of generate::Event::Kind.
constexpr std::array<const char*, 6> kKinds = {"text", "image", "sound", "array", "preview", "end"};

// The wish, what happened, which answer, its data, the modality of an array, and the number of a preview or, of an end, 1 where
// max_tokens cut it and 0 where it came by itself.
using Told = std::tuple<int64_t, std::string, int64_t, at::Tensor, std::string, int64_t>;

// A library has warnings to print and nothing else.
[[maybe_unused]] const bool kQuiet = (set_quiet(true), true);

class Answers : public torch::CustomClassHolder {
 public:
  Answers(const std::string& run, const std::string& codecs, std::optional<std::string> weights,
          bool last_weights, int64_t cache_bytes)
      : engine_(run, {.codecs = codecs,
                      .weights = std::move(weights),
                      .last_weights = last_weights,
                      .cache_bytes = cache_bytes}) {}

  // contents: uint8, of each part's text or file.
  int64_t add(const std::vector<std::string>& modalities, const std::vector<at::Tensor>& contents,
              const std::vector<int64_t>& tokens, const std::string& modality, bool interleaved,
              std::optional<int64_t> max_tokens, double temperature, int64_t top_k, double top_p,
              double min_p, double repetition_penalty, std::optional<int64_t> steps,
              std::optional<std::string> sampler, std::optional<double> guidance, int64_t seed, int64_t count,
              const std::vector<std::string>& stop, int64_t previews) {
    TORCH_CHECK(modalities.size() == contents.size(), "a content for each modality");
    generate::Wish wish;
    for (size_t i = 0; i < modalities.size(); ++i)
      wish.asked.parts.push_back(
          {modalities[i], to_string(contents[i]), "part " + std::to_string(i + 1) + " of the prompt"});
    wish.asked.tokens = tokens;
    wish.asked.modality = modality;
    wish.asked.interleaved = interleaved;
    wish.asked.max_tokens = max_tokens;
    wish.asked.sampling = {temperature, top_k, top_p, min_p, repetition_penalty};
    wish.asked.sampling.check();
    wish.asked.steps = steps;
    wish.asked.sampler = std::move(sampler);
    wish.asked.guidance = guidance;
    wish.seed = static_cast<uint64_t>(seed);
    wish.count = count;
    wish.stop = stop;
    wish.previews = previews;
    const auto id = std::make_shared<int64_t>();
    *id = static_cast<int64_t>(engine_.add(std::move(wish), [this, id](const generate::Event& event) {
      const bool end = event.kind == generate::Event::Kind::kEnd;
      told_.emplace_back(
          *id, kKinds.at(static_cast<size_t>(event.kind)), static_cast<int64_t>(event.choice),
          to_tensor(event.data), event.modality,
          end ? static_cast<int64_t>(event.finish == generate::Finish::kLength) : event.number);
    }));
    return *id;
  }

  void cancel(int64_t id) { engine_.cancel(static_cast<engine::Id>(id)); }
  bool step() { return engine_.step(); }
  // What was told since the last call.
  std::vector<Told> told() { return std::exchange(told_, {}); }

 private:
  std::vector<Told> told_;
  engine::Engine engine_;
};

TORCH_LIBRARY_FRAGMENT(mixture_of_mamba_engine, m) {
  m.class_<Answers>("Answers")
      .def(torch::init<const std::string&, const std::string&, std::optional<std::string>, bool, int64_t>())
      .def("add", &Answers::add)
      .def("cancel", &Answers::cancel)
      .def("step", &Answers::step)
      .def("told", &Answers::told);
}

}  // namespace
}  // namespace mom::python
