// The styles data on the real packages, where they are.
#include <gtest/gtest.h>

#include <map>

#include "mom/quickstart/quickstart.h"
#include "tests/quickstart/support.h"

namespace mom::quickstart {
namespace {

// Every image has its twins of other styles in the same split.
TEST(StylesData, SplitsAreByConceptInEveryStyle) {
  if (!texts_installed() || !emoji_installed() ||
      !all_there(
          {"usr/local/lib/node_modules/@twemoji/svg", "usr/local/lib/node_modules/@lobehub/fluent-emoji-3d"}))
    GTEST_SKIP() << "NOT TESTED: the packages of scripts/setup --with styles are not there";
  const Path folder = test_folder("styles-data");
  make_quickstart({.out = folder / "data", .packages = {}, .replace = true, .setting = "styles"});
  const auto counts = count_documents(folder / "data");
  EXPECT_EQ(counts.at("noto/train"), 3303u);
  EXPECT_EQ(counts.at("twemoji/train"), 3302u);
  EXPECT_EQ(counts.at("fluent/validation"), 197u);
  EXPECT_FALSE(counts.contains("fluent/train"));
  std::map<std::string, std::string> split_by_key;
  const data::DocumentReader reader(folder / "data");
  for (const auto& collection : reader.collections()) {
    if (collection.source != "noto" && collection.source != "twemoji" && collection.source != "fluent")
      continue;
    reader.for_each(collection, [&](const data::Document& document) {
      const auto [known, added] = split_by_key.try_emplace(document.key, collection.split);
      EXPECT_EQ(known->second, collection.split) << document.key;
    });
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mom::quickstart
