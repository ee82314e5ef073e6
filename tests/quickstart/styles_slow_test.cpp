// The styles data on the real packages, where they are.
#include <gtest/gtest.h>

#include <map>
#include <set>

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

// Pairs that are held out have their concept in training, in another style, and no image of theirs; every caption names
// its style.
TEST(ShowcaseData, RecombinedPairsAreOfTrainedConcepts) {
  if (!texts_installed() || !emoji_installed() ||
      !all_there(
          {"usr/local/lib/node_modules/@twemoji/svg", "usr/local/lib/node_modules/@iconify-json/noto-v1"}))
    GTEST_SKIP() << "NOT TESTED: the packages of scripts/setup --with styles are not there";
  const Path folder = test_folder("showcase-data");
  make_quickstart({.out = folder / "data", .packages = {}, .replace = true, .setting = "showcase"});
  const auto counts = count_documents(folder / "data");
  EXPECT_EQ(counts.at("noto/train"), 1688u);
  EXPECT_FALSE(counts.contains("noto/recombined"));
  std::map<std::string, std::set<std::string>> sources_by_key;  // of split train
  std::vector<std::pair<std::string, std::string>> recombined;
  const data::DocumentReader reader(folder / "data");
  for (const auto& collection : reader.collections())
    reader.for_each(collection, [&](const data::Document& document) {
      if (document.segments.size() != 2) return;
      EXPECT_NE(document.segments[0].text.find(", "), std::string::npos) << document.key;
      if (collection.split == "train") sources_by_key[document.key].insert(collection.source);
      if (collection.split == "recombined") recombined.emplace_back(document.key, collection.source);
    });
  EXPECT_GT(recombined.size(), 300u);
  for (const auto& [key, source] : recombined) {
    EXPECT_FALSE(sources_by_key[key].contains(source)) << key << " " << source;
    EXPECT_FALSE(sources_by_key[key].empty()) << key;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mom::quickstart
