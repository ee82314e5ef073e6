#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/report/published.h"
#include "mom/report/report.h"
#include "mom/report/study_report.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"
#include "tests/support/fake_study.h"

namespace mom::report {
namespace {

// A study folder of made-up runs; the slow part, so each is written once.
const Path& study_folder(const std::string& name) {
  static const test::TempFolder folder;
  static std::map<std::string, Path> written;
  const auto known = written.find(name);
  if (known != written.end()) return known->second;
  const std::map<std::string, test::FakeStudy (*)()> studies = {
      {"subsets", test::fake_subsets}, {"settings", test::fake_settings}, {"rates", test::fake_rates}};
  test::write_fake_study(folder / name, studies.at(name)());
  return written[name] = folder / name;
}

StudySubject subject_of(const std::string& name) { return read_study_subject(study_folder(name)); }

OrderedJson page_of(const std::string& name) { return study_page(subject_of(name)); }

// A chart's line over an axis: "steps", "seconds".
OrderedJson axis_of(const OrderedJson& panel, const OrderedJson& series, const char* name) {
  const OrderedJson& axis = panel.at("axes").at(series.at("axis").get<size_t>());
  return axis.contains(name) ? panel.at("lists").at(axis[name].get<size_t>()) : OrderedJson(nullptr);
}

OrderedJson results_of(const std::string& name) {
  return parse_ordered_json(read_file(study_folder(name) / "results.json"), "results.json");
}

TEST(StudySubject, KeepsTheOrderOfTheFileAndFindsItsRuns) {
  const StudySubject subject = subject_of("subsets");
  const study::GroupResult& group = subject.results.groups.at(0);
  EXPECT_EQ(group.name, "transfusion");
  EXPECT_EQ(group.arms.size(), 18u);
  EXPECT_EQ(group.arms.front().name, "mixture_of_mamba-in_proj");
  EXPECT_EQ(subject.results.arms_of(group).front(), "mamba");
  EXPECT_EQ(subject.results.runs_of(group, "mixture_of_mamba").size(), 3u);
  EXPECT_EQ(subject.results.runs_of(group, "ssm").size(), 2u);  // one failed
  EXPECT_EQ(setting_of(subject.results, group), "transfusion");
  ASSERT_EQ(subject.results.environments.size(), 1u);
  EXPECT_EQ(subject.results.environments[0].values.at("cpu"), "a test, no machine");
  EXPECT_EQ(subject.shown.runs.size(), 2u);  // of 19 models: the baseline and all four projections
}

TEST(StudySubject, TheNamesOfMachinesAreNotPassedOn) {
  const Path folder = study_folder("settings");
  const std::string timing = read_file(folder / "timing.json");
  EXPECT_EQ(timing.find("machine.host"), std::string::npos);
  EXPECT_NE(timing.find("data.path"), std::string::npos);
  EXPECT_EQ(page_of("settings").dump().find("some-host"), std::string::npos);
}

TEST(StudySubject, WithoutRunFoldersAndTimesTheRestStands) {
  const test::TempFolder kept;
  std::filesystem::copy_file(study_folder("subsets") / "results.json", kept / "results.json");
  const StudySubject subject = read_study_subject(kept.path());
  EXPECT_TRUE(subject.shown.runs.empty());
  ASSERT_EQ(subject.notes.size(), 2u);
  EXPECT_NE(subject.notes[0].find("timing.json"), std::string::npos);
  EXPECT_NE(subject.notes[1].find("run folders"), std::string::npos);
  const OrderedJson page = study_page(subject);
  EXPECT_EQ(page.at("groups").at(0).at("subsets").at("rows").size(), 16u);
  for (const OrderedJson& axis : page.at("panels").at(0).at("axes")) EXPECT_FALSE(axis.contains("seconds"));
}

TEST(StudySubject, ADamagedFileIsNamedWithThePlace) {
  const test::TempFolder damaged;
  OrderedJson results = results_of("settings");
  results["groups"]["chameleon"]["arms"]["mixture_of_mamba"]["sets"]["noto"]["image"]["gain"]["mean"] =
      "high";
  publish_json(damaged / "results.json", results);
  try {
    read_study_subject(damaged.path());
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(
        std::string(error.what())
            .find("results.json.groups.chameleon.arms.mixture_of_mamba.sets.noto.image.gain.mean: expected a "
                  "number, found string"),
        std::string::npos)
        << error.what();
  }
}

TEST(StudySubject, ADamagedRunFolderLeavesThePage) {
  const test::TempFolder copy;
  std::filesystem::copy(study_folder("settings"), copy / "study", std::filesystem::copy_options::recursive);
  test::write_text(copy / "study" / "runs" / "chameleon-mamba-1" / "metrics.jsonl", "no JSON\n");
  const StudySubject subject = read_study_subject(copy / "study");
  EXPECT_EQ(subject.shown.runs.size(), 3u);
  ASSERT_EQ(subject.notes.size(), 1u);
  EXPECT_NE(subject.notes[0].find("no samples of chameleon-mamba-1"), std::string::npos);
}

TEST(StudyPage, AStudyFolderMakesItAndRunFoldersDoNot) {
  const test::TempFolder out;
  const auto verdicts = write_report({study_folder("settings")}, out / "study.html");
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_NE(verdicts[0].find("Mixture-of-Mamba against dense Mamba on held-out data, one seed: image worse "
                             "(gain -2.9%); text equal (gain 0.0%)"),
            std::string::npos)
      << verdicts[0];
  EXPECT_NE(read_file(out / "study.html").find("\"kind\":\"study\""), std::string::npos);
  write_report({study_folder("settings") / "runs"}, out / "runs.html");
  EXPECT_NE(read_file(out / "runs.html").find("\"kind\":\"runs\""), std::string::npos);
}

TEST(StudyPage, OneSeedHasNoIntervals) {
  const OrderedJson one = page_of("settings"), three = page_of("subsets");
  EXPECT_EQ(one.at("seeds").size(), 1u);
  EXPECT_EQ(three.at("seeds"), OrderedJson({1, 2, 3}));
  EXPECT_FALSE(one.at("comparisons").at(0).at("rows").at(0).at("gain").contains("values"));
  EXPECT_EQ(three.at("comparisons").at(0).at("rows").at(0).at("gain").at("values").size(), 3u);
}

TEST(StudyPage, ALossIsCalledALoss) {
  const OrderedJson row = page_of("settings").at("comparisons").at(0).at("rows").at(0);
  EXPECT_EQ(row.at("gain").at("outcome"), "worse");
  EXPECT_NEAR(row["gain"].at("mean").get<double>(), -0.029, 5e-4);
  EXPECT_EQ(row.at("flops_to_match").at("words"), "not reached");
}

TEST(StudyPage, SeedsThatDoNotAgreeAreUndecided) {
  const OrderedJson page = page_of("subsets");
  EXPECT_NE(page.at("verdicts").at(0).get<std::string>().find("text undecided, better with 1 of 3 seeds"),
            std::string::npos);
  size_t seen = 0;
  for (const OrderedJson& comparison : page.at("comparisons")) {
    if (comparison.at("arm") != "mixture_of_mamba") continue;
    EXPECT_EQ(comparison.at("verdict"), true);
    for (const OrderedJson& row : comparison.at("rows"))
      seen +=
          row["set"] == "noto" && row["modality"] == "text" && row.at("gain").at("outcome") == "undecided";
  }
  EXPECT_EQ(seen, 1u);
}

TEST(StudyPage, MissingRunsAreListed) {
  std::map<std::string, OrderedJson> runs;
  const OrderedJson page = page_of("subsets");
  for (const OrderedJson& run : page.at("study_runs")) runs[run.at("name")] = run;
  EXPECT_EQ(runs.at("transfusion-ssm-2").at("state"), "failed");
  EXPECT_EQ(runs["transfusion-ssm-2"].at("error"), "step 12: loss not finite <b>");
  EXPECT_EQ(runs.at("transfusion-transformer-3").at("state"), "unfinished");
  EXPECT_EQ(page.at("title"), "Sixteen subsets & three others <made up>");
}

TEST(Ablation, SubsetsStandInTheOrderOfTheirGain) {
  const StudySubject subject = subject_of("subsets");
  const auto subsets = study::subsets_by_gain(subject.results.groups[0], "image");
  ASSERT_EQ(subsets.size(), 16u);
  double before = 1;
  for (const study::Subset& subset : subsets) {
    const double gain = subset.result ? *subset.result->find("noto", "image")->gain.mean : 0;
    EXPECT_LE(gain, before) << subset.name;
    before = gain;
  }
  EXPECT_EQ(subsets.front().name, "all four");
  EXPECT_EQ(subsets.back().name, "x_proj");
  EXPECT_EQ(subsets.back().projections, std::vector<std::string>{"x_proj"});
}

TEST(Ablation, TheInteractionIsSaidWithItsSign) {
  const study::Summary joint = study::summarised({0.05, 0.06});
  EXPECT_EQ(study::interaction_text(study::summarised({0.01, 0.02}), joint),
            "all four together gain 5.5% [5.0%, 6.0%], the four alone add up to less: interaction 1.5% "
            "[1.0%, 2.0%]");
  EXPECT_NE(study::interaction_text(study::summarised({-0.01, 0.005}), joint).find("add up to more"),
            std::string::npos);
  EXPECT_NE(study::interaction_text(study::summarised({-0.01, 0.02}), joint).find("do not agree on its sign"),
            std::string::npos);
  EXPECT_NE(study::interaction_text(study::summarised({0.01}), joint).find("one seed"), std::string::npos);
  EXPECT_EQ(study::interaction_text(study::summarised({0.01, std::nullopt}), joint), "");
}

TEST(Published, FiguresOfThePaper) {
  const auto find = [](const std::string& setting, const std::string& modality) -> const Published* {
    for (const Published& each : published())
      if (each.setting == setting && each.modality == modality) return &each;
    return nullptr;
  };
  const Published* image = find("transfusion", "image");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->loss, 0.2138);
  EXPECT_EQ(image->gain, 0.0220);
  EXPECT_EQ(image->flops_to_match, 0.3476);
  EXPECT_EQ(find("three_modality", "speech")->flops_to_match, 0.2480);
  EXPECT_EQ(find("three_modality", "image"), nullptr);  // not found in the paper
  for (const Published& each : published()) EXPECT_TRUE(each.gain || !each.remark.empty()) << each.modality;
}

TEST(Published, StandsBesideTheSettingItIsAbout) {
  const OrderedJson comparisons = page_of("settings").at("comparisons");
  EXPECT_EQ(comparisons.at(0).at("paper").at(0).at("loss"), 0.2138);
  EXPECT_EQ(comparisons[0]["paper"][0].at("parameters"), "1.4B");
  EXPECT_EQ(comparisons.at(1).at("paper").at(0).at("loss"), 5.0591);
  EXPECT_EQ(page_of("rates").dump().find("\"paper\""), std::string::npos);
}

TEST(Curves, AreMeansOverSeedsWithTheirRange) {
  const OrderedJson panel = page_of("subsets").at("panels").at(0);
  EXPECT_EQ(panel.at("labels").size(), 19u);
  EXPECT_EQ(panel.at("off").size(), 10u);  // subsets of two and three
  const OrderedJson& chart = panel.at("charts").at(0);
  EXPECT_EQ(chart.at("set"), "noto");
  EXPECT_EQ(chart.at("modality"), "image");
  EXPECT_EQ(chart.at("unit"), "noise MSE");
  const OrderedJson& baseline = chart.at("series").at(0);
  for (size_t i = 0; i < baseline.at("fit").size(); ++i) {
    const double fit = baseline["fit"][i].get<double>();
    EXPECT_LE(baseline.at("low")[i].get<double>(), fit * 1.00001);
    EXPECT_GE(baseline.at("high")[i].get<double>(), fit * 0.99999);
  }
  // 450 steps of 4096 tokens at 5200 tokens/s.
  EXPECT_NEAR(axis_of(panel, baseline, "seconds").back().get<double>(), 450 * 4096 / 5200.0, 0.01);
  EXPECT_EQ(panel.at("clock"), "time of the steps");
}

TEST(Curves, OfOneSeedAreAsMeasured) {
  const OrderedJson page = page_of("settings"), results = results_of("settings");
  const OrderedJson& series = page.at("panels").at(0).at("charts").at(0).at("series").at(0);
  const double last =
      results["runs"]["transfusion-mamba-1"]["curves"]["held_out"]["noto"]["loss_image"].back().get<double>();
  EXPECT_NEAR(series.at("raw").back().get<double>(), last, 1e-5);
  EXPECT_FALSE(series.contains("low"));
}

TEST(Curves, TimeIsTheProcessorsWhereItIsKnown) {
  const OrderedJson page = page_of("settings"), panel = page.at("panels").at(0);
  EXPECT_EQ(panel.at("clock"), "processor time");
  EXPECT_NEAR(axis_of(panel, panel.at("charts").at(0).at("series").at(0), "seconds").back().get<double>(),
              450 * 4096 / 1300.0, 0.01);
  EXPECT_TRUE(page.at("comparisons").at(0).at("rows").at(0).contains("cpu_seconds_to_match"));
  EXPECT_FALSE(page_of("subsets").at("comparisons").at(0).at("rows").at(0).contains("cpu_seconds_to_match"));
}

TEST(Sweep, GroupsThatDifferInTheirRateOnly) {
  const StudySubject subject = subject_of("rates");
  const std::vector<Sweep> sweeps = sweeps_of(subject.results);
  ASSERT_EQ(sweeps.size(), 2u);
  ASSERT_EQ(sweeps[0].rates.size(), 3u);
  EXPECT_EQ(sweeps[0].rates[0].text, "0.001");
  EXPECT_EQ(sweeps[0].rates[2].runs.size(), 2u);
  EXPECT_EQ(
      sweep_sentence({{"noto", "emoji of held-out concepts"}}, sweeps[1]),
      "transfusion, dense Mamba, emoji of held-out concepts (noto): lowest loss at learning rate 0.003 for "
      "image, 0.006 for text, 0.006 for overall.");
  EXPECT_TRUE(sweeps_of(subject_of("subsets").results).empty());
  EXPECT_TRUE(sweeps_of(subject_of("settings").results).empty());  // other recipes
}

}  // namespace
}  // namespace mom::report
