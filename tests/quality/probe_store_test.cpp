#include "mom/quality/probe_store.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/quality/grid.h"
#include "tests/support/tiny_data.h"

namespace mom::quality {
namespace {

std::vector<Path> probes_in(const Path& folder) {
  std::vector<Path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("caption-probe-")) found.push_back(entry.path());
  return found;
}

TEST(ProbeOf, IsTrainedOnceForWhatItDependsOn) {
  const test::TempFolder folder;
  const data::EncodedDataset dataset = data::open_encoded(test::make_tiny_encoded(folder / "data"));
  models::ModelSpec spec;
  spec.vocabulary = dataset.vocabulary;
  spec.modalities = dataset.modalities();
  const generate::ModelCodecs codecs(spec, dataset.folder / "codecs", {});
  std::vector<Pair> train = pairs_of(dataset, train::Recipe(), "train", "image");
  const ProbeOptions options{3, 8, 8, 1};
  const TrainedProbe first = probe_of(folder.path(), train, codecs, options);
  ASSERT_EQ(probes_in(folder.path()).size(), 1u);
  EXPECT_EQ(first.features_NF.size(0), 20);
  EXPECT_EQ(first.aside.size(), 2u);
  const auto written = std::filesystem::last_write_time(probes_in(folder.path())[0]);
  const TrainedProbe second = probe_of(folder.path(), train, codecs, options);
  EXPECT_EQ(std::filesystem::last_write_time(probes_in(folder.path())[0]), written);
  EXPECT_TRUE(torch::equal(first.features_NF, second.features_NF));
  EXPECT_TRUE(torch::equal(first.thumbnails_NP, second.thumbnails_NP));
  EXPECT_EQ(first.aside, second.aside);
  EXPECT_TRUE(torch::equal(first.probe.encode({{"red"}}), second.probe.encode({{"red"}})));

  // One bit of a thumbnail, which nothing else would notice.
  std::string bytes = read_file(probes_in(folder.path())[0]);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  test::write_file(probes_in(folder.path())[0], bytes);
  try {
    probe_of(folder.path(), train, codecs, options);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("checksum differs"), std::string::npos) << error.what();
  }
  test::write_file(probes_in(folder.path())[0], "no probe");
  EXPECT_THROW(probe_of(folder.path(), train, codecs, options), InputError);
  std::swap(train[0].caption, train[1].caption);
  probe_of(folder.path(), train, codecs, options);
  EXPECT_EQ(probes_in(folder.path()).size(), 2u);
}

// 900 images of 500 concepts, of which 400 have two.
TEST(SetAside, IsATenthOfWhatHasAnotherImage) {
  std::vector<Words> concepts;
  for (int i = 0; i < 900; ++i) concepts.push_back({"concept" + std::to_string(i % 500)});
  const std::vector<size_t> aside = set_aside(concepts);
  EXPECT_EQ(aside.size(), 80u);
  EXPECT_TRUE(std::is_sorted(aside.begin(), aside.end()));
  for (const size_t i : aside) EXPECT_LT(i % 500, 400u);
  EXPECT_EQ(aside, set_aside(concepts));
  // Each concept once: of all.
  concepts.resize(500);
  EXPECT_EQ(set_aside(concepts).size(), 50u);
  concepts.resize(5);
  EXPECT_EQ(set_aside(concepts).size(), 2u);
}

TEST(ConceptsOf, AreCaptionsWithoutTheNameOfTheirStyle) {
  std::vector<Pair> pairs(4);
  pairs[0].source = pairs[1].source = "flat";
  pairs[2].source = pairs[3].source = "round";
  const std::vector<Words> captions = {
      {"flat", "red", "apple"}, {"flat", "tree"}, {"apple", "round", "red"}, {"round"}};
  const std::vector<Words> concepts = concepts_of(pairs, captions);
  EXPECT_EQ(concepts[0], (Words{"apple", "red"}));
  EXPECT_EQ(concepts[0], concepts[2]);
  EXPECT_NE(concepts[0], concepts[1]);
}

TEST(GridRows, AreSixteenDifferentCaptionsFromAllBuckets) {
  const auto bucket = [](const std::string& name, int32_t first, int32_t count) {
    Bucket made{name, {}};
    for (int32_t i = 0; i < 2 * count; ++i)
      made.pairs.push_back({i < count ? "a" : "b", {first + i % count}, {}});
    return made;
  };
  const std::vector<Bucket> buckets = {bucket(kTrained, 0, 100), bucket(kRecombined, 50, 60),
                                       bucket(kUnseen, 200, 3)};
  const std::vector<GridRow> rows = grid_rows(buckets);
  std::set<std::vector<int32_t>> captions;
  std::map<std::string, int> of_bucket;
  for (const GridRow& row : rows) {
    captions.insert(row.pair->caption);
    ++of_bucket[row.bucket];
  }
  EXPECT_EQ(captions.size(), rows.size());
  EXPECT_EQ(of_bucket, (std::map<std::string, int>{{kTrained, 5}, {kRecombined, 5}, {kUnseen, 3}}));
  EXPECT_EQ(rows[1].pair->caption, grid_rows(buckets)[1].pair->caption);
  EXPECT_EQ(grid_rows({buckets[0]}).size(), 16u);
}

}  // namespace
}  // namespace mom::quality
