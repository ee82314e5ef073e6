#include "mom/report/report.h"
#include "mom/base/base64.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/report/expert_use.h"
#include "mom/report/page.h"
#include "mom/report/runs_page.h"
#include "tests/support/fake_runs.h"

namespace mom::report {
namespace {

constexpr const char* kHostile =
    "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\"> & more";

class ReportTest : public testing::Test {
 protected:
  OrderedJson page(const test::FakeRun& dense, const test::FakeRun& mix) {
    test::write_fake_run(folder_.path() / "runs" / "dense", dense);
    test::write_fake_run(folder_.path() / "runs" / "mom", mix);
    return page_of({folder_.path() / "runs"});
  }
  OrderedJson page_of(const std::vector<Path>& inputs) {
    write_report(inputs, folder_.path() / "report.html");
    html_ = read_file(folder_.path() / "report.html");
    return data();
  }
  // What stands in the file between two texts.
  std::string between(const std::string& open, const std::string& close) const {
    const size_t begin = html_.find(open) + open.size();
    return html_.substr(begin, html_.find(close, begin) - begin);
  }
  OrderedJson data() const {
    return parse_ordered_json(between("id=\"page-data\">", "</script>"), "page data");
  }
  test::TempFolder folder_;
  std::string html_;
};

std::string sha256_source(const std::string& text) {
  const std::string hex = sha256_hex(text);
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "sha256-" + encode_base64(bytes);
}

TEST_F(ReportTest, LoadsNothingAndRunsNothingElse) {
  page({}, test::fake_mix());
  const std::regex loads(
      R"re((src|href|action|poster|srcset)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?(https?:)?//|@import|<link|<iframe)re");
  EXPECT_FALSE(std::regex_search(html_, loads));
  EXPECT_EQ(html_.find("sourceMappingURL"), std::string::npos);
  EXPECT_EQ(html_.find("unsafe-inline"), std::string::npos);
  const std::string policy = between("Content-Security-Policy\" content=\"", "\"");
  EXPECT_TRUE(policy.starts_with("default-src 'none'")) << policy;
  EXPECT_NE(
      policy.find("script-src '" + sha256_source(between("<script type=\"module\">", "</script>")) + "'"),
      std::string::npos)
      << policy;
  EXPECT_NE(policy.find("style-src '" + sha256_source(between("<style>", "</style>")) + "'"),
            std::string::npos)
      << policy;
}

TEST_F(ReportTest, TheDescriptionNamesItself) {
  const OrderedJson json = page({}, test::fake_mix());
  EXPECT_EQ(json.at("format"), "mom page");
  EXPECT_EQ(json.at("version"), 1);
  EXPECT_EQ(json.at("kind"), "runs");
  EXPECT_EQ(json.at("title"), "Mixture-of-Mamba and dense Mamba");
  EXPECT_EQ(json.at("generation"), nullptr);  // none of these runs has any
}

TEST_F(ReportTest, CurvesHaveTheirLinesAndTargets) {
  const OrderedJson panel = page({}, test::fake_mix())["panels"].at(0);
  EXPECT_EQ(panel.at("labels"), OrderedJson({"dense Mamba", "Mixture-of-Mamba"}));
  ASSERT_EQ(panel.at("charts").size(),
            7u);  // noto image, text; foldoc; text; noto overall; training image, text
  const OrderedJson& image = panel["charts"][0];
  EXPECT_EQ(image.at("series").size(), 2u);
  EXPECT_EQ(image["series"][0]["raw"].size(), 19u);
  const OrderedJson& axis = panel.at("axes").at(image["series"][0].at("axis").get<size_t>());
  const OrderedJson& steps = panel.at("lists").at(axis.at("steps").get<size_t>());
  EXPECT_EQ(steps.size(), 19u);
  EXPECT_EQ(steps.back(), 450);
  EXPECT_EQ(image.at("targets").at(0).at("line"), 0);
  EXPECT_GT(image["targets"][0].at("matches").at(0).at("part").get<double>(), 0);
  EXPECT_EQ(panel["charts"][6]["group"], "training");
}

TEST_F(ReportTest, WithoutScriptsTheVerdictIsThere) {
  const OrderedJson json = page({}, test::fake_mix());
  const std::string plain = between("<noscript>", "</noscript>");
  EXPECT_NE(plain.find("Mixture-of-Mamba against dense Mamba on held-out data: image better"),
            std::string::npos);
  EXPECT_NE(plain.find("need JavaScript"), std::string::npos);
}

TEST_F(ReportTest, HostileCaptionsStayText) {
  test::FakeRun dense, mix = test::fake_mix();
  dense.caption = mix.caption = kHostile;
  const OrderedJson json = page(dense, mix);
  EXPECT_EQ(html_.find("alert('2')\""), std::string::npos);
  EXPECT_EQ(html_.find("<script>alert"), std::string::npos);
  EXPECT_EQ(json.at("denoised").at("items").at(0).at("caption"), kHostile);
}

TEST(ScriptJson, LeavesNothingThatEndsAScript) {
  const OrderedJson value = {{"caption", kHostile}, {"bad", "\xff"}};
  const std::string text = script_json(value);
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(parse_json(text, "t").at("caption"), kHostile);
}

TEST_F(ReportTest, PicturesAreInsideOnce) {
  const OrderedJson json = page({}, test::fake_mix());
  const OrderedJson& items = json.at("denoised").at("items");
  EXPECT_EQ(items.size(), 6u);
  for (const OrderedJson& item : items)
    EXPECT_EQ(item.at("of_runs").size(), 2u);  // the same noise for both runs
  std::set<OrderedJson> different;
  for (const OrderedJson& uri : json.at("media")) {
    EXPECT_TRUE(uri.get<std::string>().starts_with("data:image/webp;base64,UklGR"));
    EXPECT_TRUE(different.insert(uri).second);
  }
}

TEST_F(ReportTest, WhatWasGeneratedIsThereWithItsFigures) {
  test::FakeRun dense, mix = test::fake_mix();
  dense.generation = mix.generation = true;
  dense.images = mix.images = false;
  const OrderedJson json = page(dense, mix).at("generation");
  ASSERT_EQ(json.at("runs").size(), 2u);
  const OrderedJson& images = json["runs"][0].at("images");
  EXPECT_EQ(images.at(0).at("bucket"), "trained");
  EXPECT_EQ(images[0].at("retrieved").at("share"), 0.5);
  EXPECT_EQ(images[0].at("retrieved_from_real").at("share"), 0.8125);
  EXPECT_EQ(images[0].at("kid_of_training_images").at("mean"), 0.03125);
  EXPECT_EQ(json["runs"][0].at("ranked").at(0).at("source"), "trained captions");
  EXPECT_EQ(json["runs"][0].at("ranked").at(1).at("source"), "noto");
  EXPECT_FALSE(images[0].contains("frechet"));  // nothing that older runs have
  // Of two buckets each item once for both runs, and two rows of seeds.
  EXPECT_EQ(json.at("items").size(), 2u * 3u);
  for (const OrderedJson& item : json["items"]) EXPECT_EQ(item.at("of_runs").size(), 2u);
  EXPECT_EQ(json.at("grid").size(), 2u);
}

TEST_F(ReportTest, AGridAloneIsThere) {
  test::FakeRun run;
  run.generation = true;
  const Path path = test::write_fake_run(folder_.path() / "run", run);
  const Json quality = read_json(path / "generation" / "quality.json");
  std::filesystem::create_directory(path / "grid");
  std::filesystem::rename(path / "generation" / "grid.png", path / "grid" / "grid.png");
  std::filesystem::remove_all(path / "generation");
  test::write_text(path / "grid" / "grid.json",
                   Json{{"step", quality.at("step")}, {"grid", quality.at("pictures").at("grid")}}.dump());
  const OrderedJson json = page_of({path}).at("generation");
  EXPECT_EQ(json.at("grid").size(), 2u);
  EXPECT_EQ(json.at("runs").at(0).at("step"), quality.at("step"));
  EXPECT_TRUE(json["runs"][0].at("images").empty());
  EXPECT_TRUE(json.at("items").empty());
}

TEST_F(ReportTest, WhatAnOlderVersionMeasuredIsThere) {
  test::FakeRun older, newer = test::fake_mix();
  newer.generation = true;
  const Path first = test::write_fake_run(folder_.path() / "older", older),
             second = test::write_fake_run(folder_.path() / "newer", newer);
  test::write_older_generation(first / "generation", older);
  const OrderedJson runs = page_of({first, second}).at("generation").at("runs");
  EXPECT_EQ(runs.at(0).at("images").at(0).at("frechet"), 3.25);
  EXPECT_EQ(runs[0]["images"][0].at("nearest_ratio"), 1.375);
}

TEST_F(ReportTest, AGridOfAnotherSizeIsAnError) {
  test::FakeRun run;
  run.generation = true;
  const Path path = test::write_fake_run(folder_.path() / "run", run);
  test::write_text(path / "generation" / "grid.png", test::fake_image(0, 0, 0));
  EXPECT_THROW(write_report({path}, folder_.path() / "report.html"), InputError);
}

TEST_F(ReportTest, OneRunHasAPageWithoutVerdict) {
  test::FakeRun run;
  run.images = run.parameters = run.environment = run.evaluation = false;
  const Path path = test::write_fake_run(folder_.path() / "alone", run);
  EXPECT_TRUE(write_report({path}, folder_.path() / "one.html").empty());
  const OrderedJson json = page_of({path});
  EXPECT_TRUE(json.at("verdicts").empty());
  EXPECT_TRUE(json.at("comparisons").empty());
  const std::string notes = json.at("notes").dump();
  EXPECT_NE(notes.find("alone lacks parameters.json"), std::string::npos);
  EXPECT_NE(notes.find("alone lacks samples/"), std::string::npos);
}

TEST_F(ReportTest, ALossIsCalledALoss) {
  test::FakeRun worse = test::fake_mix();
  worse.image_floor = 0.2;
  const OrderedJson row = page({}, worse).at("comparisons").at(0).at("rows").at(0);
  EXPECT_EQ(row.at("modality"), "image");
  EXPECT_EQ(row.at("gain").at("outcome"), "worse");
  EXPECT_EQ(row.at("flops_to_match").at("words"), "not reached");
}

// Runs of many backbones, each by its own name.
class BackbonesTest : public ReportTest {
 protected:
  Path write(const std::string& backbone, test::FakeRun run) {
    run.backbone = backbone;
    run.images = false;
    return test::write_fake_run(folder_.path() / "runs" / backbone, run);
  }
  Path write(const std::string& backbone) { return write(backbone, {}); }
};

TEST_F(BackbonesTest, EachRunHasTheBaselineOfItsKind) {
  std::vector<Path> paths;
  for (const char* backbone : {"mamba", "mixture_of_mamba", "ssm", "transformer", "mixture_of_transformers",
                               "moe_transformer", "moe_mamba"})
    paths.push_back(write(backbone));
  std::map<std::string, std::string> baselines;
  for (const auto& comparison : read_subject(paths).comparisons)
    baselines[comparison.mix_path.filename()] = comparison.dense_path.filename();
  EXPECT_EQ(baselines, (std::map<std::string, std::string>{{"mixture_of_mamba", "mamba"},
                                                           {"moe_mamba", "mamba"},
                                                           {"ssm", "mamba"},
                                                           {"transformer", "mamba"},
                                                           {"mixture_of_transformers", "transformer"},
                                                           {"moe_transformer", "transformer"}}));
}

TEST_F(BackbonesTest, SeedsOfADenseBackboneStayTogether) {
  test::FakeRun second;
  second.seed = 2;
  std::vector<Path> paths = {write("mamba"), write("transformer", second)};
  second.images = false;
  paths.push_back(test::write_fake_run(folder_.path() / "runs" / "mamba-2", second));
  const Subject subject = read_subject(paths);
  ASSERT_EQ(subject.comparisons.size(), 1u);
  EXPECT_EQ(subject.comparisons[0].dense_path.filename(), "mamba-2");
  EXPECT_EQ(subject.comparisons[0].mix_path.filename(), "transformer");
}

TEST_F(BackbonesTest, MixturesAloneAreComparedWithTheFirst) {
  const std::vector<Path> paths = {write("mixture_of_mamba"), write("moe_mamba")};
  const Subject subject = read_subject(paths);
  ASSERT_EQ(subject.comparisons.size(), 1u);
  EXPECT_EQ(subject.comparisons[0].dense_path.filename(), "mixture_of_mamba");
  for (const std::string& note : subject.notes)
    EXPECT_EQ(note.find("not compared"), std::string::npos) << note;
  EXPECT_NE(read_subject({paths[1]}).notes.back().find("no run of another backbone"), std::string::npos);
}

TEST_F(BackbonesTest, EachComparisonIsNamed) {
  const OrderedJson json =
      page_of({write("mamba"), write("transformer"), write("ssm"), write("mixture_of_mamba"),
               write("moe_mamba"), write("moe_transformer"), write("mixture_of_transformers")});
  std::set<std::string> pairs;
  for (const OrderedJson& comparison : json.at("comparisons"))
    pairs.insert(comparison["model"].get<std::string>() + " against " +
                 comparison["baseline"].get<std::string>());
  for (const char* text : {"Transformer against dense Mamba", "MoE-Mamba with 4 experts against dense Mamba",
                           "Transformer with 4 experts against Transformer"})
    EXPECT_TRUE(pairs.contains(text)) << text;
  const OrderedJson targets =
      json["panels"][0]["charts"][0].at("targets");  // Mamba's and the Transformer's final loss
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].at("matches").size(), 4u);
  EXPECT_EQ(targets[1].at("matches").size(), 2u);
}

TEST_F(BackbonesTest, EveryRunHasItsFinalLosses) {
  const OrderedJson json = page_of({write("mamba"), write("ssm", test::fake_mix())});
  const OrderedJson& loss = json.at("runs").at(1).at("losses").at(0);
  EXPECT_EQ(loss.at("modality"), "text");  // of foldoc
  double image = 0;
  for (const OrderedJson& each : json["runs"][1]["losses"])
    if (each["modality"] == "image") image = each["loss"].get<double>();
  EXPECT_NEAR(image, 0.1591, 5e-5);
}

TEST_F(BackbonesTest, TheUseOfExpertsIsSummedOverTheLastFifth) {
  const OrderedJson json = page_of({write("mamba"), write("mixture_of_mamba"), write("moe_mamba")});
  const OrderedJson& runs = json.at("runs");
  EXPECT_EQ(runs.at(0).at("weights"), "shared");
  EXPECT_EQ(runs.at(1).at("weights"), "modality");
  EXPECT_EQ(runs.at(2).at("weights"), "router");
  EXPECT_FALSE(runs[1].contains("experts"));
  const OrderedJson& experts = runs[2].at("experts");
  EXPECT_EQ(experts.at("first_step"), 361);
  EXPECT_EQ(experts.at("last_step"), 450);
  EXPECT_EQ(experts.at("dropped"), 0.125);
  EXPECT_EQ(experts.at("balance"), 1.25);
  EXPECT_NEAR(experts.at("entropy").get<double>(), 0.8, 1e-9);
  const OrderedJson& all = experts.at("shares").at(0);
  EXPECT_EQ(all.at("modality"), "all tokens");
  EXPECT_EQ(all.at("blocks").at(1).at("block"), 3);
  EXPECT_NEAR(all["blocks"][1].at("shares").at(3).get<double>(), 0.475, 1e-9);
  std::vector<std::string> titles;
  for (const OrderedJson& chart : json.at("experts").at("charts")) titles.push_back(chart["title"]);
  EXPECT_EQ(titles, (std::vector<std::string>{"Without a place", "Balance loss", "Router entropy"}));
  EXPECT_NEAR(json["experts"]["charts"][2]["series"][0]["fit"].back().get<double>(), 0.8, 1e-6);
}

TEST_F(BackbonesTest, IdleExpertsAreCounted) {
  test::FakeRun lonely;
  lonely.image_favoured = lonely.text_favoured = 1;
  const OrderedJson experts = page_of({write("moe_mamba", lonely)}).at("runs").at(0).at("experts");
  EXPECT_EQ(experts.at("idle"), 3);
  EXPECT_EQ(experts.at("in_all_blocks"), 8);
}

TEST_F(BackbonesTest, ExpertsThatChooseAreSaid) {
  test::FakeRun run;
  run.router = "expert_choice";
  const OrderedJson of_run = page_of({write("moe_mamba", run)}).at("runs").at(0);
  EXPECT_EQ(of_run.at("weights"), "experts choose");
  EXPECT_FALSE(of_run.at("experts").contains("balance"));
}

TEST_F(BackbonesTest, WithoutExpertsThereAreNoSuchCurves) {
  EXPECT_EQ(page_of({write("mamba"), write("mixture_of_mamba")}).at("experts"), nullptr);
}

TEST_F(BackbonesTest, WhatAStepCostsIsSaid) {
  test::FakeRun dear;
  dear.flops_per_step *= 1.3;
  const OrderedJson json = page_of({write("mamba"), write("transformer", dear)});
  EXPECT_EQ(json.at("comparisons").at(0).at("step_flops"),
            "Per step Transformer takes 1.30 x the FLOPs of dense Mamba.");
  EXPECT_TRUE(json["comparisons"][0].at("warnings").empty());
  EXPECT_TRUE(json.at("runs").at(0).at("parameters").contains("flops_per_token_by_term"));
}

TEST_F(BackbonesTest, RecipesSayWhatDiffers) {
  const OrderedJson recipes = page_of({write("mamba"), write("transformer")}).at("recipes").at(0);
  EXPECT_EQ(recipes.at("keys"), OrderedJson({"model.backbone"}));
  EXPECT_EQ(recipes.at("recipes").at(1).at("values"), OrderedJson({"transformer"}));
  EXPECT_NE(recipes["recipes"][0].at("text").get<std::string>().find("backbone"), std::string::npos);
}

TEST_F(ReportTest, APictureThatIsNoneIsAnError) {
  const Path path = test::write_fake_run(folder_.path() / "run", {});
  test::write_text(path / "samples" / "0-noised.png", "<svg/>");
  EXPECT_THROW(write_report({path}, folder_.path() / "r.html"), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "r.html"));
}

TEST(Media, Base64) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64(std::string("\xff\xfe\x00", 3)), "//4A");
}

TEST(Amounts, AnIntervalIsWrittenWhereItIsNotTheRange) {
  EXPECT_EQ(amount_json(compare::summarised({0.5}), "none").dump(), R"({"mean":0.5})");
  EXPECT_EQ(amount_json(compare::summarised({0.5, 0.25}), "none").dump(),
            R"({"mean":0.375,"values":[0.5,0.25]})");
  EXPECT_EQ(amount_json(compare::summarised({0.5, std::nullopt}), "none").dump(),
            R"({"words":"none","values":[0.5,null]})");
  EXPECT_TRUE(amount_json(compare::summarised({0.1, 0.2, 0.3, 0.4, 0.9}), "none").contains("interval"));
}

TEST(Commands, WordsForAShell) {
  EXPECT_EQ(shell_words({"mom", "runs/a-b.toml"}), "mom runs/a-b.toml");
  EXPECT_EQ(shell_words({"it's $HOME"}), "'it'\\''s $HOME'");
}

}  // namespace
}  // namespace mom::report
