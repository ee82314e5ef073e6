#include "mom/config/schema.h"

#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom::config {
namespace {

struct Recipe {
  std::string setting = "transfusion";
  int64_t seed = 1, steps = 100;
  double learning_rate = 1e-3, weight = 0.1;
  bool reset_state = true;
  std::string path;
  std::vector<std::string> decoupled = {"in_proj"};
  Weights mixture = {{"images", 0.5}};
  Integers sizes;
  Names parts;
  Schema schema;

  Recipe() {
    Table& root = schema.table("", "");
    root.field("setting", setting, "what is trained").one_of({"transfusion", "chameleon"});
    root.field("seed", seed, "of all draws").range(0, 9007199254740992);
    Table& train = schema.table("train", "the training loop");
    train.field("steps", steps, "optimizer steps").range(1, 1000000);
    train.field("learning_rate", learning_rate, "peak | learning rate").range(0, 10);
    train.field("weight", weight, "decay").at_least(0);
    Table& data = schema.table("data", "what is read");
    data.field("path", path, "encoded data");
    data.field("reset_state", reset_state, "at document borders");
    data.field("decoupled", decoupled, "projections").one_of({"in_proj", "x_proj", "out_proj"});
    data.field("mixture", mixture, "share by source").at_least(0);
    data.field("sizes", sizes, "by source").range(1, 64);
    data.field("parts", parts, "by source").one_of({"in_proj", "x_proj", "out_proj"});
  }
  Recipe(const Recipe&) = delete;

  std::string error_of(const std::string& text) {
    return test::message_of<UserError>([&] { load_toml_text(schema, text, "r.toml"); });
  }
  std::string override_error(const std::string& assignment) {
    return test::message_of<UserError>([&] { apply_override(schema, assignment); });
  }
};

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
}

TEST(Schema, LoadsAllTypes) {
  Recipe recipe;
  EXPECT_EQ(recipe.error_of(R"(
setting = "chameleon"
seed = 42
[train]
steps = 1_000
learning_rate = 2
[data]
path = 'C:\x'
reset_state = false
decoupled = ["x_proj", "out_proj"]
[data.mixture]
text = 0.25
"noto emoji" = 1
)"),
            "no error");
  EXPECT_EQ(recipe.setting, "chameleon");
  EXPECT_EQ(recipe.seed, 42);
  EXPECT_EQ(recipe.steps, 1000);
  EXPECT_EQ(recipe.learning_rate, 2.0);
  EXPECT_EQ(recipe.path, "C:\\x");
  EXPECT_FALSE(recipe.reset_state);
  EXPECT_EQ(recipe.decoupled, (std::vector<std::string>{"x_proj", "out_proj"}));
  EXPECT_EQ(recipe.mixture, (Weights{{"text", 0.25}, {"noto emoji", 1}}));
  EXPECT_TRUE(recipe.schema.was_set("train.steps"));
  EXPECT_FALSE(recipe.schema.was_set("train.weight"));
  EXPECT_EQ(recipe.weight, 0.1);
}

TEST(Schema, DumpLoadsBackToTheSameBits) {
  Recipe recipe;
  recipe.learning_rate = 0.1 + 0.2;
  recipe.weight = 1e22;
  recipe.seed = 9007199254740991;
  recipe.path = "tab\t quote\" back\\ newline\n bell\x07 del\x7f caf\xc3\xa9";
  recipe.decoupled = {};
  recipe.mixture = {{"a b", 5e-324}, {"dotted.key", 3}, {"", 1e300}, {"plain", 0}};
  const std::string text = dump_toml(recipe.schema);
  Recipe loaded;
  ASSERT_EQ(loaded.error_of(text), "no error") << text;
  EXPECT_EQ(loaded.learning_rate, recipe.learning_rate);
  EXPECT_EQ(loaded.weight, recipe.weight);
  EXPECT_EQ(loaded.seed, recipe.seed);
  EXPECT_EQ(loaded.path, recipe.path);
  EXPECT_EQ(loaded.decoupled, recipe.decoupled);
  EXPECT_EQ(loaded.mixture, recipe.mixture);
  EXPECT_EQ(dump_toml(loaded.schema), text);
  expect_has(text, "# the training loop\n[train]\nsteps = 100  # optimizer steps (1 to 1000000)\n");
}

TEST(Schema, UnknownKeysNameTheNearest) {
  Recipe recipe;
  EXPECT_EQ(recipe.error_of("\n[train]\n  stepps = 3"),
            "r.toml:3: unknown key \"train.stepps\"; did you mean \"train.steps\"?");
  EXPECT_EQ(recipe.error_of("sead = 3"), "r.toml:1: unknown key \"sead\"; did you mean \"seed\"?");
  EXPECT_EQ(recipe.error_of("[trian]\nsteps = 3"), "r.toml:1: unknown table [trian]; did you mean [train]?");
  EXPECT_EQ(recipe.error_of("[zzzzzzzz]\nq = 3"),
            "r.toml:1: unknown table [zzzzzzzz]; known tables are train, data");
  EXPECT_EQ(recipe.error_of("steps = 3"), "r.toml:1: unknown key \"steps\"; did you mean \"train.steps\"?");
  EXPECT_EQ(recipe.error_of("train = 3"),
            "r.toml:1: expected [train] as a table, found a single value; write its keys below [train]");
}

TEST(Schema, WrongTypesNameLineAndType) {
  Recipe recipe;
  EXPECT_EQ(recipe.error_of("seed = 1\n\n[train]\nsteps = 3.5"),
            "r.toml:4: steps: expected an integer, found 3.5");
  expect_has(recipe.error_of("[train]\nsteps = \"3\""), "r.toml:2: steps: expected an integer, found \"3\"");
  expect_has(recipe.error_of("setting = 3"), "expected a string, found 3");
  expect_has(recipe.error_of("[data]\nreset_state = 1"), "expected true or false, found 1");
  expect_has(recipe.error_of("[data]\ndecoupled = \"in_proj\""), "expected a list of strings");
  expect_has(recipe.error_of("[data]\ndecoupled = [1]"), "expected a list of strings");
  expect_has(recipe.error_of("[data]\nmixture = 3"), "expected a table of numbers");
  expect_has(recipe.error_of("[data]\nmixture = {a = \"x\"}"), "expected a table of numbers");
  expect_has(recipe.error_of("[train]\nsteps = 2020-01-01"),
             "r.toml:2: expected a number, string, list or table");
  EXPECT_EQ(recipe.steps, 100);
}

TEST(Schema, RangesChoicesAndFiniteness) {
  Recipe recipe;
  expect_has(recipe.error_of("[train]\nsteps = 0"), "r.toml:2: steps: expected 1 to 1000000, found 0");
  expect_has(recipe.error_of("[train]\nsteps = 1000001"), "expected 1 to 1000000");
  expect_has(recipe.error_of("[train]\nweight = -0.5"), "expected at least 0, found -0.5");
  for (const std::string value : {"nan", "inf", "-inf", "+nan"})
    expect_has(recipe.error_of("[train]\nlearning_rate = " + value), "expected a finite number");
  expect_has(recipe.error_of("[data]\nmixture = {a = nan}"), "expected a finite number");
  expect_has(recipe.error_of("[data]\nmixture = {a = -1}"), "expected at least 0");
  EXPECT_EQ(recipe.error_of("setting = \"chameleom\""),
            "r.toml:1: setting: expected one of transfusion, chameleon, found \"chameleom\"; did you mean "
            "\"chameleon\"?");
  expect_has(recipe.error_of("[data]\ndecoupled = [\"in_proj\", \"y_proj\"]"), "found \"y_proj\"");
  EXPECT_EQ(recipe.error_of("[train]\nsteps = 1\nlearning_rate = 10\nweight = 0"), "no error");
}

TEST(Schema, SyntaxErrorsNameTheLine) {
  Recipe recipe;
  expect_has(recipe.error_of("seed = 1\nsetting = \"x"), "r.toml:2: expected TOML, found ");
  expect_has(recipe.error_of("seed = 1\nseed = 2"), "r.toml:2: expected TOML, found ");
  const std::string one_line = recipe.error_of("a = [\n\n1,\n");
  EXPECT_EQ(one_line.find('\n'), std::string::npos);
}

TEST(Schema, LoadTomlNamesTheFile) {
  Recipe recipe;
  test::TempFolder folder;
  test::write_file(folder / "recipe.toml", "[train]\nsteps = 0\n");
  try {
    load_toml(recipe.schema, folder / "recipe.toml");
    FAIL();
  } catch (const UserError& error) {
    expect_has(error.what(), (folder / "recipe.toml").string() + ":2: ");
  }
  EXPECT_THROW(load_toml(recipe.schema, folder / "absent.toml"), InputError);
}

TEST(Schema, TablesOfIntegersAndOfStrings) {
  Recipe recipe;
  EXPECT_EQ(recipe.error_of("[data]\nsizes = {depth = 4, \"a b\" = 2.0}\nparts = {depth = \"x_proj\"}"),
            "no error");
  EXPECT_EQ(recipe.sizes, (Integers{{"depth", 4}, {"a b", 2}}));
  EXPECT_EQ(recipe.parts, (Names{{"depth", "x_proj"}}));
  Recipe again;
  const std::string text = dump_toml(recipe.schema);
  expect_has(text, "sizes = { \"a b\" = 2, depth = 4 }");
  EXPECT_EQ(again.error_of(text), "no error");
  EXPECT_EQ(again.sizes, recipe.sizes);
  EXPECT_EQ(again.parts, recipe.parts);
  expect_has(recipe.override_error("data.sizes={depth = 0.5}"), "expected a table of integers");
  expect_has(recipe.override_error("data.sizes={depth = 65}"), "expected 1 to 64, found 65");
  expect_has(recipe.override_error("data.sizes={depth = 1e300}"), "expected 1 to 64");
  expect_has(recipe.override_error("data.sizes={depth = nan}"), "sizes");
  expect_has(recipe.override_error("data.parts={depth = \"x_prj\"}"), "did you mean \"x_proj\"?");
  expect_has(recipe.override_error("data.parts={depth = 3}"), "expected a table of strings");
}

TEST(Schema, Overrides) {
  Recipe recipe;
  for (const std::string assignment :
       {"train.steps=200", "train.learning_rate = 3", "data.path=/tmp/a b", "seed=7", "setting=\"chameleon\"",
        "data.reset_state=false", "data.decoupled=[\"x_proj\"]", "data.mixture={text = 1, images = 2.5}"})
    EXPECT_EQ(recipe.override_error(assignment), "no error") << assignment;
  EXPECT_EQ(recipe.steps, 200);
  EXPECT_EQ(recipe.learning_rate, 3);
  EXPECT_EQ(recipe.path, "/tmp/a b");
  EXPECT_EQ(recipe.seed, 7);
  EXPECT_EQ(recipe.setting, "chameleon");
  EXPECT_FALSE(recipe.reset_state);
  EXPECT_EQ(recipe.decoupled, (std::vector<std::string>{"x_proj"}));
  EXPECT_EQ(recipe.mixture, (Weights{{"text", 1}, {"images", 2.5}}));
  EXPECT_EQ(recipe.override_error("data.path=true"),
            "no error");  // a string field takes bare words as they are
  EXPECT_EQ(recipe.path, "true");
  EXPECT_EQ(recipe.override_error("data.path="), "no error");
  EXPECT_EQ(recipe.path, "");

  expect_has(recipe.override_error("train.step=5"),
             "--set train.step=5: unknown key \"train.step\"; did you mean");
  expect_has(recipe.override_error("train.steps"), "expected table.key=value");
  expect_has(recipe.override_error("=5"), "expected table.key=value");
  expect_has(recipe.override_error("train.steps="), "expected integer in TOML form, found nothing");
  expect_has(recipe.override_error("train.steps=abc"), "expected integer in TOML form, found abc");
  expect_has(recipe.override_error("train.steps=5\nseed = 9"), "one line");
  expect_has(recipe.override_error("train.steps=0"), "--set train.steps=0: steps: expected 1 to 1000000");
  expect_has(recipe.override_error("data.path=\"unclosed"), "string in TOML form");
}

TEST(Schema, HelpComesFromTheSameList) {
  Recipe recipe;
  const std::string help = help_text(recipe.schema);
  expect_has(help, "  train.steps           integer (1 to 1000000), default 100    optimizer steps\n");
  expect_has(help,
             "  setting               string (one of transfusion, chameleon), default \"transfusion\"    "
             "what is trained\n");
  const std::string markdown = help_markdown(recipe.schema);
  expect_has(markdown,
             "### `[train]`\n\nthe training loop\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
  expect_has(markdown, "| `steps` | integer (1 to 1000000) | `100` | optimizer steps |\n");
  expect_has(markdown, "| peak \\| learning rate |");
}

TEST(Schema, MatricesAreRowsOfNumbers) {
  Matrix matrix;
  Schema schema;
  schema.table("", "").field("A", matrix, "the matrix");
  load_toml_text(schema, "\nA = [[1, 2.5],\n     [-3, 4e2], [0, 0]]", "m.toml");
  EXPECT_EQ(matrix, (Matrix{{1, 2.5, -3, 400, 0, 0}, 3, 2, false}));
  EXPECT_EQ(schema.find("A", "").set_at(), "m.toml:2");
  EXPECT_EQ(dump_toml(schema), "A = [[1.0, 2.5], [-3.0, 400.0], [0.0, 0.0]]  # the matrix\n");
  EXPECT_EQ(matrix_from_json(Json(matrix), ""), matrix);
  load_toml_text(schema, "A = [1, 2]", "m.toml");
  EXPECT_EQ(matrix_from_json(Json(matrix), ""), matrix);
  EXPECT_EQ(matrix, (Matrix{{1, 2}, 2, 1, true}));
  EXPECT_EQ(toml_matrix(matrix), "[1.0, 2.0]");
  load_toml_text(schema, "A = 7", "m.toml");
  EXPECT_EQ(matrix, (Matrix{{7}, 1, 1, true}));
}

TEST(Schema, WhatIsNoMatrixIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"A = [[1, 2], [3]]",
       "m.toml:1: A: expected a matrix: rows of numbers, e.g. [[1, 2], [3, 4]], found row 2 of "
       "length 1 below rows of length 2"},
      {"A = [[1], 2]", "found row 2 without brackets"},
      {"A = [[]]", "found row 1 without numbers"},
      {"A = []", "found an empty list"},
      {"A = [1, [2]]", "found a list where a number belongs"},
      {"A = [[1, \"x\"]]", "found \"x\""},
      {"A = true", "found true"},
      {"A = [[1, nan]]", "m.toml:1: A: expected a finite number, found nan"}};
  for (const auto& [text, words] : cases) {
    Matrix matrix;
    Schema schema;
    schema.table("", "").field("A", matrix, "");
    std::string message = "no error";
    try {
      load_toml_text(schema, text, "m.toml");
    } catch (const UserError& error) {
      message = error.what();
    }
    expect_has(message, words);
    EXPECT_TRUE(matrix.values.empty()) << text;
  }
}

TEST(Schema, ListsOfIntegersAndOfTables) {
  std::vector<int64_t> seeds;
  std::vector<std::string> words;
  std::vector<NamedSettings> variants;
  Schema schema;
  Table& root = schema.table("", "");
  root.field("seeds", seeds, "one or more").range(0, 9);
  root.field("words", words, "one or more").or_one();
  root.field("variant", variants, "named");
  load_toml_text(
      schema,
      "seeds = [3, 1]\nwords = 'a'\n[[variant]]\nname = 'z'\nset = ['a.b=1']\n[[variant]]\nname = 'y'",
      "s.toml");
  EXPECT_EQ(seeds, (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(words, (std::vector<std::string>{"a"}));
  ASSERT_EQ(variants.size(), 2u);
  EXPECT_EQ(variants[0].name, "z");
  EXPECT_EQ(variants[0].set, (std::vector<std::string>{"a.b=1"}));
  const std::string text = dump_toml(schema);
  load_toml_text(schema, text, "again");
  EXPECT_EQ(dump_toml(schema), text);
  const auto error = [&](const std::string& toml) {
    try {
      load_toml_text(schema, toml, "s.toml");
    } catch (const UserError& problem) {
      return std::string(problem.what());
    }
    return std::string("no error");
  };
  expect_has(error("seeds = [1, 10]"), "s.toml:1: seeds: expected 0 to 9, found 10");
  expect_has(error("seeds = [1.5]"), "expected a list of integers, found [1.5]");
  expect_has(error("seeds = 1"), "expected a list of integers, found 1");
  expect_has(error("words = 1"), "expected a list of strings");
  expect_has(error("[[variant]]\nname = 'a'\nsett = []"), "unknown key \"sett\"; did you mean \"set\"?");
  expect_has(error("[[variant]]\nset = []"), "variant: name: expected a string, found null");
  expect_has(error("variant = ['a']"), "expected a table with name and set, found \"a\"");
}

}  // namespace
}  // namespace mom::config
