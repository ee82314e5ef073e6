// Packing and order: what a batch holds, which positions are learned, and that a position resumes exactly.
#include "mom/data/loader.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"
#include "tests/support/tiny_data.h"

namespace mom {
namespace {

using codecs::special::kBoi;
using codecs::special::kBos;

class LoaderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    dataset_ = std::make_shared<data::EncodedDataset>(
        data::open_encoded(test::make_tiny_encoded(folder_->path() / "tiny")));
  }
  static void TearDownTestSuite() {
    dataset_.reset();
    delete folder_;
  }
  static data::DataConfig config() {
    data::DataConfig config;
    config.sequence_tokens = 128;
    config.batch_tokens = 512;
    config.mixture = {{"shapes", 0.5}, {"words", 0.5}};
    return config;
  }
  static data::Loader loader(uint64_t seed = 1) { return data::Loader(dataset_, config(), 2, seed); }
  static bool same(const data::Batch& a, const data::Batch& b) {
    return torch::equal(a.tokens_T, b.tokens_T) && torch::equal(a.routing.order_T, b.routing.order_T) &&
           torch::equal(a.routing.offsets_S1, b.routing.offsets_S1) &&
           torch::equal(a.target_rows_R, b.target_rows_R) && torch::equal(a.target_ids_R, b.target_ids_R) &&
           torch::equal(a.latents_ICHW, b.latents_ICHW) && a.noise_key == b.noise_key;
  }
  static test::TempFolder* folder_;
  static std::shared_ptr<data::EncodedDataset> dataset_;
};
test::TempFolder* LoaderTest::folder_ = nullptr;
std::shared_ptr<data::EncodedDataset> LoaderTest::dataset_;

TEST_F(LoaderTest, SameSeedSameBatchesOtherSeedOthers) {
  data::Loader a = loader(), b = loader(), c = loader(2);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const auto x = a.next(1), y = b.next(1), z = c.next(1);
    EXPECT_TRUE(same(x[0], y[0]));
    differs |= !same(x[0], z[0]);
  }
  EXPECT_TRUE(differs);
}

TEST_F(LoaderTest, ResumesExactlyAnywhere) {
  for (int cut : {0, 1, 3, 17}) {
    data::Loader whole = loader(), resumed = loader();
    for (int i = 0; i < cut; ++i) whole.next(2);
    resumed.restore(parse_json(whole.state().dump(), "state"));
    for (int i = 0; i < 12; ++i) {
      const auto x = whole.next(2), y = resumed.next(2);
      ASSERT_TRUE(same(x[0], y[0]) && same(x[1], y[1])) << "cut " << cut << " batch " << i;
    }
  }
}

TEST_F(LoaderTest, KeepsTheMixture) {
  data::DataConfig uneven = config();
  uneven.mixture = {{"shapes", 0.75}, {"words", 0.25}};
  data::Loader loader(dataset_, uneven, 2, 1);
  for (int i = 0; i < 40; ++i) loader.next(1);
  const Json sources = loader.state()["sources"];
  const double shapes = sources["shapes"]["tokens"].get<double>(),
               words = sources["words"]["tokens"].get<double>();
  EXPECT_NEAR(shapes / (shapes + words), 0.75, 0.02);
  uneven.mixture = {{"shape", 1.0}};
  EXPECT_THROW(data::Loader(dataset_, uneven, 2, 1), UserError);
}

TEST_F(LoaderTest, PicturesAreWholeAndTargetsFollowTheRules) {
  data::Loader source = loader();
  for (int i = 0; i < 30; ++i) {
    const data::Batch batch = source.next(1)[0];
    const int64_t num_tokens = batch.routing.num_tokens(), num_text = batch.routing.group_size(0);
    EXPECT_LE(num_tokens, 512);
    EXPECT_EQ(batch.num_images() * 16, batch.routing.group_size(1));
    // Back to sequence order.
    const at::Tensor tokens = batch.tokens_T.index_select(0, batch.routing.order_T);
    const at::Tensor is_image = batch.routing.order_T >= num_text;
    std::vector<int64_t> target(static_cast<size_t>(num_tokens), -1);
    for (int64_t r = 0; r < batch.target_rows_R.size(0); ++r)
      target[static_cast<size_t>(batch.target_rows_R[r].item<int64_t>())] =
          batch.target_ids_R[r].item<int64_t>();
    for (int64_t t = 0; t < num_tokens; ++t) {
      const int64_t row = batch.routing.order_T[t].item<int64_t>();
      const bool last = t + 1 == num_tokens || tokens[t + 1].item<int64_t>() == kBos;
      const bool silent = is_image[t].item<bool>() || tokens[t].item<int64_t>() == kBoi;
      const bool ends = (batch.routing.offsets_S1 == t + 1).sum().item<int64_t>() != 0;
      if (silent) {
        EXPECT_EQ(target[static_cast<size_t>(row)], -1);
      } else if (!last && !ends) {
        EXPECT_EQ(target[static_cast<size_t>(row)], tokens[t + 1].item<int64_t>());
      }
    }
  }
}

TEST_F(LoaderTest, StateIsResetAtDocumentsOrFlows) {
  data::DataConfig flowing = config();
  flowing.reset_state = false;
  data::Loader resets = loader(), flows(dataset_, flowing, 2, 1);
  const data::Batch a = resets.next(1)[0], b = flows.next(1)[0];
  EXPECT_TRUE(torch::equal(a.tokens_T, b.tokens_T));
  EXPECT_EQ(b.routing.num_sequences(), 4);
  EXPECT_GT(a.routing.num_sequences(), 4);
}

TEST_F(LoaderTest, CaptionComesFirstAsOftenAsTold) {
  data::LayOutOptions options = data::layout_options(*dataset_, config(), 2);
  const auto views = data::sources_of(*dataset_, "train");
  const auto& [shard, document] = views[0].documents[0];
  ASSERT_EQ(views[0].source, "shapes");
  int first = 0;
  std::set<size_t> lengths;
  for (uint64_t i = 0; i < 2000; ++i) {
    const data::LaidOut out = data::lay_out(*shard, document, options, RandomStream(stream_key({i})));
    first += out.positions[1].token != kBoi;
    lengths.insert(out.positions.size());
  }
  EXPECT_NEAR(first / 2000.0, 0.8, 0.03);
  EXPECT_GE(lengths.size(), 3u);  // keywords are drawn anew
}

TEST_F(LoaderTest, HeldOutBatchesHoldEveryDocumentOnce) {
  const auto batches = data::held_out_batches(*dataset_, "shapes", "validation", config(), 2, 0);
  int64_t pictures = 0;
  for (const auto& batch : batches) pictures += batch.num_images();
  EXPECT_EQ(pictures, 4);
  const auto again = data::held_out_batches(*dataset_, "shapes", "validation", config(), 2, 0);
  for (size_t i = 0; i < batches.size(); ++i) EXPECT_TRUE(same(batches[i], again[i]));
}

TEST_F(LoaderTest, ATooShortSequenceIsSaid) {
  data::DataConfig small = config();
  small.sequence_tokens = 16;
  small.batch_tokens = 64;
  data::Loader loader(dataset_, small, 2, 1);
  EXPECT_THROW(
      {
        for (int i = 0; i < 50; ++i) loader.next(1);
      },
      UserError);
}

}  // namespace
}  // namespace mom
