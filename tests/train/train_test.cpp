// The trainer: resumption bit for bit, checkpoints that are whole or refused, schedule, optimizer,
// divergence.
#include <gtest/gtest.h>

#include <torch/types.h>
#include <torch/utils.h>
#include <future>

#include <cstdlib>
#include <fstream>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/models/backbones.h"
#include "mom/train/checkpoint.h"
#include "mom/train/run.h"
#include "mom/train/trainer.h"
#include "tests/support/tiny_model.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

using test::TrainTest;

TEST_F(TrainTest, NPlusNIsNSaveLoadNBitForBit) {
  for (const test::Variant& variant : test::all_variants()) {
    SCOPED_TRACE(variant.name());
    test::TempFolder run;
    train::Recipe same = recipe(variant.backbone);
    test::set_variant(same.model, variant);
    train::Trainer whole(same, dataset_), first(same, dataset_);
    for (int i = 0; i < 8; ++i) whole.step();
    for (int i = 0; i < 4; ++i) first.step();
    first.save(run.path());
    train::Trainer second(same, dataset_);
    second.resume(train::list_checkpoints(run.path()).back().folder);
    EXPECT_EQ(second.steps_done(), 4);
    for (int i = 0; i < 4; ++i) second.step();
    const auto expected = weights(whole), found = weights(second);
    for (const auto& [name, tensor] : expected) EXPECT_TRUE(torch::equal(tensor, found.at(name))) << name;
    EXPECT_EQ(whole.tokens_seen(), second.tokens_seen());
    EXPECT_EQ(whole.flops(), second.flops());
    EXPECT_FALSE(torch::equal(weights(first)["backbone.embeddings.weight"],
                              expected.at("backbone.embeddings.weight")));
  }
}

TEST_F(TrainTest, RecomputeHasTheSameBitsAndBfloat16TheSameCurve) {
  train::Recipe recomputing = recipe(), rounded = recipe();
  recomputing.train.recompute = true;
  rounded.train.precision = "bfloat16";
  train::Trainer plain(recipe(), dataset_), again(recomputing, dataset_), bf16(rounded, dataset_);
  for (int i = 0; i < 8; ++i) {
    const double loss = plain.step().total_loss;
    EXPECT_EQ(again.step().total_loss, loss) << i;
    EXPECT_NEAR(bf16.step().total_loss, loss, 0.01 * loss) << i;
  }
  const auto expected = weights(plain), found = weights(again);
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(torch::equal(tensor, found.at(name))) << name;
  EXPECT_EQ(weights(bf16).at("backbone.embeddings.weight").scalar_type(), torch::kFloat32);
}

TEST_F(TrainTest, AStepsPartsAddUpToItsTime) {
  train::Trainer trainer(recipe(), dataset_);
  const train::StepReport report = trainer.step();
  const double parts =
      report.data_seconds + report.forward_seconds + report.backward_seconds + report.optimizer_seconds;
  EXPECT_NEAR(parts, report.seconds, 0.05 * report.seconds);
  for (double part : {report.forward_seconds, report.backward_seconds, report.optimizer_seconds})
    EXPECT_GT(part, 0);
}

TEST_F(TrainTest, TwoModelsTrainSideBySideInOneProcess) {
  auto losses_of = [&](const std::string& backbone) {
    train::Trainer trainer(recipe(backbone), dataset_);
    std::vector<double> losses;
    while (!trainer.finished()) losses.push_back(trainer.step().total_loss);
    return losses;
  };
  const std::vector<double> dense = losses_of("mamba"), mixture = losses_of("mixture_of_mamba");
  auto beside = std::async(std::launch::async, losses_of, "mamba");
  EXPECT_EQ(losses_of("mixture_of_mamba"), mixture);
  EXPECT_EQ(beside.get(), dense);
}

TEST_F(TrainTest, LossFalls) {
  train::Recipe longer = recipe();
  longer.train.steps = 40;
  longer.train.learning_rate = 5e-3;
  train::Trainer trainer(longer, dataset_);
  const double first = trainer.step().total_loss;
  double last = 0;
  while (!trainer.finished()) last = trainer.step().total_loss;
  EXPECT_LT(last, 0.8 * first);
}

TEST_F(TrainTest, DamagedCheckpointsAreRefusedByFile) {
  test::TempFolder run;
  train::Trainer trainer(recipe(), dataset_);
  trainer.step();
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    trainer.save(run.path());
    const Path folder = train::list_checkpoints(run.path()).back().folder;
    train::verify_checkpoint(folder);
    std::string content = read_file(folder / name);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
    std::ofstream(folder / name, std::ios::binary) << content;
    try {
      trainer.resume(folder);
      FAIL() << name;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
    std::filesystem::resize_file(folder / name, content.size() - 1);
    EXPECT_THROW(train::verify_checkpoint(folder), InputError);
    std::filesystem::remove(folder / name);
    EXPECT_THROW(train::verify_checkpoint(folder), InputError);
  }
}

// A checkpoint may be copied without what only training needs; what is there is checked.
TEST_F(TrainTest, ACheckpointIsAModelWithoutItsOptimizer) {
  test::TempFolder run;
  train::Trainer trainer(recipe(), dataset_);
  trainer.step();
  trainer.save(run.path());
  const Path folder = train::list_checkpoints(run.path()).back().folder;
  EXPECT_EQ(train::find_model_folder(folder), folder);
  std::filesystem::remove(folder / "optimizer.safetensors");
  EXPECT_EQ(train::find_model_folder(folder), folder);
  EXPECT_THROW(train::verify_checkpoint(folder), InputError);
  publish_file(folder / "config.json", read_file(folder / "config.json") + "\n");
  try {
    train::find_model_folder(folder);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("remove manifest.json"), std::string::npos) << error.what();
  }
  std::filesystem::remove(folder / "manifest.json");
  EXPECT_EQ(train::find_model_folder(folder), folder);
}

TEST_F(TrainTest, FoldersThatAreNoCheckpointsArePassedOver) {
  test::TempFolder run;
  for (const char* name :
       {"step-00000007", "step-", "step-7x", "step-99999999999999999999999999", "other", ".step-00000008"})
    std::filesystem::create_directories(run.path() / "checkpoints" / name);
  const std::vector<train::Checkpoint> found = train::list_checkpoints(run.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].step, 7);
}

TEST_F(TrainTest, ForeignCheckpointIsRefused) {
  test::TempFolder run;
  train::Trainer dense(recipe("mamba"), dataset_), mixture(recipe(), dataset_);
  dense.step();
  dense.save(run.path());
  EXPECT_THROW(mixture.resume(train::list_checkpoints(run.path()).back().folder), InputError);
}

TEST_F(TrainTest, KeepsOnlyTheNewest) {
  test::TempFolder run;
  train::Recipe keeping = recipe();
  keeping.checkpoint.keep = 2;
  train::Trainer trainer(keeping, dataset_);
  for (int i = 0; i < 4; ++i) {
    trainer.step();
    trainer.save(run.path());
  }
  const auto found = train::list_checkpoints(run.path());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].step, 3);
  EXPECT_EQ(found[1].step, 4);
}

TEST_F(TrainTest, NonFiniteLossStopsBeforeTheUpdate) {
  train::Trainer trainer(recipe(), dataset_);
  trainer.step();
  {
    torch::NoGradGuard no_grad;
    trainer.model().named_parameters()["backbone.norm_f.weight"].fill_(
        std::numeric_limits<float>::infinity());
  }
  const auto before = weights(trainer);
  EXPECT_THROW(trainer.step(), DivergedError);
  for (const auto& [name, tensor] : weights(trainer))
    EXPECT_TRUE(torch::equal(tensor, before.at(name))) << name;
}

TEST_F(TrainTest, RunFolderHoldsTheContractAndRefusesAnotherRecipe) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml", run = folder.path() / "run";
  publish_file(toml, train::dump_recipe(recipe()));
  train::RunOptions options{.recipe = toml,
                            .run = run,
                            .overrides = {"train.steps=6", "eval.every_steps=3", "checkpoint.every_steps=2"},
                            .stop_at = 3};
  EXPECT_THROW(train::run_training(options), StoppedError);
  EXPECT_EQ(train::list_checkpoints(run).back().step, 3);
  EXPECT_THROW(train::run_training(options), UserError);  // a run is there and --resume was not given
  options.resume = true;
  options.stop_at = 0;
  options.overrides.push_back("train.learning_rate=0.5");
  EXPECT_THROW(train::run_training(options), UserError);
  options.overrides.pop_back();
  train::run_training(options);
  for (const char* name :
       {"recipe.toml", "environment.json", "metrics.jsonl", "parameters.json", "tensorboard"})
    EXPECT_TRUE(std::filesystem::exists(run / name)) << name;
  std::vector<int64_t> train_steps, eval_steps;
  for_each_line(run / "metrics.jsonl", [&](std::string_view line, uint64_t) {
    const Json json = parse_json(line, "metrics");
    (json["kind"] == "train" ? train_steps : eval_steps).push_back(json["step"].get<int64_t>());
  });
  EXPECT_EQ(train_steps, (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(eval_steps, (std::vector<int64_t>{0, 0, 3, 3, 6, 6}));  // two held-out sets
  EXPECT_EQ(train::list_checkpoints(run).back().step, 6);
}

TEST_F(TrainTest, ScansAreRefusedWhereTheyGiveAnswersAway) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml";
  publish_file(toml, train::dump_recipe(recipe()));
  // One recipe is for every backbone: those without a scan have no use for it.
  for (const char* backbone : {"mamba", "transformer", "mixture_of_transformers", "moe_transformer"})
    EXPECT_NO_THROW(train::run_training(
        {.recipe = toml,
         .run = {},
         .overrides = {"model.image_scan=four", std::string("model.backbone=") + backbone},
         .dry_run = true}));
  models::ModelSpec model = recipe().model;
  test::set(model, nn::kScanKey, "alternate");
  EXPECT_NO_THROW(train::make_spec(model, *modality::find_preset("transfusion")));
  EXPECT_THROW(train::make_spec(model, *modality::find_preset("chameleon")), UserError);
  EXPECT_THROW(train::make_spec(model, *modality::find_preset("three_modality")), UserError);
}

// Killed before its first checkpoint: the run starts again, and so does its log.
TEST_F(TrainTest, ALogWithoutCheckpointStartsAgain) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml", run = folder.path() / "run";
  publish_file(toml, train::dump_recipe(recipe()));
  std::filesystem::create_directories(run);
  publish_file(run / "metrics.jsonl", "{\"kind\": \"eval\", \"step\": 0, \"set\": \"shapes\"}\n");
  train::run_training({.recipe = toml, .run = run, .overrides = {"train.steps=1"}, .resume = true});
  int at_start = 0;
  for_each_line(run / "metrics.jsonl", [&](std::string_view line, uint64_t) {
    at_start += parse_json(line, "metrics")["step"].get<int64_t>() == 0;
  });
  EXPECT_EQ(at_start, 2);  // two held-out sets, once each
}

// docs/recipe.md is the field lists, printed. MOM_UPDATE_DOCS=1 writes it anew.
TEST(Recipe, DocsAreTheFieldLists) {
  const char* source = std::getenv("MOM_SOURCE");
  if (!source) GTEST_SKIP() << "NOT TESTED: MOM_SOURCE does not name the source tree (ctest sets it)";
  const Path path = Path(source) / "docs" / "recipe.md";
  train::Recipe recipe;
  const std::string text = "# Recipe keys\n\nMade from the field lists in the code; a test keeps it so.\n\n" +
                           config::help_markdown(recipe.schema());
  if (std::getenv("MOM_UPDATE_DOCS")) publish_file(path, text);
  EXPECT_EQ(read_file(path), text);
}

TEST(Recipe, DumpLoadsBackToTheSame) {
  test::TempFolder folder;
  train::Recipe recipe;
  recipe.train.learning_rate = 0.1 + 0.2;
  recipe.data.mixture = {{"a", 0.25}, {"b", 0.75}};
  recipe.model.decoupled = {"out_proj"};
  publish_file(folder.path() / "r.toml", train::dump_recipe(recipe));
  EXPECT_EQ(train::dump_recipe(train::load_recipe(folder.path() / "r.toml", {})), train::dump_recipe(recipe));
}

models::Model small_language_model() {
  models::ModelSpec spec;
  spec.backbone = "mamba";
  spec.d_model = 8;
  spec.num_blocks = 1;
  spec.vocab_size = 20;
  models::Model model(spec.resolved());
  models::initialise(*model, 1);
  return model;
}

// Against the update written out (Loshchilov & Hutter 2019).
TEST(AdamW, FollowsTheFormulaAndSparesNormsBiasesAndTransitions) {
  models::Model model = small_language_model();
  train::TrainConfig config;
  train::FlatParameters parameters(model);
  train::AdamW optimizer(parameters, config);
  const at::Tensor gradient = parameters.zeros();
  parameters.collect_gradients(*model, gradient);
  const double lr = 0.01;
  std::map<std::string, at::Tensor> expected, m, v;
  for (auto& item : model->named_parameters())
    expected[item.key()] = item.value().detach().to(torch::kFloat64).clone();
  for (int step = 1; step <= 3; ++step) {
    for (auto& item : model->named_parameters()) {
      const at::Tensor g = torch::full_like(item.value(), 0.1 * step);
      item.value().mutable_grad().copy_(g);
      const std::string& name = item.key();
      const bool spared = name.ends_with("bias") || name.ends_with("A_log") || name.ends_with(".D") ||
                          name.find("norm") != std::string::npos;
      if (!m.count(name)) m[name] = v[name] = torch::zeros_like(expected[name]);
      m[name] = 0.9 * m[name] + 0.1 * g;
      v[name] = 0.95 * v[name] + 0.05 * g * g;
      expected[name] =
          expected[name] * (1 - (spared ? 0 : lr * 0.1)) -
          lr * (m[name] / (1 - std::pow(0.9, step))) / ((v[name] / (1 - std::pow(0.95, step))).sqrt() + 1e-8);
    }
    optimizer.step(gradient, lr, /*norm=*/0);  // nothing to clip
  }
  for (auto& item : model->named_parameters())
    EXPECT_LE((item.value() - expected[item.key()]).abs().max().item<double>(), 1e-6) << item.key();
}

// Rows of a table may begin anywhere: what is between two paces is updated at its own, and the frozen rest stays to the bit.
TEST(AdamW, PacesMayBeginInsideAVector) {
  const auto updated = [](const std::vector<train::Pace>& learning) {
    models::Model model = small_language_model();
    train::FlatParameters parameters(model);
    train::TrainConfig config;
    train::AdamW optimizer(parameters, config, {}, learning);
    const at::Tensor gradient = torch::sin(torch::arange(parameters.length(), torch::kFloat32));
    for (int step = 0; step < 3; ++step) optimizer.step(gradient, 0.01, 0);
    return std::array{parameters.values().clone(), optimizer.state().exp_avg, optimizer.state().exp_avg_sq};
  };
  const at::Tensor start = train::FlatParameters(small_language_model()).values();
  const auto all = updated({}), some = updated({{{3, 30}, 1}, {{33, 40}, 0.5}, {{77, 1}, 1}});
  const auto part = [](const at::Tensor& row, int64_t begin, int64_t end) {
    return row.narrow(0, begin, end - begin);
  };
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{3, 33}, {77, 78}})
    for (size_t row = 0; row < 3; ++row)
      EXPECT_TRUE(torch::equal(part(some[row], begin, end), part(all[row], begin, end)))
          << begin << " " << row;
  EXPECT_TRUE(torch::allclose(part(some[0], 33, 73) - part(start, 33, 73),
                              0.5 * (part(all[0], 33, 73) - part(start, 33, 73)), 1e-3, 1e-6));
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 3}, {73, 77}, {78, start.size(0)}}) {
    EXPECT_TRUE(torch::equal(part(some[0], begin, end), part(start, begin, end))) << begin;
    EXPECT_EQ(part(some[1], begin, end).abs().max().item<float>(), 0) << begin;
  }
}

TEST(AdamW, ClipsTheGlobalNorm) {
  // A step on gradients above the limit is the step on gradients scaled down to it. Epsilon is large, so that
  // AdamW's update depends on the gradients' size.
  train::TrainConfig config;
  config.epsilon = 1;
  auto updated = [&](double gradient, double clip_norm) {
    models::Model model = small_language_model();
    config.clip_norm = clip_norm;
    train::FlatParameters parameters(model);
    train::AdamW optimizer(parameters, config);
    const at::Tensor flat = parameters.zeros();
    parameters.collect_gradients(*model, flat);
    int64_t numel = 0;
    for (auto& item : model->named_parameters()) {
      item.value().mutable_grad().fill_(gradient);
      numel += item.value().numel();
    }
    double squares = 0;
    squares += train::chunk_squares(flat, {0, parameters.length()}).sum().item<double>();
    const double norm = std::sqrt(squares);
    EXPECT_NEAR(norm, gradient * std::sqrt(static_cast<double>(numel)), 1e-6);
    optimizer.step(flat, 0.01, norm);
    return std::make_pair(model, norm);
  };
  const auto [large, large_norm] = updated(0.3, 0.5);
  const auto [scaled, scaled_norm] = updated(0.3 * 0.5 / large_norm, 0);
  const auto [unclipped, unclipped_norm] = updated(0.3, 0);
  for (auto& item : large->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), scaled->named_parameters()[item.key()], 1e-6, 1e-7))
        << item.key();
    EXPECT_FALSE(torch::allclose(item.value(), unclipped->named_parameters()[item.key()], 1e-6, 1e-7))
        << item.key();
  }
}

}  // namespace
}  // namespace mom
