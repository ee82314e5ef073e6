// Packing and order: what a batch holds, which positions are learned, and that a position resumes exactly.
#include "mom/data/loader.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <map>
#include <set>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"
#include "tests/support/code_segments.h"
#include "tests/support/tiny_data.h"

namespace mom {
namespace {

using modality::special::kBoi;
using modality::special::kBos;

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
    config.condition_drop = 0;
    config.mixture = {{"shapes", 0.5}, {"words", 0.5}};
    return config;
  }
  static data::Loader loader(uint64_t seed = 1) { return data::Loader(dataset_, config(), 2, seed); }
  static bool same(const data::Batch& a, const data::Batch& b) {
    return torch::equal(a.tokens_T, b.tokens_T) && torch::equal(a.routing.order_T, b.routing.order_T) &&
           torch::equal(a.routing.offsets_S1, b.routing.offsets_S1) &&
           torch::equal(a.target_rows_R, b.target_rows_R) && torch::equal(a.target_ids_R, b.target_ids_R) &&
           torch::equal(a.items[0].latents_ICHW, b.items[0].latents_ICHW) && a.noise_key == b.noise_key;
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

TEST_F(LoaderTest, AnImageIsFirstWhereTextFollowsAndNoneComesBefore) {
  data::DataConfig pairs = config();
  pairs.mixture = {{"shapes", 1}};
  pairs.condition_drop = 0.3;
  for (const double caption_first : {0.0, 0.5, 1.0}) {
    pairs.caption_first = caption_first;
    data::Loader source(dataset_, pairs, 2, 1);
    int64_t first = 0, images = 0;
    for (int i = 0; i < 20; ++i) {
      const data::Batch batch = source.next(1)[0];
      const at::Tensor tokens = batch.tokens_T.index_select(0, batch.routing.order_T);
      std::vector<bool> expected;
      for (int64_t d = 0; d < batch.routing.num_sequences(); ++d) {  // a document each
        const auto begin = batch.routing.offsets_S1[d].item<int64_t>(),
                   end = batch.routing.offsets_S1[d + 1].item<int64_t>();
        // <bos> [text] <boi> patches <eoi> [text] <eos>
        for (int64_t t = begin; t < end; ++t)
          if (tokens[t].item<int64_t>() == kBoi) expected.push_back(t == begin + 1 && t + 16 + 3 < end);
      }
      EXPECT_EQ(batch.items[0].image_first_I, expected);
      images += static_cast<int64_t>(expected.size());
      first += std::count(expected.begin(), expected.end(), true);
    }
    EXPECT_GT(images, 100);
    EXPECT_NEAR(static_cast<double>(first), (1 - caption_first) * static_cast<double>(images),
                0.15 * static_cast<double>(images));
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
    first += out.positions[1] != kBoi;
    lengths.insert(out.positions.size());
  }
  EXPECT_NEAR(first / 2000.0, 0.8, 0.03);
  EXPECT_GE(lengths.size(), 3u);  // keywords are drawn anew
}

// Only text in front of the picture goes: <bos> <boi> patches <eoi> <eos> is left.
TEST_F(LoaderTest, TextBeforeAPictureIsDroppedAsOftenAsTold) {
  data::DataConfig dropping = config();
  dropping.condition_drop = 0.25;
  data::LayOutOptions options = data::layout_options(*dataset_, dropping, 2);
  const auto views = data::sources_of(*dataset_, "train");
  const auto& [shard, document] = views[0].documents[0];
  const auto bare = static_cast<size_t>(options.vocabulary.latents()->positions_per_item()) + 4;
  const auto dropped = [&, &shard = shard, &document = document](double caption_first) {
    options.caption_first = caption_first;
    int count = 0;
    for (uint64_t i = 0; i < 2000; ++i)
      count +=
          data::lay_out(*shard, document, options, RandomStream(stream_key({i}))).positions.size() == bare;
    return count / 2000.0;
  };
  EXPECT_NEAR(dropped(1), 0.25, 0.03);
  EXPECT_EQ(dropped(0), 0);
  options.condition_drop = 1;
  EXPECT_EQ(dropped(1), 1);
  EXPECT_EQ(data::held_out_layout(*dataset_, dropping, 2).condition_drop, 0);
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

// Codes of pictures and speech: a position is a token of the joint vocabulary and nothing else.
class SpokenLoaderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    dataset_ = std::make_shared<data::EncodedDataset>(
        data::open_encoded(test::make_tiny_spoken(folder_->path() / "tiny")));
  }
  static void TearDownTestSuite() {
    dataset_.reset();
    delete folder_;
  }
  static data::DataConfig config() {
    data::DataConfig config;
    config.sequence_tokens = 128;
    config.batch_tokens = 512;
    config.condition_drop = 0;
    return config;
  }
  static std::vector<test::CodeSegment> segments_of(const data::LaidOut& document) {
    return test::split_segments(document.positions, dataset_->vocabulary);
  }
  static const data::SourceView& source(const std::string& name) {
    static const std::vector<data::SourceView> views = data::sources_of(*dataset_, "train");
    return *std::find_if(views.begin(), views.end(), [&](const auto& view) { return view.source == name; });
  }
  static inline test::TempFolder* folder_ = nullptr;
  static inline std::shared_ptr<data::EncodedDataset> dataset_;
};

TEST_F(SpokenLoaderTest, DocumentsComeBackFromTheirTokensInEveryOrder) {
  const data::LayOutOptions options = data::layout_options(*dataset_, config(), 2);
  const codecs::TextCodec text(dataset_->folder / "codecs" / "text");
  const auto& [shard, index] = source("said").documents[2];
  std::map<std::string, int> orders;
  for (uint64_t draw = 0; draw < 1200; ++draw) {
    const auto segments =
        segments_of(data::lay_out(*shard, index, options, RandomStream(stream_key({draw}))));
    ASSERT_EQ(segments.size(), 3u);
    std::string order;
    for (const auto& segment : segments) {
      order += segment.modality[0];
      if (segment.modality == "text") {
        EXPECT_EQ(text.decode(segment.codes), "blue bar");
      }
      if (segment.modality == "image") {
        EXPECT_EQ(segment.codes.size(), 16u);
      }
      if (segment.modality == "speech") {
        EXPECT_EQ(segment.codes.size(), 10u);
      }
    }
    ++orders[order];
  }
  EXPECT_EQ(orders.size(), 6u);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count / 1200.0, 1.0 / 6, 0.04) << order;
}

TEST_F(SpokenLoaderTest, PairsOfTextAndPictureKeepCaptionFirstAndVariantsAreDrawn) {
  const data::LayOutOptions options = data::layout_options(*dataset_, config(), 2);
  const auto& [shard, index] = source("shapes").documents[0];
  int first = 0;
  std::set<std::vector<int32_t>> pictures;
  for (uint64_t draw = 0; draw < 1000; ++draw) {
    for (const auto& segment :
         segments_of(data::lay_out(*shard, index, options, RandomStream(stream_key({draw})))))
      if (segment.modality == "image") pictures.insert(segment.codes);
    first += data::lay_out(*shard, index, options, RandomStream(stream_key({draw}))).positions[1] != kBoi;
  }
  EXPECT_NEAR(first / 1000.0, 0.8, 0.04);
  EXPECT_LE(pictures.size(), 2u);  // two variants, which may have the same codes
}

TEST_F(SpokenLoaderTest, EveryPositionHasItsTokensModalityAndPredictsTheNext) {
  data::Loader loader(dataset_, config(), 2, 1);
  const modality::Vocabulary& vocabulary = dataset_->vocabulary;
  std::vector<int64_t> targets(3);
  for (int i = 0; i < 20; ++i) {
    const data::Batch batch = loader.next(1)[0];
    const int64_t num_tokens = batch.routing.num_tokens();
    for (int64_t row = 0; row < num_tokens; ++row) {
      const int64_t modality = vocabulary.modality_of(batch.tokens_T[row].item<int64_t>());
      EXPECT_TRUE(row >= batch.routing.group_begin(modality) &&
                  row < batch.routing.group_begin(modality + 1));
    }
    const at::Tensor tokens = batch.tokens_T.index_select(0, batch.routing.order_T);
    std::map<int64_t, int64_t> position_of;
    for (int64_t t = 0; t < num_tokens; ++t) position_of[batch.routing.order_T[t].item<int64_t>()] = t;
    for (int64_t r = 0; r < batch.target_rows_R.size(0); ++r) {
      const int64_t t = position_of[batch.target_rows_R[r].item<int64_t>()];
      const int64_t target = batch.target_ids_R[r].item<int64_t>();
      EXPECT_EQ(target, tokens[t + 1].item<int64_t>());
      EXPECT_NE(target, kBos);
      EXPECT_EQ(batch.target_modalities_R[r].item<int64_t>(), vocabulary.modality_of(target));
      ++targets[static_cast<size_t>(vocabulary.modality_of(target))];
    }
    const int64_t ends = (tokens == modality::special::kEos).sum().item<int64_t>();
    EXPECT_LE(num_tokens - batch.target_rows_R.size(0), ends + 4)
        << "only ends of documents and sequences learn nothing";
    EXPECT_EQ(batch.num_images(), 0);
  }
  EXPECT_GT(targets[1], 0);
  EXPECT_GT(targets[2], 0);
}

TEST_F(SpokenLoaderTest, WithoutAMixtureSourcesWithSpeechTakeASeventh) {
  data::Loader loader(dataset_, config(), 2, 1);
  for (int i = 0; i < 60; ++i) loader.next(1);
  const Json sources = loader.state()["sources"];
  double said = 0, all = 0;
  for (const auto& [name, state] : sources.items()) {
    all += state["tokens"].get<double>();
    if (name == "said") said += state["tokens"].get<double>();
  }
  EXPECT_NEAR(said / all, 1.0 / 7, 0.01);
}

}  // namespace
}  // namespace mom
