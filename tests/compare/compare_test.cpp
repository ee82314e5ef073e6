#include "mom/compare/compare.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/compare/table.h"
#include "mom/compare/verdict.h"
#include "tests/support/fake_runs.h"

namespace mom::compare {
namespace {

using test::FakeRun;

FakeRun without_images(FakeRun run) {
  run.images = false;
  return run;
}

// What smoothing adds to the ratio on these curves of 19 evaluations (curve.h): local lines cut the bend.
constexpr double kSmoothingBias = 0.004;

class CompareTest : public testing::Test {
 protected:
  runs::RunFolder run(const char* name, const FakeRun& fake) {
    return runs::read_run_folder(test::write_fake_run(folder_.path() / name, without_images(fake)));
  }
  const Row& row(const Comparison& comparison, const std::string& set, const std::string& modality) {
    for (const Row& candidate : comparison.rows) {
      if (candidate.set == set && candidate.modality == modality) return candidate;
    }
    throw std::runtime_error("no row " + set + " " + modality);
  }
  test::TempFolder folder_;
};

TEST_F(CompareTest, GainIsFromTheFinalLosses) {
  const auto comparison = compare_runs(run("dense", {}), run("mix", test::fake_mix()));
  const double at_end = 1 / std::sqrt(460.0);
  const double dense = 0.13 + 0.9 * at_end, mix = 0.119 + 0.86 * at_end;
  const Row& image = row(comparison, "noto", "image");
  EXPECT_NEAR(image.dense_loss, dense, 1e-12);
  EXPECT_NEAR(image.mix_loss, mix, 1e-12);
  EXPECT_NEAR(image.gain, (dense - mix) / dense, 1e-12);
  EXPECT_EQ(comparison.set, "noto");
  EXPECT_EQ(comparison.loss_source, "mom eval at the final step");
  EXPECT_TRUE(comparison.warnings.empty()) << comparison.warnings.front();
}

TEST_F(CompareTest, OverallIsTextPlusWeightedImageInTransfusion) {
  const auto comparison = compare_runs(run("dense", {}), run("mix", test::fake_mix()));
  const double text = row(comparison, "noto", "text").dense_loss,
               image = row(comparison, "noto", "image").dense_loss;
  EXPECT_NEAR(row(comparison, "noto", "overall").dense_loss, text + 5 * image, 1e-12);
}

TEST_F(CompareTest, OverallIsWhatTheEvaluationMeasuredElsewhere) {
  FakeRun dense, mix = test::fake_mix();
  dense.setting = mix.setting = "chameleon";
  const auto comparison = compare_runs(run("dense", dense), run("mix", mix));
  const double text = row(comparison, "noto", "text").dense_loss,
               image = row(comparison, "noto", "image").dense_loss;
  EXPECT_NEAR(row(comparison, "noto", "overall").dense_loss, (1700 * text + 5504 * image) / (1700 + 5504),
              1e-12);
}

TEST_F(CompareTest, FlopsToMatchInClosedForm) {
  FakeRun mix = test::fake_mix();
  mix.image_floor = 0.13;
  mix.image_scale = 0.72;  // (s + 10) shrinks by 0.8^2: 460 -> 294.4, s = 284.4 of 450
  const auto comparison = compare_runs(run("dense", {}), run("mix", mix));
  EXPECT_NEAR(row(comparison, "noto", "image").flops_to_match.value(), 284.4 / 450, kSmoothingBias);
  EXPECT_TRUE(row(comparison, "noto", "image").flops_to_match_slope.has_value());
}

TEST_F(CompareTest, DearerStepsCount) {
  FakeRun mix = test::fake_mix();
  mix.image_floor = 0.13;
  mix.image_scale = 0.72;
  mix.flops_per_step *= 1.5;
  const auto comparison = compare_runs(run("dense", {}), run("mix", mix));
  EXPECT_NEAR(row(comparison, "noto", "image").flops_to_match.value(), 1.5 * 284.4 / 450,
              1.5 * kSmoothingBias);
  EXPECT_TRUE(comparison.warnings.empty()) << comparison.warnings.front();  // the ratio has it in
  EXPECT_DOUBLE_EQ(comparison.step_flops_ratio, 1.5);
  const std::string said = "Per step Mixture-of-Mamba takes 1.50 x the FLOPs of dense Mamba.";
  EXPECT_EQ(flops_text(comparison), said);
  EXPECT_NE(verdict(comparison).find(said), std::string::npos) << verdict(comparison);
  EXPECT_NE(table_text(comparison).find(said + " Gain compares equal steps"), std::string::npos);
  EXPECT_EQ(to_json(comparison)["step_flops_ratio"], 1.5);
}

TEST_F(CompareTest, EqualStepsAreNoTopic) {
  FakeRun mix = test::fake_mix();
  mix.flops_per_step *= 1.004;
  const auto comparison = compare_runs(run("dense", {}), run("mix", mix));
  EXPECT_EQ(flops_text(comparison), "");
  EXPECT_EQ(table_text(comparison).find("Per step"), std::string::npos);
}

TEST_F(CompareTest, AnyPairOfBackbonesIsComparable) {
  const std::vector<std::string> backbones = {"mamba",       "mixture_of_mamba",        "ssm",
                                              "transformer", "mixture_of_transformers", "moe_transformer",
                                              "moe_mamba"};
  for (const std::string& first : backbones) {
    for (const std::string& second : backbones) {
      FakeRun other = test::fake_backbone(second);
      other.experts = 8;  // a recipe of experts beside one that only carries the keys
      other.flops_per_step *= 1.2;
      const auto base = run("base", test::fake_backbone(first)), mix = run("other", other);
      const auto comparison = compare_runs(base, mix);
      EXPECT_TRUE(comparison.warnings.empty())
          << first << " " << second << ": " << comparison.warnings.front();
      // Two of one model are told apart by their folders.
      const std::string folder = base.model_name() == mix.model_name() ? " (base)" : "";
      EXPECT_NE(verdict(comparison).find(" against " + base.model_name() + folder + " on held-out data: "),
                std::string::npos);
      const std::string words = table_text(comparison);
      if (first.find("mamba") == std::string::npos && second.find("mamba") == std::string::npos) {
        EXPECT_EQ(words.find("Mamba"), std::string::npos) << words;
      }
      EXPECT_EQ(words.find("dense run"), std::string::npos) << words;
    }
  }
}

// As good as equal losses at every step: whoever pays 1.2 times as much a step has them after 1.2 times the
// FLOPs.
TEST_F(CompareTest, FlopsToMatchIsInFlopsNotInSteps) {
  FakeRun dear = test::fake_backbone("moe_transformer"), cheap = test::fake_backbone("transformer"),
          base = cheap;
  dear.flops_per_step *= 1.2;
  cheap.flops_per_step /= 1.2;
  dear.image_floor = cheap.image_floor -=
      1e-9;  // below the baseline's, so that rounding can't hide the match
  const auto up = compare_runs(run("base", base), run("dear", dear)),
             down = compare_runs(run("base", base), run("cheap", cheap));
  EXPECT_NEAR(row(up, "noto", "image").flops_to_match.value(), 1.2, 1e-5);
  EXPECT_NEAR(row(down, "noto", "image").flops_to_match.value(), 1 / 1.2, 1e-5);
  EXPECT_NEAR(row(up, "noto", "image").flops_to_match_slope.value(), 1.2, 1e-5);
}

TEST_F(CompareTest, StateSizesCountOnlyWhereBothHaveStates) {
  const auto with_states = [&](const char* name, const char* backbone, int states) {
    const Path path =
        test::write_fake_run(folder_.path() / name, without_images(test::fake_backbone(backbone)));
    std::string recipe = read_file(path / "recipe.toml");
    recipe.insert(recipe.find("d_model"), "state_size = " + std::to_string(states) + "\n");
    test::write_text(path / "recipe.toml", recipe);
    return runs::read_run_folder(path);
  };
  const auto mamba = with_states("mamba", "mamba", 16);
  EXPECT_TRUE(compare_runs(mamba, with_states("transformer", "transformer", 32)).warnings.empty());
  const auto warnings = compare_runs(mamba, with_states("moe", "moe_mamba", 32)).warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("model.state_size differs"), std::string::npos) << warnings[0];
}

TEST_F(CompareTest, OrdersOfScansCountOnlyWhereBothScan) {
  const auto with_scan = [&](const char* name, const char* backbone, const std::string& line) {
    const Path path =
        test::write_fake_run(folder_.path() / name, without_images(test::fake_backbone(backbone)));
    std::string recipe = read_file(path / "recipe.toml");
    recipe.insert(recipe.find("d_model"), line);
    test::write_text(path / "recipe.toml", recipe);
    return runs::read_run_folder(path);
  };
  const auto four = with_scan("four", "mamba", "image_scan = \"four\"\n"),
             raster = with_scan("raster", "moe_mamba", "image_scan = \"raster\"\n"),
             older = with_scan("older", "mamba", "");
  EXPECT_TRUE(
      compare_runs(four, with_scan("t", "transformer", "image_scan = \"raster\"\n")).warnings.empty());
  EXPECT_TRUE(compare_runs(older, raster).warnings.empty());
  for (const auto* other : {&older, &raster}) {
    const auto warnings = compare_runs(four, *other).warnings;
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("model.image_scan differs"), std::string::npos) << warnings[0];
  }
}

TEST_F(CompareTest, JsonHasTheContractsKeysAndNullForNever) {
  FakeRun worse = test::fake_mix();
  worse.image_floor = 0.2;
  const OrderedJson json = to_json(compare_runs(run("dense", {}), run("mix", worse)));
  for (const char* modality : {"text", "image", "overall"}) {
    for (const char* key : {"dense_loss", "mix_loss", "gain", "flops_to_match", "flops_to_match_slope"}) {
      EXPECT_TRUE(json.at(modality).contains(key)) << modality << " " << key;
    }
  }
  EXPECT_TRUE(json["image"]["flops_to_match"].is_null());
  EXPECT_EQ(json["image"]["match"], "never");
  EXPECT_LT(json["image"]["gain"].get<double>(), 0);
  EXPECT_TRUE(json["sets"]["foldoc"].contains("text"));
  EXPECT_TRUE(json["sets"]["gcide"].contains("text"));
}

TEST_F(CompareTest, WordsSayWhoLost) {
  FakeRun worse = test::fake_mix();
  worse.image_floor = 0.2;
  const auto comparison = compare_runs(run("dense", {}), run("mix", worse));
  const std::string table = table_text(comparison);
  EXPECT_NE(table.find("\nimage, emoji of held-out concepts (noto): worse (loss "), std::string::npos)
      << table;
  EXPECT_NE(table.find("\ntext, foldoc: better (loss "), std::string::npos) << table;
  EXPECT_NE(table.find("not reached"), std::string::npos) << table;
  const std::string words = verdict(comparison);
  EXPECT_EQ(words.find("Mixture-of-Mamba against dense Mamba on held-out data: image worse (loss "), 0u)
      << words;
  EXPECT_NE(words.find(", does not reach the baseline's final loss); text better (loss "), std::string::npos)
      << words;
}

TEST_F(CompareTest, ARunEqualsItself) {
  FakeRun noisy;
  noisy.noise = 0.02;
  const auto dense = run("dense", noisy);
  const auto comparison = compare_runs(dense, dense);
  for (const Row& each : comparison.rows) {
    EXPECT_EQ(each.gain, 0);
    EXPECT_EQ(each.flops_to_match, each.dense_self_match);
    EXPECT_DOUBLE_EQ(each.flops_to_match_slope.value(), 1);
  }
  EXPECT_NE(verdict(comparison).find("image equal (loss "), std::string::npos) << verdict(comparison);
}

TEST_F(CompareTest, EvaluationOfAnotherStepIsNotUsed) {
  const auto dense_path = test::write_fake_run(folder_.path() / "dense", without_images({}));
  Json evaluation = read_json(dense_path / "evaluation.json");
  evaluation["step"] = 100;
  test::write_text(dense_path / "evaluation.json", evaluation.dump());
  const auto comparison = compare_runs(runs::read_run_folder(dense_path), run("mix", test::fake_mix()));
  EXPECT_EQ(comparison.loss_source, "the last evaluation in training");
}

TEST_F(CompareTest, ChoosesTheSetAskedFor) {
  const auto dense = run("dense", {}), mix = run("mix", test::fake_mix());
  const auto comparison = compare_runs(dense, mix, "foldoc");
  EXPECT_EQ(comparison.rows.front().set, "foldoc");
  EXPECT_EQ(to_json(comparison)["overall"], to_json(comparison)["text"]);
  EXPECT_THROW(compare_runs(dense, mix, "c4"), UserError);
}

TEST_F(CompareTest, SetsAlikeAreCountedUnlessOneIsAskedFor) {
  auto dense = run("dense", {}), mix = run("mix", test::fake_mix());
  for (runs::RunFolder* folder : {&dense, &mix}) {
    folder->evals["twemoji"] = folder->evals.at("noto");
    folder->evaluation["twemoji"] = folder->evaluation.at("noto");
  }
  mix.evaluation.at("twemoji").losses["image"] = 1;
  const std::string words = verdict(compare_runs(dense, mix));
  EXPECT_NE(words.find("image better on 1 of 2 sets, worse on 1 (gain -"), std::string::npos) << words;
  EXPECT_NE(words.find("; text better on 2 of 2 sets (gain "), std::string::npos) << words;
  const std::string of_one = verdict(compare_runs(dense, mix, "noto"));
  EXPECT_NE(of_one.find("image better (loss "), std::string::npos) << of_one;
}

TEST_F(CompareTest, ASetThatIsTrainedOnLeadsOneOfAnotherStyle) {
  auto dense = run("dense", {}), mix = run("mix", test::fake_mix());
  for (runs::RunFolder* folder : {&dense, &mix}) {
    folder->evals["a_style"] = folder->evals.at("noto");
    folder->evaluation["a_style"] = folder->evaluation.at("noto");
    folder->recipe["data.mixture"] = "{ gcide = 0.4, noto = 0.6 }";
  }
  EXPECT_EQ(compare_runs(dense, mix).set, "noto");
  for (runs::RunFolder* folder : {&dense, &mix}) folder->recipe["data.mixture"] = "{}";
  EXPECT_EQ(compare_runs(dense, mix).set, "a_style");
}

TEST_F(CompareTest, WarnsWhenTheRunsAreNotOfOneTraining) {
  FakeRun shorter = test::fake_mix();
  shorter.steps = 200;
  const auto comparison = compare_runs(run("dense", {}), run("mix", shorter));
  ASSERT_EQ(comparison.warnings.size(), 2u);
  EXPECT_NE(comparison.warnings[0].find("different steps"), std::string::npos);
  EXPECT_NE(comparison.warnings[1].find("train.steps"), std::string::npos);
}

TEST_F(CompareTest, WarnsWhenTheDataDiffer) {
  const Path dense_path = test::write_fake_run(folder_.path() / "dense", without_images({}));
  Json environment = read_json(dense_path / "environment.json");
  environment["data"]["manifest"]["shards"] = {"b"};
  test::write_text(dense_path / "environment.json", environment.dump());
  const auto comparison = compare_runs(runs::read_run_folder(dense_path), run("mix", test::fake_mix()));
  ASSERT_EQ(comparison.warnings.size(), 1u);
  EXPECT_NE(comparison.warnings[0].find("the data differ"), std::string::npos) << comparison.warnings[0];
}

TEST_F(CompareTest, TitlesAreWordsAboutTheSameData) {
  const Path path = test::write_fake_run(folder_.path() / "dense", without_images({}));
  Json environment = read_json(path / "environment.json");
  environment["data"]["manifest"]["titles"] = {{"foldoc", "articles on computing"}};
  test::write_text(path / "environment.json", environment.dump());
  const auto dense = runs::read_run_folder(path), mix = run("mix", test::fake_mix());
  const auto comparison = compare_runs(dense, mix);
  EXPECT_TRUE(comparison.warnings.empty());
  EXPECT_EQ(runs::set_text(comparison.set_titles, "foldoc"), "articles on computing (foldoc)");
  EXPECT_EQ(runs::set_text(comparison.set_titles, "noto"),
            "emoji of held-out concepts (noto)");  // the other run's
  EXPECT_EQ(runs::set_text(comparison.set_titles, "gcide"), "gcide");
  environment["data"]["manifest"]["titles"] = {{"foldoc", 5}};
  test::write_text(path / "environment.json", environment.dump());
  EXPECT_THROW(runs::read_run_folder(path), InputError);
}

TEST_F(CompareTest, DifferentSettingsAreRefused) {
  FakeRun other = test::fake_mix();
  other.setting = "chameleon";
  EXPECT_THROW(compare_runs(run("dense", {}), run("mix", other)), UserError);
}

TEST_F(CompareTest, OneEvaluationIsNotMeasuredRatherThanNever) {
  FakeRun dense, mix = test::fake_mix();
  dense.eval_every = mix.eval_every = 1000;
  const auto comparison = compare_runs(run("dense", dense), run("mix", mix));
  EXPECT_EQ(comparison.rows.front().match, Match::kUnknown);
  EXPECT_EQ(match_text(comparison.rows.front()), "not measured");
}

}  // namespace
}  // namespace mom::compare
