#include "mom/study/grid.h"

#include <gtest/gtest.h>

#include <set>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "tests/support/temp_folder.h"

namespace mom::study {
namespace {

const Known kKnownToGrid = {{"mamba", "mixture_of_mamba", "transformer"},
                            {"in_proj", "x_proj", "dt_proj", "out_proj"}};

class GridTest : public testing::Test {
 protected:
  StudyConfig load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    test::write_file(folder_ / "s.toml", text);
    return load_study(folder_ / "s.toml", overrides, kKnownToGrid);
  }
  Grid grid(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return expand(load(text, overrides), kKnownToGrid);
  }
  std::string error(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      grid(text, overrides);
    } catch (const UserError& problem) {
      return problem.what();
    }
    return "no error";
  }
  void expect_error(const std::string& part, const std::string& text,
                    const std::vector<std::string>& overrides = {}) {
    const std::string found = error(text, overrides);
    EXPECT_NE(found.find(part), std::string::npos) << "no '" << part << "' in: " << found;
  }
  test::TempFolder folder_;
};

std::vector<std::string> names(const Grid& grid) {
  std::vector<std::string> out;
  for (const Run& run : grid.runs) out.push_back(run.name);
  return out;
}

TEST_F(GridTest, AllOfTheFirstSeedFirst) {
  EXPECT_EQ(
      names(grid("recipes = ['a/x.toml', 'y.toml']\nseeds = [3, 1]")),
      (std::vector<std::string>{"x-mamba-3", "x-mixture_of_mamba-3", "y-mamba-3", "y-mixture_of_mamba-3",
                                "x-mamba-1", "x-mixture_of_mamba-1", "y-mamba-1", "y-mixture_of_mamba-1"}));
}

TEST_F(GridTest, TheGridsOwnOverridesAreLast) {
  const Grid one = grid(
      "recipes = ['x.toml']\nset = ['train.steps=5']\nbackbones = ['mamba']\n[[variant]]\nname = 's'\n"
      "set = ['model.d_model=32', 'train.steps=6']",
      {"train.steps=7"});
  EXPECT_EQ(names(one), (std::vector<std::string>{"x-s-mamba-1"}));
  EXPECT_EQ(one.runs[0].overrides,
            (std::vector<std::string>{"train.steps=5", "model.d_model=32", "train.steps=6", "train.steps=7",
                                      "model.backbone=mamba", "seed=1"}));
  EXPECT_EQ(one.runs[0].arguments({"train"})[1], "--set");
}

TEST_F(GridTest, ModelsBesideTheBackbonesComeWithTheirSettings) {
  const Grid one = grid(
      "recipes = ['x.toml']\nbackbones = ['mamba']\nset = ['model.d_model=8']\n[[model]]\nname = 'wide'\n"
      "set = ['model.backbone=mamba', 'model.d_model=32']");
  EXPECT_EQ(names(one), (std::vector<std::string>{"x-mamba-1", "x-wide-1"}));
  EXPECT_EQ(one.baseline, 0u);
  EXPECT_EQ(one.runs[1].overrides, (std::vector<std::string>{"model.d_model=8", "model.backbone=mamba",
                                                             "model.d_model=32", "seed=1"}));
  EXPECT_EQ(grid("recipes = ['x.toml']\nbaseline = 'wide'\n[[model]]\nname = 'wide'").baseline, 2u);
}

TEST_F(GridTest, SixteenSubsetsOnceEach) {
  const Grid all = grid("recipes = ['x.toml']\ndecoupled = 'all_subsets'");
  EXPECT_EQ(all.arms.size(), 16u);
  EXPECT_EQ(all.arms[0].name, "mamba");  // the empty one is dense Mamba, named among the backbones, too
  EXPECT_EQ(all.arms[1].name, "mixture_of_mamba-in_proj");
  EXPECT_EQ(all.arms[4].name, "mixture_of_mamba-out_proj");
  EXPECT_EQ(all.arms[15].name, "mixture_of_mamba");
  std::set<std::vector<std::string>> subsets;
  std::set<std::string> folders;
  for (const Arm& arm : all.arms) subsets.insert(arm.decoupled.value_or(std::vector<std::string>{}));
  for (const study::Run& run : all.runs) folders.insert(run.name);
  EXPECT_EQ(subsets.size(), 16u);
  EXPECT_EQ(folders.size(), 16u);
  EXPECT_FALSE(all.arms[0].decoupled.has_value());
  EXPECT_EQ(all.arms[15].decoupled, (std::vector<std::string>{"in_proj", "x_proj", "dt_proj", "out_proj"}));
  EXPECT_EQ(all.runs[1].overrides[1], "model.decoupled=[\"in_proj\"]");
}

TEST_F(GridTest, SubsetsMayBeListedInAnyOrderAndTwice) {
  const Grid some = grid(
      "recipes = ['x.toml']\nbackbones = ['mixture_of_mamba']\nbaseline = 'mixture_of_mamba'\n"
      "decoupled = ['out_proj+in_proj', 'in_proj+out_proj', 'all', 'in_proj+in_proj', 'all']");
  ASSERT_EQ(some.arms.size(), 3u);
  EXPECT_EQ(some.arms[0].name, "mixture_of_mamba-in_proj+out_proj");
  EXPECT_EQ(some.arms[1].name, "mixture_of_mamba");
  EXPECT_EQ(some.arms[2].name, "mixture_of_mamba-in_proj");
  EXPECT_EQ(some.baseline, 1u);
}

TEST_F(GridTest, DuplicatesAreRunOnce) {
  EXPECT_EQ(
      grid("recipes = ['x.toml', './x.toml']\nseeds = [1, 1]\nbackbones = ['mamba', 'mamba']").runs.size(),
      1u);
}

TEST_F(GridTest, SetChangesTheStudyOrGoesToEveryRecipe) {
  const std::string text = "recipes = ['x.toml']\nseeds = [1, 2, 3]";
  EXPECT_EQ(grid(text, {"seeds=[2]", "backbones=[\"mamba\"]"}).runs.size(), 1u);
  EXPECT_EQ(grid(text, {"data.path=/d"}).runs[5].overrides[0], "data.path=/d");
  EXPECT_EQ(grid(text, {"runs_at_once=2"}).runs.size(), 6u);
}

TEST_F(GridTest, WrongKeysAndValues) {
  const std::string recipes = "recipes = ['x.toml']\n";
  expect_error("s.toml:1: unknown key \"recipe\"; did you mean \"recipes\"?", "recipe = ['x.toml']");
  expect_error("did you mean \"seeds\"?", recipes, {"seed=1"});
  expect_error("did you mean \"mixture_of_mamba\"?", recipes + "backbones = ['mixture_of_mambo']");
  expect_error("did you mean \"x_proj\"?", recipes + "decoupled = ['x_prj']");
  expect_error("did you mean \"mamba\"?", recipes + "baseline = 'mambo'");
  expect_error("one of the models of the study", recipes + "baseline = 'transformer'");
  expect_error("at least one seed", recipes + "seeds = []");
  expect_error("at least one recipe", "title = 'x'");
  expect_error("a list of integers", recipes + "seeds = ['1']");
  expect_error("unknown key \"sets\"; did you mean \"set\"?", recipes + "[[variant]]\nname = 'a'\nsets = []");
  expect_error("\"a\" twice", recipes + "[[variant]]\nname = 'a'\n[[variant]]\nname = 'a'");
  expect_error("a name of letters", recipes + "[[variant]]\nname = '../a'");
  expect_error("use the study's `seeds`", recipes + "[[variant]]\nname = 'a'\nset = ['seed=3']");
  expect_error("use the study's `seeds`", recipes + "[[model]]\nname = 'a'\nset = ['seed=3']");
  expect_error("\"a\" twice", recipes + "[[model]]\nname = 'a'\n[[model]]\nname = 'a'");
  for (const char* taken : {"transformer", "mixture_of_mamba-in_proj"})
    expect_error("rename the model", recipes + "[[model]]\nname = '" + taken + "'");
  expect_error("use the study's `backbones`", recipes, {"model.backbone=mamba"});
  expect_error("use the study's `decoupled`", recipes + "decoupled = ['all']", {"model.decoupled=[]"});
  EXPECT_EQ(error(recipes, {"model.decoupled=[\"x_proj\"]"}), "no error");
  expect_error("x-mamba-1 twice", "recipes = ['x.toml', 'a/x.toml']");
}

TEST_F(GridTest, TheStudiesThatComeWithTheProgram) {
  const char* source = std::getenv("MOM_SOURCE");
  if (!source) GTEST_SKIP() << "NOT TESTED: MOM_SOURCE does not name the source tree (ctest sets it)";
  const Known all = {{"mamba", "mixture_of_mamba", "ssm", "transformer", "mixture_of_transformers",
                      "moe_transformer", "moe_mamba"},
                     kKnownToGrid.projections};
  for (const auto& [name, runs] :
       {std::pair("settings", 18u), {"decoupling", 32u}, {"backbones", 14u}, {"controls", 12u}}) {
    const Path file = Path(source) / "configs" / "studies" / (std::string(name) + ".toml");
    EXPECT_EQ(expand(load_study(file, {}, all), all).runs.size(), runs) << name;
  }
}

TEST_F(GridTest, DocsAreTheFieldLists) {
  const char* source = std::getenv("MOM_SOURCE");
  if (!source) GTEST_SKIP() << "NOT TESTED: MOM_SOURCE does not name the source tree (ctest sets it)";
  const std::string docs = read_file(Path(source) / "docs" / "study.md");
  StudyConfig study;
  config::Schema schema = study.schema(kKnownToGrid);
  for (const config::Field& field : schema.tables()[0].fields())
    EXPECT_NE(docs.find("`" + field.name() + "`"), std::string::npos) << field.name();
}

}  // namespace
}  // namespace mom::study
