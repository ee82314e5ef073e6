#include "mom/train/cluster_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/modality/presets.h"
#include "mom/models/counts.h"
#include "mom/train/cluster_step.h"

namespace mom::train {
namespace {

constexpr int64_t kPapersSequence = 4096;
constexpr double kNvlink = 3.6e12;  // 450 GB/s each way, H100

// The number that `text` begins with, and what follows it.
std::pair<double, std::string> number_and_rest(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value > 0) || !std::isfinite(value)) return {0, text};
  return {value, std::string(end, text.data() + text.size())};
}

double factor_of(char prefix) {
  switch (prefix) {
    case 'k':
      return 1e3;
    case 'M':
      return 1e6;
    case 'G':
      return 1e9;
    case 'T':
      return 1e12;
    case 'P':
      return 1e15;
  }
  return 0;
}

Recipe recipe_of(const ClusterPlanOptions& options) {
  if (!options.recipe.empty()) return load_recipe(options.recipe, options.overrides);
  Recipe recipe;
  recipe.setting = options.setting;
  recipe.model.backbone = options.backbone;
  recipe.model.size = options.size;
  models::apply_named_size(recipe.model, false, false);
  recipe.data.sequence_tokens = std::min(options.tokens, kPapersSequence);
  recipe.train.microbatches = options.cluster.processes() * (options.tokens / recipe.data.sequence_tokens);
  recipe.data.batch_tokens = options.tokens * options.cluster.processes();
  config::Schema schema = recipe.schema();
  for (const std::string& assignment : options.overrides) config::apply_override(schema, assignment);
  return recipe;
}

Cluster with_rate(Cluster cluster, const std::string& name, std::string& source) {
  source = "--flops-rate";
  if (cluster.flops_rate > 0) return cluster;
  std::string known;
  for (const Device& device : devices()) {
    known += (known.empty() ? "" : ", ") + device.name;
    if (device.name != name) continue;
    cluster.flops_rate = device.flops_rate;
    source = device.source;
    return cluster;
  }
  throw UserError({"--device", "one of " + known, "'" + name + "'", "or give --flops-rate"});
}

const modality::Preset& preset_of(const std::string& setting) {
  const modality::Preset* preset = modality::find_preset(setting);
  if (preset) return *preset;
  std::string known;
  for (const std::string& name : modality::preset_names()) known += (known.empty() ? "" : ", ") + name;
  throw UserError({"--setting", "one of " + known, "'" + setting + "'", ""});
}

}  // namespace

const std::vector<Device>& devices() {
  static const std::vector<Device> all = {
      {"h100", 400e12, "stated, not measured: 40% of an H100's 989 TFLOP/s in bf16"},
      {"a100", 125e12, "stated, not measured: 40% of an A100's 312 TFLOP/s in bf16"},
      {"epyc2", 175e9, "measured: two cores of an EPYC with AVX-512 in f32 (bench/results/training-step)"},
  };
  return all;
}

double parse_link(const std::string& text) {
  const std::string plain = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  if (plain == "nvlink") return kNvlink;
  const auto [value, unit] = number_and_rest(plain);
  const double factor = unit.empty() ? 0 : factor_of(unit[0]);
  if (value > 0 && factor > 0 && unit.substr(1) == "bit") return value * factor;
  if (value > 0 && factor > 0 && unit.substr(1) == "B") return 8 * value * factor;
  throw UserError({"--link", "a rate such as 10Gbit, 200Mbit, 450GB or nvlink", "'" + text + "'", ""});
}

double parse_flops_rate(const std::string& text) {
  const auto [value, unit] = number_and_rest(text);
  if (value > 0 && unit.empty()) return value;
  if (value > 0 && unit.size() == 1 && factor_of(unit[0]) > 0) return value * factor_of(unit[0]);
  throw UserError({"--flops-rate", "FLOP/s such as 400T or 175G", "'" + text + "'", ""});
}

OrderedJson cluster_plan_json(const ClusterPlanOptions& options) {
  std::string source;
  const Cluster cluster = with_rate(options.cluster, options.device, source);
  if (options.recipe.empty()) preset_of(options.setting);
  const Recipe recipe = recipe_of(options);
  const bool has_data = !recipe.data.path.empty() && std::filesystem::exists(recipe.data.path);
  models::ModelSpec spec;
  BatchShape batch;
  if (has_data) {
    const data::EncodedDataset dataset = data::open_encoded(recipe.data.path);
    spec = make_spec(recipe, dataset);
    batch = batch_of(recipe, spec, dataset);
  } else {
    check_stretches(recipe);
    spec = make_spec(recipe.model, preset_of(recipe.setting));
    batch = even_batch(recipe, spec);
  }
  const models::ParameterCounts counts = models::count_parameters(spec);
  const double parts = static_cast<double>(recipe.train.microbatches * recipe.train.sequence_ranks);
  const Activations activations =
      activations_of(spec, recipe.train, static_cast<double>(recipe.data.batch_tokens) / parts,
                     batch.targets / parts, batch.items / parts);
  const ClusterPlan plan = plan_cluster(cluster, counts, batch, activations, recipe.train);
  const double process_bytes = process_memory_bytes();

  OrderedJson json;
  if (options.recipe.empty())
    json["size"] = options.size;
  else
    json["recipe"] = options.recipe.string();
  json["backbone"] = spec.backbone;
  json["setting"] = recipe.setting;
  json["parameters"] = counts.total;
  json["precision"] = recipe.train.precision;
  json["batch_from"] = has_data ? recipe.data.path : "modalities of equal shares (no data)";
  json["tokens_per_step"] = recipe.data.batch_tokens;
  json["microbatches"] = recipe.train.microbatches;
  json["sequence_ranks"] = recipe.train.sequence_ranks;
  json["machines"] = cluster.machines;
  json["gpus"] = cluster.devices;
  json["processes"] = cluster.processes();
  json["threads"] = cluster.threads;
  json["link_bits_per_s"] = cluster.link_bits;
  json["flops_rate"] = cluster.flops_rate;
  json["flops_rate_from"] = source;
  const Memory& memory = plan.memory;
  json["memory_bytes"] = {{"weights", memory.weights},     {"average", memory.average},
                          {"gradients", memory.gradients}, {"moments", memory.moments},
                          {"received", memory.received},   {"activations", memory.activations},
                          {"process", process_bytes},      {"peak", memory.total() + process_bytes}};
  json["flops_per_step"] = batch.flops;
  json["sent_bytes_per_step"] = plan.sent_bytes;
  json["link_bytes_per_step"] = plan.leaving_bytes;
  json["compute_s"] = plan.compute_s;
  json["communication_s"] = {{"gradients", plan.gradients_s}, {"weights", plan.weights_s}};
  json["step_s"] = plan.step_s;
  json["tokens_per_s"] = static_cast<double>(recipe.data.batch_tokens) / plan.step_s;
  json["efficiency"] = plan.compute_s / plan.step_s;
  return json;
}

}  // namespace mom::train
