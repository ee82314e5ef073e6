// Study folders with made-up runs (fake_runs.h), for tests of what reads them: results.json and timing.json
// are written by the study's own code. No training stands behind these numbers.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "mom/study/page.h"
#include "mom/study/results.h"
#include "tests/support/fake_runs.h"

namespace mom::test {

struct FakeStudy {
  study::StudyConfig config;
  std::map<std::string, std::string> failed;  // error by run
  std::set<std::string> unfinished;           // runs
  // What a run is; its backbone, projections and seed are set already.
  std::function<void(const study::Grid&, const study::Run&, FakeRun&)> change = [](auto&, auto&, auto&) {};
};

inline const study::Known& fake_known() {
  static const study::Known known = {{"mamba", "mixture_of_mamba", "ssm", "transformer",
                                      "mixture_of_transformers", "moe_transformer", "moe_mamba"},
                                     {"in_proj", "x_proj", "dt_proj", "out_proj"}};
  return known;
}

inline FakeRun fake_run_of(const study::Grid& grid, const study::Run& run) {
  const study::Arm& arm = grid.arms[run.arm];
  FakeRun fake;
  fake.backbone = arm.backbone;
  fake.seed = run.seed;
  fake.train_every = 2;
  fake.images = fake.generation = run.seed == grid.seeds.front();
  if (arm.decoupled)
    fake.decoupled = Json(*arm.decoupled).dump();
  else if (arm.backbone == study::kMixture)
    fake.decoupled = Json(fake_known().projections).dump();
  return fake;
}

inline void write_fake_study(const Path& folder, const FakeStudy& fake) {
  const study::Grid grid = study::expand(fake.config, fake_known());
  for (const study::Run& run : grid.runs) {
    if (fake.failed.contains(run.name) || fake.unfinished.contains(run.name)) continue;
    FakeRun of_run = fake_run_of(grid, run);
    fake.change(grid, run, of_run);
    const Path path = write_fake_run(folder / "runs" / run.name, of_run);
    write_text(path / "checkpoints" /
                   ("step-" + std::string(8 - std::to_string(of_run.steps).size(), '0') +
                    std::to_string(of_run.steps)) /
                   "manifest.json",
               "{}");
  }
  const study::StudyTables tables = study::make_tables(fake.config, grid, folder, fake.failed);
  publish_json(folder / "results.json", tables.results);
  publish_json(folder / "timing.json", tables.timing);
  publish_file(folder / "README.md",
               study::page_text(study::parse_results(tables.results, tables.timing, "")));
}

inline study::StudyConfig fake_config(const std::string& title) {
  study::StudyConfig config;
  config.title = title;
  config.recipes = {"configs/transfusion.toml"};
  config.variants = {{"", {}}};
  config.command = {"mom", "study", "configs/studies/made_up.toml"};
  return config;
}

// What decoupling a projection takes off the image loss, and a seed's own share of it.
inline double fake_image_floor(const FakeRun& run) {
  static const std::map<std::string, double> off = {
      {"in_proj", 0.003}, {"x_proj", -0.001}, {"dt_proj", 0.0005}, {"out_proj", 0.004}};
  double floor = 0.13 + 0.0007 * static_cast<double>(run.seed);
  for (const auto& [projection, amount] : off)
    if (run.decoupled.find("\"" + projection) != std::string::npos)
      floor -= amount + 0.0004 * static_cast<double>(run.seed * (projection[0] - 'c') % 3);
  return floor - (std::count(run.decoupled.begin(), run.decoupled.end(), ',') == 3 ? 0.002 : 0);
}

// All 16 subsets beside three other backbones, over three seeds; one run failed, another is not finished.
inline FakeStudy fake_subsets() {
  FakeStudy fake{fake_config("Sixteen subsets & three others <made up>"), {}, {}};
  fake.config.backbones = {"mamba", "mixture_of_mamba", "ssm", "transformer", "moe_mamba"};
  fake.config.decoupled = {study::kAllSubsets};
  fake.config.seeds = {1, 2, 3};
  fake.failed["transfusion-ssm-2"] = "step 12: loss not finite <b>";
  fake.unfinished = {"transfusion-transformer-3"};
  fake.change = [](const study::Grid&, const study::Run&, FakeRun& run) {
    run.image_floor = fake_image_floor(run);
    if (run.backbone == "transformer") run.image_floor = 0.11, run.flops_per_step *= 1.2;
    if (run.backbone == "ssm") run.image_floor = 0.17;
    if (run.decoupled != "[]") run.text_floor = 3.6 + 0.01 * static_cast<double>(run.seed - 2);
  };
  return fake;
}

// Two settings, one seed.
inline FakeStudy fake_settings() {
  FakeStudy fake{fake_config("Two settings, one seed"), {}, {}};
  fake.config.recipes = {"configs/transfusion.toml", "configs/chameleon.toml"};
  fake.change = [](const study::Grid& grid, const study::Run& run, FakeRun& made) {
    made.setting = grid.groups[run.group].name;
    made.tokens_per_cpu_s = 1300;
    made.image_floor = made.backbone == "mamba" ? 0.13 : 0.135;
  };
  return fake;
}

// One model at three learning rates, with two recipes.
inline FakeStudy fake_rates() {
  FakeStudy fake{fake_config("Learning rates"), {}, {}};
  fake.config.recipes = {"configs/transfusion.toml", "configs/chameleon.toml"};
  fake.config.backbones = {"mamba"};
  fake.config.variants = {{"lr1e-3", {}}, {"lr3e-3", {}}, {"lr6e-3", {}}};
  fake.config.seeds = {1, 2};
  fake.change = [](const study::Grid& grid, const study::Run& run, FakeRun& made) {
    made.learning_rate = grid.groups[run.group].variant.substr(2);
    made.image_floor = made.learning_rate == "3e-3" ? 0.12 : 0.13;
    made.text_floor = made.learning_rate == "6e-3" ? 3.5 : 3.6;
  };
  return fake;
}

}  // namespace mom::test
