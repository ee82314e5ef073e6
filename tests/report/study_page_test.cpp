#include <gtest/gtest.h>

#include <regex>

#include "mom/base/error.h"
#include "mom/compare/number_text.h"
#include "mom/report/published.h"
#include "mom/report/report.h"
#include "mom/report/study_charts.h"
#include "mom/report/study_csv.h"
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

// The page without the numbers and scripts behind its charts.
std::string words_of(const std::string& name) {
  const std::string html = render_study_page(subject_of(name));
  return html.substr(0, html.find("id=\"report-data\""));
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
  EXPECT_EQ(words_of("settings").find("some-host"), std::string::npos);
}

TEST(StudySubject, WithoutRunFoldersAndTimesTheRestStands) {
  const test::TempFolder kept;
  std::filesystem::copy_file(study_folder("subsets") / "results.json", kept / "results.json");
  const StudySubject subject = read_study_subject(kept.path());
  EXPECT_TRUE(subject.shown.runs.empty());
  ASSERT_EQ(subject.notes.size(), 2u);
  EXPECT_NE(subject.notes[0].find("timing.json"), std::string::npos);
  EXPECT_NE(subject.notes[1].find("run folders"), std::string::npos);
  const std::string html = render_study_page(subject);
  EXPECT_NE(html.find("Which projections to decouple"), std::string::npos);
  for (const CurveChart& chart : curve_panels(subject).at(0).charts)
    for (const auto& [line, series] : chart.lines) EXPECT_TRUE(series.seconds.empty());
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
  EXPECT_NE(read_file(out / "study.html").find("class=\"numbers verdicts\""), std::string::npos);
  write_report({study_folder("settings") / "runs"}, out / "runs.html");
  EXPECT_EQ(read_file(out / "runs.html").find("class=\"numbers verdicts\""), std::string::npos);
}

TEST(StudyPage, OneSeedHasNoIntervalsAndSaysSo) {
  const std::string words = words_of("settings");
  EXPECT_NE(words.find("One seed: differences between seeds are not measured here"), std::string::npos);
  EXPECT_EQ(words.find("class=\"interval\""), std::string::npos);
  EXPECT_NE(words_of("subsets").find("the range over the 3 seeds"), std::string::npos);
}

TEST(StudyPage, ALossIsCalledALoss) {
  const std::string words = words_of("settings");
  EXPECT_NE(words.find("<span class=\"gain worse\">-2.9% <small>worse</small></span>"), std::string::npos);
  EXPECT_NE(words.find("not reached"), std::string::npos);
}

TEST(StudyPage, SeedsThatDoNotAgreeAreUndecided) {
  const std::string words = words_of("subsets");
  EXPECT_NE(words.find("text undecided, better with 1 of 3 seeds"), std::string::npos);
  EXPECT_NE(words.find("<small>undecided</small>"), std::string::npos);
}

TEST(StudyPage, MissingRunsAreListedAndHostileTextStaysText) {
  const std::string words = words_of("subsets");
  EXPECT_NE(words.find("failed: step 12: loss not finite &lt;b&gt;"), std::string::npos);
  EXPECT_NE(words.find("<code>transfusion-transformer-3</code> is not finished"), std::string::npos);
  EXPECT_NE(words.find("<h1>Sixteen subsets &amp; three others &lt;made up&gt;</h1>"), std::string::npos);
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
  const Published* image = find_published("transfusion", "image");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->loss, 0.2138);
  EXPECT_EQ(image->gain, 0.0220);
  EXPECT_EQ(image->flops_to_match, 0.3476);
  EXPECT_EQ(find_published("three_modality", "speech")->flops_to_match, 0.2480);
  EXPECT_EQ(find_published("three_modality", "image"), nullptr);  // not found in the paper
  for (const Published& each : published()) EXPECT_TRUE(each.gain || !each.remark.empty()) << each.modality;
}

TEST(Published, StandsBesideTheSettingItIsAbout) {
  const std::string words = words_of("settings");
  const size_t transfusion = words.find("1.4B parameters"), chameleon = words.find("1.5B parameters");
  ASSERT_NE(transfusion, std::string::npos);
  ASSERT_NE(chameleon, std::string::npos);
  EXPECT_LT(transfusion, chameleon);
  EXPECT_NE(words.find("data-label=\"paper: loss\">0.2138<"), std::string::npos);
  EXPECT_NE(words.find("data-label=\"paper: loss\">5.0591<"), std::string::npos);
  EXPECT_EQ(words_of("rates").find("paper: loss"), std::string::npos);
}

TEST(Csv, HoldsEveryNumberInTheLongForm) {
  const StudySubject subject = subject_of("subsets");
  const std::vector<CsvFile> files = csv_files(subject);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].text.substr(0, files[0].text.find('\n')),
            "table,group,arm,set,modality,metric,statistic,value");
  const study::Row& row = *subject.results.groups[0].find("mixture_of_mamba")->find("noto", "image");
  const std::string place = "comparison,transfusion,mixture_of_mamba,noto,image,gain,";
  const auto line = [&](const std::string& statistic, double value) {
    return place + statistic + "," + OrderedJson(value).dump() + "\n";
  };
  EXPECT_NE(files[0].text.find(line("seed 2", *row.gain.values[1])), std::string::npos);
  EXPECT_NE(files[0].text.find(line("mean", *row.gain.mean)), std::string::npos);
  EXPECT_NE(files[0].text.find(line("low", row.gain.interval->low)), std::string::npos);
  EXPECT_NE(files[0].text.find("\ninteraction,transfusion,,noto,image,interaction,mean,"), std::string::npos);
  EXPECT_NE(
      files[0].text.find(
          "\npaper,transfusion,mixture_of_mamba,\"training, 1.4B parameters\",image,gain,value,0.022\n"),
      std::string::npos);
  EXPECT_EQ(files[1].name, "curves-transfusion.csv");
  EXPECT_NE(files[1].text.find("\ntransfusion,dense Mamba,noto,image,450,"), std::string::npos);
}

TEST(Csv, ALinkCannotLeaveItsAttribute) {
  const std::string link = csv_link({"a\".csv", "x,\"<b>\"\n#%&'"});
  EXPECT_EQ(link,
            "<a download=\"a&quot;.csv\" "
            "href=\"data:text/csv;charset=utf-8,x,%22%3Cb%3E%22%0A%23%25%26%27\">a&quot;.csv</a>");
}

TEST(Curves, AreMeansOverSeedsWithTheirRange) {
  const CurvePanel panel = curve_panels(subject_of("subsets")).at(0);
  EXPECT_EQ(panel.lines.size(), 19u);
  EXPECT_EQ(panel.off.size(), 10u);  // subsets of two and three
  const CurveChart& chart = panel.charts.at(0);
  EXPECT_EQ(chart.set + " " + chart.modality, "noto image");
  EXPECT_EQ(chart.unit, "noise MSE");
  const OrderedJson results = results_of("subsets");
  double sum = 0;
  for (const char* seed : {"1", "2", "3"})
    sum +=
        results["runs"]["transfusion-mamba-" + std::string(seed)]["curves"]["held_out"]["noto"]["loss_image"]
            .back()
            .get<double>();
  const Series& baseline = chart.lines.at(0).second;
  EXPECT_NEAR(baseline.raw.back(), sum / 3, 1e-12);
  for (size_t i = 0; i < baseline.fit.size(); ++i) {
    EXPECT_LE(baseline.low[i], baseline.fit[i]);
    EXPECT_GE(baseline.high[i], baseline.fit[i]);
  }
  // 450 steps of 4096 tokens at 5200 tokens/s.
  EXPECT_NEAR(baseline.seconds.back(), 450 * 4096 / 5200.0, 0.01);
  EXPECT_FALSE(panel.of_processor);
}

TEST(Curves, TimeIsTheProcessorsWhereItIsKnown) {
  const CurvePanel panel = curve_panels(subject_of("settings")).at(0);
  EXPECT_TRUE(panel.of_processor);
  EXPECT_NEAR(panel.charts.at(0).lines.at(0).second.seconds.back(), 450 * 4096 / 1300.0, 0.01);
  EXPECT_NE(words_of("settings").find("CPU time to match"), std::string::npos);
  EXPECT_EQ(words_of("subsets").find("CPU time to match"), std::string::npos);
}

TEST(Curves, OneSeedHasNoRange) {
  for (const CurvePanel& panel : curve_panels(subject_of("settings")))
    for (const CurveChart& chart : panel.charts)
      for (const auto& [line, series] : chart.lines) EXPECT_TRUE(series.low.empty());
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
