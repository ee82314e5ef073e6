#include "mom/report/report.h"

#include <gtest/gtest.h>

#include <regex>

#include "mom/base/error.h"
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
  const std::regex loads(
      R"re((src|href|action|poster|srcset)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?(https?:)?//|@import|<link|<iframe)re");
  EXPECT_FALSE(std::regex_search(html, loads));
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(html.find("sourceMappingURL"), std::string::npos);
  EXPECT_EQ(html.find("{{"),
            html.find("{{", html.find("<script>")));  // no name of the template is left before the scripts
}

TEST_F(ReportTest, ChartsParseBack) {
  const Json data = data_of(page({}, test::fake_mix()));
  EXPECT_EQ(data.at("runs"), Json({"dense Mamba", "Mixture-of-Mamba"}));
  ASSERT_EQ(data.at("charts").size(),
            7u);  // noto image, text; foldoc; text; noto overall; training image, text
  const Json& image = data["charts"][0];
  EXPECT_EQ(image.at("series").size(), 2u);
  EXPECT_EQ(image["series"][0]["raw"].size(), 19u);
  EXPECT_GT(image.at("matches").at(0).at("part").get<double>(), 0);
  EXPECT_EQ(data["charts"][6]["group"], "training");
}

TEST_F(ReportTest, TablesStandWithoutScripts) {
  const std::string html = page({}, test::fake_mix());
  const std::string before = html.substr(0, html.find("id=\"report-data\""));
  for (const char* text :
       {"Mixture-of-Mamba beats dense Mamba on image", "FLOPs to match", "<noscript>", "parameters, total",
        "7,903,104", "model.backbone", "mom train", "What the numbers mean"}) {
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
  for (size_t at = 0;
       (at = html.find("<img src=\"data:image/png;base64,iVBORw0KGgo", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 6u * 4u);  // original, noised and a picture a run, once for both runs
  EXPECT_EQ(html.find("<img src=\"", html.find("<img src=\"x")), std::string::npos);
}

TEST_F(ReportTest, OneRunHasAPageWithoutVerdict) {
  test::FakeRun run;
  run.pictures = run.parameters = run.environment = run.evaluation = false;
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
  EXPECT_NE(html.find("loses to dense Mamba on image"), std::string::npos);
  EXPECT_NE(html.find("not reached"), std::string::npos);
  EXPECT_NE(html.find("class=\"lost\""), std::string::npos);
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
