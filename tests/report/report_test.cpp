#include "mom/report/report.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "mom/base/error.h"
#include "mom/report/expert_use.h"
#include "mom/report/html.h"
#include "tests/support/fake_runs.h"

namespace mom::report {
namespace {

constexpr const char* kHostile =
    "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\"> & more";

class ReportTest : public testing::Test {
 protected:
  std::string page(const test::FakeRun& dense, const test::FakeRun& mix) {
    test::write_fake_run(folder_.path() / "runs" / "dense", dense);
    test::write_fake_run(folder_.path() / "runs" / "mom", mix);
    write_report({folder_.path() / "runs"}, folder_.path() / "report.html");
    return read_file(folder_.path() / "report.html");
  }
  static Json data_of(const std::string& html) {
    const std::string open = "id=\"report-data\">";
    const size_t begin = html.find(open) + open.size();
    return parse_json(html.substr(begin, html.find("</script>", begin) - begin), "report data");
  }
  test::TempFolder folder_;
};

TEST_F(ReportTest, LoadsNothing) {
  const std::string html = page({}, test::fake_mix());
  EXPECT_EQ(html.find("id=\"generation\""), std::string::npos);  // none of these runs has any
  const std::regex loads(
      R"re((src|href|action|poster|srcset)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?(https?:)?//|@import|<link|<iframe)re");
  EXPECT_FALSE(std::regex_search(html, loads));
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(html.find("sourceMappingURL"), std::string::npos);
  EXPECT_EQ(html.find("{{"),
            html.find("{{", html.find("<script>")));  // no name of the template is left before the scripts
}

TEST_F(ReportTest, ChartsParseBack) {
  const Json data = data_of(page({}, test::fake_mix()))["panels"].at(0);
  EXPECT_EQ(data.at("runs"), Json({"dense Mamba", "Mixture-of-Mamba"}));
  ASSERT_EQ(data.at("charts").size(),
            7u);  // noto image, text; foldoc; text; noto overall; training image, text
  const Json& image = data["charts"][0];
  EXPECT_EQ(image.at("series").size(), 2u);
  EXPECT_EQ(image["series"][0]["raw"].size(), 19u);
  EXPECT_EQ(image.at("targets").at(0).at("run"), 0);
  EXPECT_GT(image["targets"][0].at("matches").at(0).at("part").get<double>(), 0);
  EXPECT_EQ(data["charts"][6]["group"], "training");
}

TEST_F(ReportTest, TablesStandWithoutScripts) {
  const std::string html = page({}, test::fake_mix());
  const std::string before = html.substr(0, html.find("id=\"report-data\""));
  for (const char* text :
       {"Mixture-of-Mamba against dense Mamba", "image better", "FLOPs to match", "<noscript>",
        "parameters, total", "7,903,104", "model.backbone", "mom train", "What the numbers mean"}) {
    EXPECT_NE(before.find(text), std::string::npos) << text;
  }
}

TEST_F(ReportTest, HostileCaptionsStayText) {
  test::FakeRun dense, mix = test::fake_mix();
  dense.caption = mix.caption = kHostile;
  const std::string html = page(dense, mix);
  EXPECT_EQ(html.find("alert('2')"), std::string::npos);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_NE(html.find("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x "
                      "onerror=&quot;alert(&#39;2&#39;)&quot;&gt; &amp; more"),
            std::string::npos);
}

TEST(ScriptJson, LeavesNothingThatEndsAScript) {
  const OrderedJson value = {{"caption", kHostile}, {"bad", "\xff"}};
  const std::string text = script_json(value);
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(parse_json(text, "t").at("caption"), kHostile);
}

TEST_F(ReportTest, PicturesAreInside) {
  const std::string html = page({}, test::fake_mix());
  size_t count = 0;
  for (size_t at = 0; (at = html.find("<img src=\"data:image/webp;base64,UklGR", at)) != std::string::npos;
       ++at)
    ++count;
  EXPECT_EQ(count, 6u * 4u);  // original, noised and a picture a run, once for both runs
  EXPECT_EQ(html.find("<img src=\"", html.find("<img src=\"x")), std::string::npos);
}

TEST_F(ReportTest, WhatWasGeneratedIsShownWithItsFigures) {
  test::FakeRun dense, mix = test::fake_mix();
  dense.generation = mix.generation = true;
  dense.images = mix.images = false;
  dense.caption = mix.caption = kHostile;
  const std::string html = page(dense, mix);
  const size_t begin = html.find("<section id=\"generation\">");
  ASSERT_NE(begin, std::string::npos);
  const std::string section = html.substr(begin, html.find("</section>", begin) - begin);
  for (const char* text : {"trained captions",
                           "unseen concepts",
                           "50.0%",
                           "56.2%",
                           "45.0% to 55.0%",
                           "in real ones 81.2%",
                           "in real ones 31.2%:<br>the probe does not see enough to judge these",
                           "0.375 &plusmn; 0.016",
                           "0.250 &plusmn; 0.016",
                           "training images 0.031",
                           "9.4%",
                           "of real ones 6.2%",
                           "1.62 &times;",
                           "3.3 &plusmn; 0.2%",
                           "t 400 to 600: 6.6 &plusmn; 0.4%",
                           "15.0%",
                           "2.125",
                           "1.625",
                           "image (noto)",
                           "among 20",
                           "asked 2",
                           "a row"})
    EXPECT_NE(section.find(text), std::string::npos) << text;
  EXPECT_EQ(section.find("8.8%"), std::string::npos);  // by likelihood alone: not what is shown
  EXPECT_EQ(section.find("chet"), std::string::npos);  // nothing that older runs have
  EXPECT_EQ(section.find("<script>"), std::string::npos);
  size_t count = 0;
  for (size_t at = 0; (at = section.find("<img", at)) != std::string::npos; ++at) ++count;
  // Of two buckets: real; generated and nearest of each run, once for both runs. And two rows of seeds of each run.
  EXPECT_EQ(count, 2u * 3u * 5u + 2u * 2u);
}

TEST_F(ReportTest, WhatAnOlderVersionMeasuredIsShownBesideIt) {
  test::FakeRun older, newer = test::fake_mix();
  newer.generation = true;
  const Path first = test::write_fake_run(folder_.path() / "older", older),
             second = test::write_fake_run(folder_.path() / "newer", newer);
  test::write_older_generation(first / "generation", older);
  write_report({first, second}, folder_.path() / "report.html");
  const std::string html = read_file(folder_.path() / "report.html");
  for (const char* text : {"3.250", "0.4375", "1.38 &times;", "a linear one", "a row"})
    EXPECT_NE(html.find(text), std::string::npos) << text;
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
  const std::string html = read_file(folder_.path() / "one.html");
  EXPECT_NE(html.find("No verdict"), std::string::npos);
  EXPECT_NE(html.find("alone lacks parameters.json"), std::string::npos);
  EXPECT_NE(html.find("alone lacks samples/"), std::string::npos);
}

TEST_F(ReportTest, ALossIsCalledALoss) {
  test::FakeRun worse = test::fake_mix();
  worse.image_floor = 0.2;
  const std::string html = page({}, worse);
  EXPECT_NE(html.find("image worse"), std::string::npos);
  EXPECT_NE(html.find("not reached"), std::string::npos);
  EXPECT_NE(html.find("class=\"gain worse\""), std::string::npos);
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
  std::string page_of(const std::vector<Path>& runs) {
    write_report(runs, folder_.path() / "report.html");
    return read_file(folder_.path() / "report.html");
  }
  // The page without the numbers and scripts behind its charts.
  static std::string words_of(const std::string& html) {
    return html.substr(0, html.find("id=\"report-data\""));
  }
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

TEST_F(BackbonesTest, RunsDifferInColourAndAreNamed) {
  const std::string html =
      page_of({write("mamba"), write("transformer"), write("ssm"), write("mixture_of_mamba"),
               write("moe_mamba"), write("moe_transformer"), write("mixture_of_transformers")});
  const std::string words = words_of(html);
  for (int run = 0; run < 7; ++run)
    EXPECT_NE(words.find("swatch c" + std::to_string(run) + " s" + std::to_string(run) + "\""),
              std::string::npos)
        << run;
  for (const char* text :
       {"All runs", "Transformer against dense Mamba", "MoE-Mamba with 4 experts against dense Mamba",
        "Transformer with 4 experts against Transformer"})
    EXPECT_NE(words.find(text), std::string::npos) << text;
  EXPECT_EQ(words.find("No verdict"), std::string::npos);
  const Json targets =
      data_of(html)["panels"][0]["charts"][0].at("targets");  // Mamba's and the Transformer's final loss
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].at("matches").size(), 4u);
  EXPECT_EQ(targets[1].at("matches").size(), 2u);
}

TEST_F(BackbonesTest, TheLowestLossOfARowIsSaid) {
  test::FakeRun low = test::fake_mix();
  const std::string words = words_of(page_of({write("mamba"), write("transformer"), write("ssm", low)}));
  const size_t row = words.find("<b>image</b>");
  EXPECT_NE(words.substr(row, words.find("</tr>", row) - row).find("<b>0.1591</b> <small>lowest</small>"),
            std::string::npos)
      << words.substr(row, 600);
}

TEST_F(BackbonesTest, TheUseOfExpertsIsShown) {
  const std::string html = page_of({write("mamba"), write("mixture_of_mamba"), write("moe_mamba")});
  const std::string words = words_of(html);
  const std::string section = words.substr(words.find("id=\"experts\""));
  for (const char* text :
       {"Steps 361 to 450",
        "47.5% of the choices of all tokens (expert 3 of block 3), 1.90 times an even share",
        "70.0% of those of image tokens (expert 3 of block 3), 2.80 times", "25.0% of those of text tokens",
        "12.5% of the choices find their expert full", "entropy is 80.0% of log 4", "Balance loss 1.250",
        "the token&rsquo;s modality", "<caption>all tokens</caption>", "<caption>image</caption>",
        "<caption>text</caption>", "scope=\"colgroup\"", "<b>70.0%</b>"})
    EXPECT_NE(section.find(text), std::string::npos) << text;
  const Json data = data_of(html)["experts"];
  std::vector<std::string> titles;
  for (const Json& chart : data.at("charts")) {
    if (chart["group"] == "experts") titles.push_back(chart["title"]);
    if (chart["title"] == "Router entropy") {
      EXPECT_NEAR(chart["series"][0]["fit"].back().get<double>(), 0.8, 1e-9);
    }
  }
  EXPECT_EQ(titles, (std::vector<std::string>{"Without a place", "Balance loss", "Router entropy"}));
}

TEST_F(BackbonesTest, IdleExpertsAreCounted) {
  test::FakeRun lonely;
  lonely.image_favoured = lonely.text_favoured = 1;
  const std::string words = words_of(page_of({write("moe_mamba", lonely)}));
  EXPECT_NE(words.find("3 of the 8 experts get less than a tenth of an even share"), std::string::npos);
}

TEST_F(BackbonesTest, AModalityThatChoseNothingHasNoBusiestExpert) {
  const ExpertShares none{"speech", {{1, {0, 0}}}};
  EXPECT_FALSE(busiest(none).has_value());
  const auto most = busiest({"text", {{1, {0.5, 0.5}}, {3, {0.25, 0.75}}}});
  EXPECT_EQ(most->block, 3);
  EXPECT_EQ(most->expert, 1);
  EXPECT_EQ(most->times_even, 1.5);
}

TEST_F(BackbonesTest, ExpertsThatChooseLeaveTokensOut) {
  test::FakeRun run;
  run.router = "expert_choice";
  const std::string words = words_of(page_of({write("moe_mamba", run)}));
  EXPECT_NE(words.find("12.5% of the tokens are taken by no expert"), std::string::npos);
  EXPECT_NE(words.find("the experts, by a router"), std::string::npos);
  EXPECT_NE(
      words.find("Each expert chooses equally many tokens. The busiest expert takes 70.0% of the choices of "
                 "image tokens"),
      std::string::npos);
  EXPECT_EQ(words.find("Balance loss 1"), std::string::npos);
}

TEST_F(BackbonesTest, WithoutExpertsThereIsNoSuchSection) {
  const std::string words = words_of(page_of({write("mamba"), write("mixture_of_mamba")}));
  EXPECT_EQ(words.find("id=\"experts\""), std::string::npos);
}

TEST_F(BackbonesTest, CostsAreShown) {
  test::FakeRun dear;
  dear.flops_per_step *= 1.3;
  const std::string words = words_of(page_of({write("mamba"), write("transformer", dear)}));
  for (const char* text : {"228 KiB", "longest sequence, tokens", "state space",
                           "<td data-label=\"projections\">80.0%", "<td data-label=\"state space\">20.0%",
                           "10.65 M", "Per step Transformer takes 1.30 x the FLOPs of dense Mamba."})
    EXPECT_NE(words.find(text), std::string::npos) << text;
  EXPECT_EQ(words.find("data-label=\"router\""), std::string::npos);  // costs nothing in these runs
  EXPECT_EQ(words.find("Not a clean comparison"), std::string::npos);
}

TEST_F(ReportTest, APictureThatIsNoneIsAnError) {
  const Path path = test::write_fake_run(folder_.path() / "run", {});
  test::write_text(path / "samples" / "0-noised.png", "<svg/>");
  EXPECT_THROW(write_report({path}, folder_.path() / "r.html"), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "r.html"));
}

TEST(Html, Base64) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(std::string("\xff\xfe\x00", 3)), "//4A");
}

TEST(Html, TemplateIsFilledInOnePass) {
  EXPECT_EQ(fill_template("a{{x}}b", {{"x", "{{y}}"}}), "a{{y}}b");
  EXPECT_THROW(fill_template("{{z}}", {}), std::logic_error);
}

TEST(Html, ShellWords) {
  EXPECT_EQ(shell_word("runs/a-b.toml"), "runs/a-b.toml");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
}

}  // namespace
}  // namespace mom::report
