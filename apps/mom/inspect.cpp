#include "mom/eval/inspect.h"

#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/modality/presets.h"

namespace mom::app {
namespace {

void print_text(const OrderedJson& json) {
  std::printf("%s, d_model %lld, %lld blocks, vocabulary %lld\n", json["backbone"].get<std::string>().c_str(),
              json["d_model"].get<long long>(), json["blocks"].get<long long>(),
              json["vocabulary"].get<long long>());
  std::printf("parameters  %s in total, %s in token tables\n",
              format_count(json["parameters"]["total"].get<double>()).c_str(),
              format_count(json["parameters"]["embedding"].get<double>()).c_str());
  for (const auto& [modality, count] : json["parameters"]["active"].items())
    std::printf("%-11s %s parameters active, %s FLOPs per token (forward)\n", modality.c_str(),
                format_count(count.get<double>()).c_str(),
                format_count(json["flops_per_token"][modality].get<double>()).c_str());
  std::printf("state       %s per sequence of %lld tokens\n",
              format_bytes(json["state_bytes"].get<double>()).c_str(),
              json["sequence_tokens"].get<long long>());
}

void print_side_by_side(const OrderedJson& json) {
  const OrderedJson& rows = json["backbones"];
  std::printf("%s, sequences of %lld tokens; FLOPs: forward, per token\n",
              json.contains("size")
                  ? (json["size"].get<std::string>() + ", " + json["setting"].get<std::string>()).c_str()
                  : json["recipe"].get<std::string>().c_str(),
              json["sequence_tokens"].get<long long>());
  std::printf("%-24s %10s", "backbone", "parameters");
  for (const auto& [modality, count] : rows[0]["parameters"]["active"].items())
    std::printf(" %16s %14s", (modality + " active").c_str(), (modality + " FLOPs").c_str());
  std::printf(" %10s\n", "state");
  for (const OrderedJson& row : rows) {
    std::printf("%-24s %10s", row["backbone"].get<std::string>().c_str(),
                format_count(row["parameters"]["total"].get<double>()).c_str());
    for (const auto& [modality, count] : row["parameters"]["active"].items())
      std::printf(" %16s %14s", format_count(count.get<double>()).c_str(),
                  format_count(row["flops_per_token"][modality].get<double>()).c_str());
    std::printf(" %10s\n", format_bytes(row["state_bytes"].get<double>()).c_str());
  }
}

struct InspectVerb {
  Path path;
  std::string size, backbone = "mixture_of_mamba", setting = modality::presets().front().name;
  int64_t length = 0;
  bool compare = false, json = false;
};

void inspect(const InspectVerb& o) {
  if (o.path.empty() == o.size.empty())
    throw UserError("inspect: expected either PATH or --size, found " +
                    std::string(o.size.empty() ? "neither" : "both"));
  if (o.compare) {
    const OrderedJson json = o.size.empty() ? eval::compare_recipe(o.path, o.length)
                                            : eval::compare_size(o.size, o.setting, o.length);
    return o.json ? print_json(json) : print_side_by_side(json);
  }
  const OrderedJson json = o.size.empty() ? eval::inspect_path(o.path, o.length)
                                          : eval::inspect_size(o.size, o.backbone, o.setting, o.length);
  o.json ? print_json(json) : print_text(json);
}

}  // namespace

void add_inspect_verb(CLI::App& app) {
  auto options = std::make_shared<InspectVerb>();
  CLI::App* verb = app.add_subcommand("inspect", "parameters, FLOPs per token and state size");
  verb->add_option("PATH", options->path, "recipe, run or model folder");
  verb->add_option("--size", options->size, "a size from the papers, e.g. 163M");
  verb->add_option("--backbone", options->backbone, "with --size")->capture_default_str();
  verb->add_option("--setting", options->setting, "with --size")->capture_default_str();
  verb->add_option("--length", options->length,
                   "tokens of the sequence that attention and state are counted for (the recipe's, or 4096)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  verb->add_flag("--compare", options->compare, "all backbones side by side, for a size or a recipe");
  verb->add_flag("--json", options->json, "one JSON object");
  verb->callback([options] { inspect(*options); });
}

}  // namespace mom::app
