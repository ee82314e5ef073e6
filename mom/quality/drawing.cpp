#include "mom/quality/drawing.h"

#include <algorithm>
#include <memory>

#include "mom/base/progress.h"
#include "mom/base/rounding.h"

namespace mom::quality {
namespace {

constexpr int64_t kDrawnTogether = 32;  // images in one batch: affects memory, not results

generate::Request request_for(const Wish& wish, const generate::DocumentRules& rules,
                              const QualityOptions& options) {
  generate::Request request;
  request.prompt = caption_prompt(wish.pair->caption, wish.pair->media.modality, rules.vocabulary);
  generate::DocumentCursor cursor(rules);
  for (const int32_t token : request.prompt.tokens) cursor.advance(token);
  request.until = generate::Until::kSegment;
  request.max_positions = cursor.to_close();
  request.picture.steps = options.steps;
  request.picture.method = generate::parse_diffusion_method(options.sampler);
  request.picture.guidance = options.guidance;
  request.key = wish.key;
  return request;
}

}  // namespace

std::vector<generate::Segment> draw_images(const generate::Network& network,
                                           const generate::ModelCodecs& codecs,
                                           const std::vector<Wish>& wishes, const QualityOptions& options,
                                           const std::string& label) {
  const models::ModelSpec& spec = network.model()->spec();
  const generate::DocumentRules rules{codecs.vocabulary(), spec.vocab_size};
  const int64_t count = std::ssize(wishes), num_batches = ceil_div(count, kDrawnTogether);
  std::unique_ptr<Progress> shown;
  int64_t batch = 0, rounds_a_batch = 0;
  generate::RunEvents events;
  events.progress = [&](int64_t done, int64_t total) {
    if (!shown)
      shown = std::make_unique<Progress>(label, "rounds", static_cast<uint64_t>(num_batches * total));
    rounds_a_batch = std::max(rounds_a_batch, total);
    shown->update(static_cast<uint64_t>(batch * rounds_a_batch + done));
  };
  generate::Engine engine(network, rules);
  std::vector<generate::Segment> drawn;
  for (; batch < num_batches; ++batch) {
    std::vector<generate::Request> requests;
    for (int64_t i = batch * kDrawnTogether; i < std::min(count, (batch + 1) * kDrawnTogether); ++i)
      requests.push_back(request_for(wishes[static_cast<size_t>(i)], rules, options));
    const std::vector<generate::Answer> answers = generate::run(engine, requests, events);
    for (size_t i = 0; i < answers.size(); ++i)
      drawn.push_back(generate::split(requests[i].prompt, answers[i].content, spec.vocabulary).back());
  }
  return drawn;
}

}  // namespace mom::quality
