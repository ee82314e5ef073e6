#include "mom/runs/run_folder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/error.h"
#include "mom/models/backbones.h"
#include "tests/support/fake_runs.h"

namespace mom::runs {
namespace {

constexpr const char* kGood =
    R"({"kind":"train","step":1,"tokens":10,"flops":5,"loss":2.0,"loss_text":2.0,"loss_image":null})";

class RunFolderTest : public testing::Test {
 protected:
  Path with_metrics(const std::string& lines) {
    test::write_text(folder_.path() / "run" / "recipe.toml", "setting = \"transfusion\"\n");
    test::write_text(folder_.path() / "run" / "metrics.jsonl", lines);
    return folder_.path() / "run";
  }
  // The message of the InputError that reading these lines gives.
  std::string fault(const std::string& lines) {
    try {
      read_run_folder(with_metrics(lines));
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
  test::TempFolder folder_;
};

TEST_F(RunFolderTest, ReadsAWholeRun) {
  const auto run = read_run_folder(test::write_fake_run(folder_.path() / "mom", test::fake_mix()));
  EXPECT_EQ(run.name, "mom");
  EXPECT_EQ(run.setting(), "transfusion");
  EXPECT_EQ(run.model_name(), "Mixture-of-Mamba");
  EXPECT_TRUE(run.is_mixture());
  EXPECT_EQ(run.train.size(), 450u);
  EXPECT_EQ(run.evals.at("noto").size(), 19u);
  EXPECT_EQ(run.evals.at("noto").front().step, 0);
  EXPECT_EQ(run.final_step(), 450);
  EXPECT_EQ(run.recipe_number("objective.image_weight", 0), 5);
  EXPECT_EQ(run.evaluation.at("noto").tokens.at("image"), 5504);
  EXPECT_EQ(run.denoised.size(), 6u);
  EXPECT_TRUE(run.missing.empty());
}

TEST_F(RunFolderTest, NamesAPartlyDecoupledModel) {
  test::FakeRun partly = test::fake_mix();
  partly.decoupled = "[\"in_proj\", \"out_proj\"]";
  EXPECT_EQ(read_run_folder(test::write_fake_run(folder_.path() / "p", partly)).model_name(),
            "Mixture-of-Mamba (in_proj, out_proj)");
  partly.route = "random";
  EXPECT_EQ(read_run_folder(test::write_fake_run(folder_.path() / "p", partly)).model_name(),
            "Mixture-of-Mamba (in_proj, out_proj, random split)");
  partly.decoupled = test::fake_mix().decoupled;
  EXPECT_EQ(read_run_folder(test::write_fake_run(folder_.path() / "p", partly)).model_name(),
            "Mixture-of-Mamba (random split)");
}

TEST_F(RunFolderTest, TheNameDoesNotSayHowImagesAreRead) {
  test::FakeRun partly = test::fake_mix();
  partly.decoupled = "[\"in_proj\"]";
  const Path path = test::write_fake_run(folder_.path() / "scan", partly);
  std::string recipe = read_file(path / "recipe.toml");
  for (const auto& [key, value] : {std::pair{"image_scan", "raster"},
                                   {"patch_net", "linear"},
                                   {"patch_positions", "false"},
                                   {"patch_nets", "{}"}})
    EXPECT_EQ(read_run_folder(path).recipe_value(std::string("model.") + key), value) << "of older runs";
  // How images are read is not part of the name: comparisons warn where it differs.
  recipe.insert(recipe.find("d_model"), "image_scan = \"four\"\n");
  test::write_text(path / "recipe.toml", recipe);
  EXPECT_EQ(read_run_folder(path).model_name(), "Mixture-of-Mamba (in_proj)");
}

TEST_F(RunFolderTest, NamesEveryBackboneInWords) {
  test::FakeRun twice = test::fake_backbone("moe_transformer"), choosing = test::fake_backbone("moe_mamba");
  twice.experts = 8, twice.experts_per_token = 2;
  choosing.router = "expert_choice";
  const auto name = [&](const test::FakeRun& fake) {
    return read_run_folder(test::write_fake_run(folder_.path() / "run", fake)).model_name();
  };
  EXPECT_EQ(name(test::fake_backbone("mamba")), "dense Mamba");
  EXPECT_EQ(name(test::fake_backbone("ssm")), "linear state-space model (S4D)");
  EXPECT_EQ(name(test::fake_backbone("transformer")), "Transformer");
  EXPECT_EQ(name(test::fake_backbone("mixture_of_transformers")), "Mixture-of-Transformers");
  EXPECT_EQ(name(test::fake_backbone("moe_transformer")), "Transformer with 4 experts");
  EXPECT_EQ(name(test::fake_backbone("moe_mamba")), "MoE-Mamba with 4 experts");
  EXPECT_EQ(name(twice), "Transformer with 8 experts (2 per token)");
  EXPECT_EQ(name(choosing), "MoE-Mamba with 4 experts (expert choice)");
  EXPECT_EQ(name(test::fake_backbone("of_tomorrow")), "of_tomorrow");
}

TEST_F(RunFolderTest, KnowsWhatAMixtureIsAMixtureOf) {
  const auto run = [&](const char* backbone) {
    return read_run_folder(test::write_fake_run(folder_.path() / "run", test::fake_backbone(backbone)));
  };
  EXPECT_EQ(run("moe_transformer").dense_backbone(), "transformer");
  EXPECT_EQ(run("mixture_of_transformers").dense_backbone(), "transformer");
  EXPECT_EQ(run("moe_mamba").dense_backbone(), "mamba");
  EXPECT_EQ(run("ssm").dense_backbone(), "ssm");
  EXPECT_TRUE(run("moe_mamba").has_experts());
  EXPECT_FALSE(run("mixture_of_transformers").has_experts());
  EXPECT_TRUE(run("mixture_of_transformers").is_mixture());
  EXPECT_FALSE(run("transformer").is_mixture());
}

// The guard for the next backbone: one without words shows its key.
TEST_F(RunFolderTest, HasWordsForEveryBackboneThereIs) {
  for (const std::string& backbone : models::backbone_names()) {
    const auto run =
        read_run_folder(test::write_fake_run(folder_.path() / "run", test::fake_backbone(backbone)));
    EXPECT_NE(run.model_name(), backbone);
  }
}

TEST_F(RunFolderTest, ReadsWhatExpertsWereChosen) {
  const auto run =
      read_run_folder(test::write_fake_run(folder_.path() / "moe", test::fake_backbone("moe_mamba")));
  const MetricPoint& last = run.train.back();
  EXPECT_EQ(last.experts_dropped, 0.125);
  EXPECT_EQ(last.experts_balance, 1.25);
  EXPECT_NEAR(last.router_entropy.value(), 0.8 * std::log(4), 1e-12);
  EXPECT_EQ(last.experts_chosen.size(), 2u);
  EXPECT_NEAR(last.experts_chosen.at(3).at("image").back(), 2048 * 0.7, 1e-9);
  EXPECT_TRUE(run.evals.at("noto").back().experts_chosen.empty());
}

TEST_F(RunFolderTest, DamagedChoicesAreNamed) {
  const std::string start = R"({"kind":"train","step":1,"tokens":1,"flops":9,"experts_chosen":)";
  for (const char* choices : {"[1]", R"({"one":{"text":[1]}})", R"({"1":{}})", R"({"1":{"text":[]}})",
                              R"({"1":{"text":[1,-1]}})", R"({"1":{"text":["a"]}})",
                              R"({"1":{"text":[1,2],"image":[1]}})", R"({"99999999999":{"text":[1]}})"}) {
    EXPECT_NE(fault(start + choices + "}\n").find("metrics.jsonl:1"), std::string::npos) << choices;
  }
  EXPECT_EQ(fault(start + R"({"1":{"text":[1,2],"image":[0,0]}}})" + "\n"), "no error");
}

TEST_F(RunFolderTest, NamesWhatIsMissing) {
  const auto run = read_run_folder(with_metrics(std::string(kGood) + "\n"));
  EXPECT_EQ(run.missing.size(), 5u);
  EXPECT_EQ(run.train.front().losses.count("image"), 0u);  // null: not measured
}

TEST_F(RunFolderTest, ATrailingSlashKeepsTheName) {
  EXPECT_EQ(read_run_folder(with_metrics(std::string(kGood) + "\n") / "").name, "run");
}

TEST_F(RunFolderTest, DamagedLinesAreNamed) {
  const std::string good = std::string(kGood) + "\n";
  EXPECT_NE(fault(good + "{\"kind\": \n").find("metrics.jsonl:2"), std::string::npos);
  EXPECT_NE(fault(good + "[1]\n").find("metrics.jsonl:2"), std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"test","step":2,"tokens":1,"flops":9})" + "\n").find("\"train\" or \"eval\""),
      std::string::npos);
  EXPECT_NE(fault(good + R"({"kind":"eval","step":2,"tokens":1,"flops":9})" + "\n").find("\"set\""),
            std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"train","step":2,"tokens":1,"flops":9,"loss":"low"})" + "\n").find("\"loss\""),
      std::string::npos);
  EXPECT_NE(fault(good + R"({"kind":"train","step":2,"tokens":-1,"flops":9})" + "\n").find("\"tokens\""),
            std::string::npos);
}

TEST_F(RunFolderTest, StepsAndFlopsMustRise) {
  const std::string good = std::string(kGood) + "\n";
  EXPECT_NE(fault(good + good).find("a step after 1"), std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"train","step":2,"tokens":1,"flops":5})" + "\n").find("\"flops\" to rise"),
      std::string::npos);
  // Another kind or another held-out set counts for itself.
  const std::string evals = R"({"kind":"eval","set":"a","step":1,"tokens":1,"flops":5})"
                            "\n"
                            R"({"kind":"eval","set":"b","step":1,"tokens":1,"flops":5})"
                            "\n";
  EXPECT_EQ(fault(good + evals), "no error");
}

TEST_F(RunFolderTest, ATornLastLineIsLeftOutAndSaid) {
  const auto run = read_run_folder(with_metrics(std::string(kGood) + "\n{\"kind\":\"tr"));
  EXPECT_EQ(run.train.size(), 1u);
  EXPECT_NE(run.missing.front().find("last line"), std::string::npos);
}

TEST_F(RunFolderTest, SamplesMustLieInsideTheRun) {
  for (const char* name : {"../../secret.png", "/etc/passwd", ""}) {
    const Path run = with_metrics(std::string(kGood) + "\n");
    const OrderedJson item = {
        {"caption", "x"}, {"timestep", 1}, {"original", name}, {"noised", "b.png"}, {"denoised", "c.png"}};
    test::write_text(run / "samples" / "denoised.json",
                     OrderedJson({{"step", 1}, {"items", OrderedJson::array({item})}}).dump());
    EXPECT_THROW(read_run_folder(run), InputError) << name;
  }
}

TEST_F(RunFolderTest, ReadsWhatWasGenerated) {
  test::FakeRun fake;
  EXPECT_FALSE(read_run_folder(test::write_fake_run(folder_.path() / "none", fake)).generation);
  fake.generation = true;
  const auto quality = read_run_folder(test::write_fake_run(folder_.path() / "some", fake)).generation;
  ASSERT_TRUE(quality);
  EXPECT_EQ(quality->step, fake.steps);
  ASSERT_EQ(quality->images.size(), 2u);
  const GeneratedImages &trained = quality->images[0], &unseen = quality->images[1];
  EXPECT_EQ(trained.bucket, "trained");
  EXPECT_EQ(trained.retrieved.share, 0.5);
  EXPECT_EQ(trained.retrieved.of, 200);
  EXPECT_EQ(trained.accepted, true);
  EXPECT_EQ(unseen.accepted, false);
  EXPECT_EQ(trained.kid->mean, 0.375);
  EXPECT_EQ(trained.kid_of_training_images->standard_error, 0.015625);
  EXPECT_EQ(trained.copies->share, 0.09375);
  EXPECT_FALSE(trained.copies_in_real);
  EXPECT_EQ(unseen.copies_in_real->share, 0.0625);
  EXPECT_FALSE(trained.frechet || trained.nearest_ratio);
  EXPECT_EQ(trained.items.size(), 3u);
  ASSERT_TRUE(quality->grid);
  EXPECT_EQ(quality->grid->rows[1].caption, "a row");
  EXPECT_EQ(quality->grid->seeds, 4);
  ASSERT_EQ(quality->caption_use.size(), 2u);
  EXPECT_EQ(quality->caption_use[1].levels[0].use, 0.022);
  ASSERT_EQ(quality->ranked.size(), 2u);
  EXPECT_EQ(quality->ranked[0].source, "trained captions");
  EXPECT_EQ(quality->ranked[0].by_information.share, 0.45);
  EXPECT_EQ(quality->ranked[1].by_likelihood.share, 0.0875);
  EXPECT_EQ(quality->bits_per_byte.at("gcide"), 2.125);
}

// What 0.1.0 wrote is still read: other figures, of one bucket.
TEST_F(RunFolderTest, ReadsOlderGeneration) {
  test::FakeRun fake;
  const Path run = test::write_fake_run(folder_.path() / "run", fake);
  test::write_older_generation(run / "generation", fake);
  const auto quality = read_run_folder(run).generation;
  ASSERT_TRUE(quality && quality->images.size() == 1);
  const GeneratedImages& images = quality->images[0];
  EXPECT_EQ(images.bucket, "unseen");
  EXPECT_EQ(images.frechet, 3.25);
  EXPECT_EQ(images.nearest_ratio, 1.375);
  EXPECT_EQ(images.retrieved.share, 0.1);
  EXPECT_FALSE(images.accepted || images.kid || images.copies || quality->grid);
}

TEST_F(RunFolderTest, DamagedOrForeignGenerationIsAnError) {
  test::FakeRun fake;
  fake.generation = true;
  const Path run = test::write_fake_run(folder_.path() / "run", fake),
             file = run / "generation" / "quality.json";
  const Json good = read_json(file);
  const auto fault = [&](const std::function<void(Json&)>& damage) {
    Json json = good;
    damage(json);
    test::write_text(file, json.dump());
    try {
      read_run_folder(run);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(fault([](Json&) {}), "no error");
  const auto trained = [](Json& json) -> Json& { return json["pictures"]["buckets"]["trained"]; };
  EXPECT_NE(fault([&](Json& json) { trained(json)["items"][1]["nearest"] = "../x.png"; }).find("generation/"),
            std::string::npos);
  EXPECT_NE(fault([](Json& json) { json["pictures"]["grid"]["file"] = "../x.png"; }).find("generation/"),
            std::string::npos);
  EXPECT_NE(fault([&](Json& json) { trained(json).erase("kid"); }).find("\"kid\""), std::string::npos);
  EXPECT_NE(fault([&](Json& json) { trained(json)["retrieval"]["accepted"] = 1; }).find("\"accepted\""),
            std::string::npos);
  EXPECT_NE(fault([](Json& json) { json["caption_use"]["unseen"].erase("use"); }).find("\"use\""),
            std::string::npos);
  EXPECT_NE(fault([](Json& json) {
              json["captions_of_image"]["noto"]["by_information"]["interval"] = 3;
            }).find("\"interval\""),
            std::string::npos);
  EXPECT_NE(fault([](Json& json) { json = 3; }).find("an object"), std::string::npos);
}

TEST_F(RunFolderTest, ABrokenRecipeNamesItsLine) {
  const Path run = with_metrics("");
  test::write_text(run / "recipe.toml", "setting = \"transfusion\"\nseed = = 1\n");
  try {
    read_run_folder(run);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("recipe.toml:2"), std::string::npos) << error.what();
  }
}

TEST(FlattenToml, DotsTablesAndKeepsInlineOnesWhole) {
  const auto flat = flatten_toml(
      "seed = 1\n[data]\nmixture = { a = 0.5 }\npath = \"x y\"\n[model]\ndecoupled = [\"in_proj\"]\n", "r");
  EXPECT_EQ(flat.at("seed"), "1");
  EXPECT_EQ(flat.at("data.path"), "x y");
  EXPECT_EQ(flat.count("data.mixture"), 1u);
  EXPECT_NE(flat.at("model.decoupled").find("in_proj"), std::string::npos);
}

TEST_F(RunFolderTest, FindsTheRunsOfAStudy) {
  with_metrics("");
  test::write_text(folder_.path() / "notes" / "readme.txt", "no run");
  const auto runs = find_runs(folder_.path());
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].filename(), "run");
  EXPECT_THROW(find_runs(folder_.path() / "notes"), InputError);
  EXPECT_THROW(find_runs(folder_.path() / "absent"), InputError);
}

}  // namespace
}  // namespace mom::runs
