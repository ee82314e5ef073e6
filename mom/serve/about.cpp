#include <functional>

#include "mom/base/json.h"
#include "mom/generate/asked.h"
#include "mom/serve/routes.h"

namespace mom::serve {
namespace {

OrderedJson modality_names(const Card& card) {
  OrderedJson names = OrderedJson::array();
  for (const Card::Kind& kind : card.modalities) names.push_back(api_name(kind));
  return names;
}

OrderedJson describe(const Card& card) {
  return {{"id", card.id},
          {"object", "model"},
          {"created", card.created},
          {"owned_by", "mom"},
          {"input_modalities", modality_names(card)},
          {"output_modalities", modality_names(card)}};
}

}  // namespace

std::string api_name(const Card::Kind& kind) {
  if (kind.media == codecs::MediaKind::kArray) return kind.modality;
  return kind.media == codecs::MediaKind::kText    ? "text"
         : kind.media == codecs::MediaKind::kImage ? "image"
                                                   : "audio";
}

std::string model_json(const Card& card) { return describe(card).dump(); }

std::string models_json(const std::vector<Card>& cards) {
  OrderedJson data = OrderedJson::array();
  for (const Card& card : cards) data.push_back(describe(card));
  return OrderedJson{{"object", "list"}, {"data", data}}.dump();
}

std::string props_json(const Card& card, const WorkerOptions& limits) {
  return OrderedJson{{"model", describe(card)},
                     {"vocab_size", card.vocab_size},
                     {"images_are_denoised", card.has_latents},
                     {"total_slots", limits.parallel},
                     {"default_generation_settings",
                      {{"max_tokens", 256},
                       {"temperature", 1},
                       {"top_k", 0},
                       {"top_p", 1},
                       {"min_p", 0},
                       {"repetition_penalty", 1},
                       {"guidance_scale", generate::kDefaultGuidance},
                       {"num_inference_steps", 50},
                       {"sampler", "ddpm"}}},
                     {"limits",
                      {{"max_tokens", limits.max_tokens},
                       {"prompt_tokens", limits.max_prompt_tokens},
                       {"image_pixels", limits.max_pixels},
                       {"sound_seconds", limits.max_sound_s},
                       {"queue", limits.queue}}}}
      .dump();
}

std::string slots_json(const std::vector<ModelStats>& models) {
  OrderedJson slots = OrderedJson::array();
  for (const auto& [model, stats] : models)
    for (const SlotView& one : stats.slots)
      slots.push_back({{"id", one.id},
                       {"model", model},
                       {"is_processing", true},
                       {"n_prompt_tokens", one.prompt_tokens},
                       {"n_read", one.read_tokens},
                       {"n_decoded", one.written_tokens}});
  return slots.dump();
}

std::string metrics_text(const std::vector<ModelStats>& models) {
  std::string text;
  const auto add = [&](const char* name, const char* type, const char* help, auto value) {
    text += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
    for (const auto& [model, stats] : models)
      text += std::string(name) + "{model=" + Json(model).dump() + "} " +
              std::to_string(std::invoke(value, stats)) + "\n";
  };
  using Stats = WorkerStats;
  add("mom_prompt_tokens_read_total", "counter", "Tokens of prompts that were read.", &Stats::read_tokens);
  add("mom_prompt_tokens_reused_total", "counter", "Tokens of prompts whose state was kept.",
      &Stats::reused_tokens);
  add("mom_tokens_generated_total", "counter", "Tokens and images that were generated.",
      &Stats::written_tokens);
  add("mom_steps_total", "counter", "Steps of the engine.", &Stats::steps);
  add("mom_requests_accepted_total", "counter", "Requests that were queued.", &Stats::accepted);
  add("mom_requests_refused_total", "counter", "Requests that found the queue full.", &Stats::refused);
  add("mom_requests_finished_total", "counter", "Requests that were answered.", &Stats::finished);
  add("mom_requests_abandoned_total", "counter", "Requests whose client left.", &Stats::abandoned);
  add("mom_requests_failed_total", "counter", "Requests that failed after they were queued.", &Stats::failed);
  add("mom_requests_waiting", "gauge", "Requests in the queue.", &Stats::waiting);
  add("mom_requests_running", "gauge", "Requests being answered.", &Stats::jobs);
  add("mom_sequences_running", "gauge", "Answers being written.",
      [](const Stats& stats) { return stats.slots.size(); });
  add("mom_prompt_cache_entries", "gauge", "Prompts whose state is kept.", &Stats::cached_prompts);
  add("mom_prompt_cache_bytes", "gauge", "Memory of these states in bytes.", &Stats::cached_bytes);
  return text;
}

}  // namespace mom::serve
