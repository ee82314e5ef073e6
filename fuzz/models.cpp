// What a run or a model folder says about itself: config.json, metrics.jsonl, results.json.
#include "fuzz/targets.h"
#include "mom/models/hugging_face.h"
#include "mom/models/model_spec.h"
#include "mom/runs/metrics.h"
#include "mom/study/results_file.h"

namespace mom::fuzz {
namespace {

void read_config(std::string_view bytes) {
  const models::ModelSpec spec = models::spec_from_json(parse_json(bytes, "config.json"), "config.json");
  const std::string written = models::to_json(spec).dump();
  const models::ModelSpec again = models::spec_from_json(parse_json(written, "copy"), "copy");
  expect(models::to_json(again).dump() == written, "a config that was written is what was read");
}

std::vector<std::string> config_seeds() {
  return {
      R"({"model_type": "mixture_of_mamba", "vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8,
          "conv_kernel": 4, "expand": 2, "image_scan": "four", "intermediate_size": 64, "use_conv_bias": true, "use_bias": false,
          "time_step_rank": 2, "layer_norm_epsilon": 1e-05, "tie_word_embeddings": false, "hidden_act": "silu",
          "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "modalities": ["text", "image"],
          "decoupled": ["in_proj", "out_proj"], "setting": "transfusion", "latent_shape": [4, 16, 16], "patch_size": 2,
          "patch_net": "conv", "patch_net_channels": 8, "patch_positions": false, "diffusion_steps": 1000,
          "adaptive_norm": true, "prediction": "velocity", "vocabulary": {"text": [0, 40], "image": [40, 40]},
          "modality_table": {"text": {"representation": "tokens"}, "image": {"representation": "latents", "begin_token": 4,
          "end_token": 5, "latent_shape": [4, 16, 16], "patch_size": 2}}, "codec_hashes": {"image": "11", "text": "4b"}})",
      R"({"model_type": "mixture_of_mamba", "vocab_size": 48, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8,
          "conv_kernel": 4, "expand": 2, "intermediate_size": 64, "use_conv_bias": true, "use_bias": false, "time_step_rank": 2,
          "layer_norm_epsilon": 1e-05, "tie_word_embeddings": false, "hidden_act": "silu", "bos_token_id": 2, "eos_token_id": 3,
          "pad_token_id": 0, "modalities": ["text", "image"], "decoupled": [], "setting": "chameleon",
          "vocabulary": {"text": [0, 40], "image": [40, 48]}, "modality_table": {"text": {"representation": "tokens"},
          "image": {"representation": "codes", "begin_token": 4, "end_token": 5, "codes_per_item": 4}}, "codec_hashes": {}})",
      R"({"model_type": "mamba", "architectures": ["MambaForCausalLM"], "vocab_size": 50, "hidden_size": 32, "state_size": 8,
              "num_hidden_layers": 2, "expand": 2, "conv_kernel": 4, "use_bias": false, "use_conv_bias": true, "time_step_rank": 2,
              "layer_norm_epsilon": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true, "eos_token_id": [0, 1]})",
      R"({"model_type": "llama", "vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
              "tie_word_embeddings": false, "attention_bias": false})",
      R"({"d_model": 32, "n_layer": 2, "vocab_size": 50, "ssm_cfg": {}, "rms_norm": true, "residual_in_fp32": true,
              "fused_add_norm": true, "pad_vocab_size_multiple": 8})"};
}

void read_metrics_lines(std::string_view bytes) {
  const MemoryFile file(bytes);
  runs::read_metrics(file.path());
}

std::vector<std::string> metrics_seeds() {
  return {
      R"({"kind":"eval","step":0,"tokens":0,"tokens_text":0,"flops":0.0,"set":"a","loss":8.4,"loss_text":8.4})"
      "\n"
      R"({"kind":"train","step":1,"tokens":20,"tokens_text":20,"flops":1e6,"loss":8.3,"loss_text":8.3,"step_s":0.1})"
      "\n"
      R"({"kind":"train","step":2,"tokens":40,"tokens_text":40,"flops":2e6,"loss":8.2,"loss_text":8.2,"step_s":0.1})"
      "\n"};
}

void read_results(std::string_view bytes) {
  study::parse_results(parse_ordered_json(bytes, "results.json"), nullptr, "results.json");
}

// Lists to two elements: a short input is read a hundred times as often.
void shorten(OrderedJson& json) {
  if (json.is_array() && json.size() > 2) json.erase(json.begin() + 2, json.end());
  for (OrderedJson& each : json)
    if (each.is_structured()) shorten(each);
}

// A study of two runs.
std::vector<std::string> results_seeds() {
  OrderedJson json = parse_ordered_json(source_file("docs/results/larger/results.json"), "results.json");
  shorten(json);
  for (const char* const other : {"chameleon", "three_modality"}) {
    json["groups"].erase(other);
    for (const char* const arm : {"-mamba-1", "-mixture_of_mamba-1"})
      json["runs"].erase(std::string(other) + arm);
  }
  return {json.dump()};
}

}  // namespace

std::vector<Target> model_targets() {
  return {{"config", read_config, config_seeds},
          {"metrics", read_metrics_lines, metrics_seeds},
          {"results", read_results, results_seeds}};
}

}  // namespace mom::fuzz
