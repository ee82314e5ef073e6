#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/modality/presets.h"
#include "mom/train/cluster_plan.h"

namespace mom::app {
namespace {

struct PlanVerb {
  train::ClusterPlanOptions plan;
  std::string link = "10Gbit", flops_rate;
  bool json = false;
};

std::string bytes(const OrderedJson& number) { return format_bytes(number.get<double>()); }
std::string seconds(const OrderedJson& number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g s", number.get<double>());
  return text;
}

void print_text(const OrderedJson& json, const std::string& link) {
  const OrderedJson& memory = json["memory_bytes"];
  std::printf(
      "model          %s %s, %s parameters, %s\n", json.value("size", json.value("recipe", "")).c_str(),
      json["backbone"].get<std::string>().c_str(), format_count(json["parameters"].get<double>()).c_str(),
      json["precision"].get<std::string>().c_str());
  std::printf("step           %s tokens in %lld microbatches, %.3g FLOPs; shares of modalities: %s\n",
              format_count(json["tokens_per_step"].get<double>()).c_str(),
              json["microbatches"].get<long long>(), json["flops_per_step"].get<double>(),
              json["batch_from"].get<std::string>().c_str());
  std::printf("processes      %lld machines x %lld, link %s, %.3g FLOP/s each (%s)\n",
              json["machines"].get<long long>(), json["gpus"].get<long long>(), link.c_str(),
              json["flops_rate"].get<double>(), json["flops_rate_from"].get<std::string>().c_str());
  std::printf(
      "memory         %s per process: weights %s, gradients %s, moments %s, average %s, received %s, "
      "activations %s, data and libraries %s\n",
      bytes(memory["peak"]).c_str(), bytes(memory["weights"]).c_str(), bytes(memory["gradients"]).c_str(),
      bytes(memory["moments"]).c_str(), bytes(memory["average"]).c_str(), bytes(memory["received"]).c_str(),
      bytes(memory["activations"]).c_str(), bytes(memory["process"]).c_str());
  std::printf("communication  %s sent by a process, %s over a link; gradients %s, weights %s\n",
              bytes(json["sent_bytes_per_step"]).c_str(), bytes(json["link_bytes_per_step"]).c_str(),
              seconds(json["communication_s"]["gradients"]).c_str(),
              seconds(json["communication_s"]["weights"]).c_str());
  std::printf("time           %s per step, %s of it computing (%.0f%%); %s tokens/s\n",
              seconds(json["step_s"]).c_str(), seconds(json["compute_s"]).c_str(),
              100 * json["efficiency"].get<double>(),
              format_count(json["tokens_per_s"].get<double>()).c_str());
}

void plan(PlanVerb& o) {
  if (o.plan.recipe.empty() == o.plan.size.empty())
    throw UserError("plan: expected either RECIPE or --size, found " +
                    std::string(o.plan.size.empty() ? "neither" : "both"));
  o.plan.cluster.link_bits = train::parse_link(o.link);
  if (!o.flops_rate.empty()) o.plan.cluster.flops_rate = train::parse_flops_rate(o.flops_rate);
  const OrderedJson json = train::cluster_plan_json(o.plan);
  o.json ? print_json(json) : print_text(json, o.link);
}

std::string device_names() {
  std::string text;
  for (const train::Device& device : train::devices()) text += (text.empty() ? "" : ", ") + device.name;
  return text;
}

}  // namespace

void add_plan_verb(CLI::App& app) {
  auto options = std::make_shared<PlanVerb>();
  train::ClusterPlanOptions& plan_options = options->plan;
  plan_options.backbone = "mixture_of_mamba";
  plan_options.setting = modality::presets().front().name;
  CLI::App* verb =
      app.add_subcommand("plan", "memory, communication and time of training on many machines, computed");
  verb->add_option("RECIPE", plan_options.recipe, "recipe, TOML");
  verb->add_option("--set", plan_options.overrides, "override a key: table.key=value (repeat)")->take_all();
  verb->add_option("--size", plan_options.size, "in place of a recipe: a size from the papers, e.g. 163M");
  verb->add_option("--backbone", plan_options.backbone, "with --size")->capture_default_str();
  verb->add_option("--setting", plan_options.setting, "with --size")->capture_default_str();
  verb->add_option("--tokens", plan_options.tokens,
                   "with --size: of a process per step, in microbatches of one sequence of 4096")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
  verb->add_option("--machines", plan_options.cluster.machines, "machines")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  CLI::Option* gpus = verb->add_option("--gpus", plan_options.cluster.devices,
                                       "processes of each machine, one per GPU or group of cores")
                          ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
                          ->capture_default_str();
  verb->add_option("--threads", plan_options.cluster.threads,
                   "of each process: as many microbatches are under way")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  verb->add_option("--link", options->link,
                   "of a machine to the others, or between the devices of one machine: 10Gbit, 450GB, nvlink")
      ->capture_default_str();
  verb->add_option("--device", plan_options.device,
                   "what computes, one of " + device_names() + "; by default h100 with --gpus, else epyc2");
  verb->add_option("--flops-rate", options->flops_rate,
                   "FLOP/s that it attains, e.g. 400T; in place of the device's");
  verb->add_flag("--json", options->json, "one JSON object");
  verb->callback([options, gpus] {
    if (options->plan.device.empty()) options->plan.device = gpus->count() > 0 ? "h100" : "epyc2";
    plan(*options);
  });
}

}  // namespace mom::app
