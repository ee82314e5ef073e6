#include "mom/eval/inspect.h"

#include <cstdio>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/progress.h"

namespace mom::app {
namespace {

void print_text(const OrderedJson& json) {
  std::printf("%s, d_model %lld, %lld blocks, vocabulary %lld\n", json["backbone"].get<std::string>().c_str(),
              json["d_model"].get<long long>(), json["blocks"].get<long long>(),
              json["vocabulary"].get<long long>());
  std::printf("parameters  %s in all, %s in token tables\n",
              format_count(json["parameters"]["total"].get<double>()).c_str(),
              format_count(json["parameters"]["embedding"].get<double>()).c_str());
  for (const auto& [modality, count] : json["parameters"]["active"].items())
    std::printf("%-11s %s parameters active, %s FLOPs a token (forward)\n", modality.c_str(),
                format_count(count.get<double>()).c_str(),
                format_count(json["flops_per_token"][modality].get<double>()).c_str());
  std::printf("state       %s a sequence\n", format_bytes(json["state_bytes"].get<double>()).c_str());
}

}  // namespace

void add_inspect_verb(CLI::App& app) {
  struct Options {
    Path path;
    std::string size, backbone = "mixture_of_mamba", setting = "transfusion";
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("inspect", "parameters, FLOPs per token and state size");
  verb->add_option("PATH", options->path, "recipe, run or model folder");
  verb->add_option("--size", options->size, "a size of the papers, e.g. 163M");
  verb->add_option("--backbone", options->backbone, "with --size")->capture_default_str();
  verb->add_option("--setting", options->setting, "with --size")->capture_default_str();
  verb->add_flag("--json", options->json, "one JSON object");
  verb->callback([options] {
    if (options->path.empty() == options->size.empty())
      throw UserError("inspect: expected either PATH or --size, found " +
                      std::string(options->size.empty() ? "neither" : "both"));
    const OrderedJson json = options->size.empty()
                                 ? eval::inspect_path(options->path)
                                 : eval::inspect_size(options->size, options->backbone, options->setting);
    options->json ? print_json(json) : print_text(json);
  });
}

}  // namespace mom::app
