// The loader on data of several kinds of items: mixtures and positions that do not fit the data are refused, parts of a held-out
// set are spread over it, and stretches of a batch are the batch.
#include <gtest/gtest.h>
#include <torch/types.h>

#include <functional>

#include "mom/base/error.h"
#include "mom/data/loader.h"
#include "mom/data/stretch.h"
#include "tests/data/encoded_fixture.h"
#include "tests/support/thrown.h"

namespace mom::data {
namespace {

using test::message_of;

class LoaderRefusals : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    dataset_ = std::make_shared<EncodedDataset>(open_encoded(make_mixed_encoded(folder_->path())));
  }
  static void TearDownTestSuite() {
    dataset_.reset();
    delete folder_;
  }
  static DataConfig config(config::Weights mixture = {}) {
    DataConfig config;
    config.path = "the data";
    config.sequence_tokens = 64, config.batch_tokens = 256, config.condition_drop = 0;
    config.mixture = std::move(mixture);
    return config;
  }
  static Loader loader(const DataConfig& config) { return Loader(dataset_, config, 1, 1); }
  static at::Tensor in_order(const Batch& batch) {
    return batch.tokens_T.index_select(0, batch.routing.order_T);
  }

  static inline test::TempFolder* folder_ = nullptr;
  static inline std::shared_ptr<EncodedDataset> dataset_;
};

TEST_F(LoaderRefusals, MixturesNameSourcesOfTheTrainingSplit) {
  EXPECT_EQ(message_of<UserError>([] {
              loader(config({{"mixed", 1}, {"words", 1}}));
            }),
            "data.mixture: expected sources of the data (mixed), found \"words\"; name these, or take all by "
            "amount: --set 'data.mixture={}'");
  EXPECT_NE(message_of<UserError>([] {
              loader(config({{"mixed", -0.5}}));
            }).find("data.mixture.mixed: expected 0 or more, found -0.5"),
            std::string::npos);
  EXPECT_EQ(
      message_of<UserError>([] {
        loader(config({{"mixed", 0}}));
      }),
      "the data: expected documents of split \"train\" with a weight above 0 in data.mixture, found none");
  const auto held_out = std::make_shared<EncodedDataset>(*dataset_);
  std::erase_if(held_out->shards, [](const Shard& shard) { return shard.split == "train"; });
  EXPECT_NE(
      message_of<UserError>([&] { Loader(held_out, config(), 1, 1); }).find("documents of split \"train\""),
      std::string::npos);
}

TEST_F(LoaderRefusals, PositionsOfOtherData) {
  Loader whole = loader(config());
  whole.next(1);
  const Json state = whole.state();
  const auto error_with = [&](const Json& changes) {
    Json changed = state;
    changed.merge_patch(changes);
    Loader resumed = loader(config());
    return message_of<InputError>([&] { resumed.restore(changed); });
  };
  EXPECT_EQ(error_with(Json::object()), "no error");
  EXPECT_NE(error_with({{"batches", nullptr}}).find("data position: expected \"batches\""),
            std::string::npos);
  for (const Json& sources :
       {Json{{"mixed", nullptr}}, Json{{"mixed", nullptr}, {"other", state["sources"]["mixed"]}},
        Json{{"other", state["sources"]["mixed"]}}, Json{{"mixed", {{"documents", 4}}}}})
    EXPECT_NE(
        error_with({{"sources", sources}})
            .find("data position of source mixed: expected the data this run began with, found other data or "
                  "another mixture in the data"),
        std::string::npos)
        << sources;
  for (const Json& sources : {Json(), Json::array(), Json(5)})
    EXPECT_NE(error_with({{"sources", sources}}).find("data position of source mixed"), std::string::npos)
        << sources;
  for (const Json& position : {Json{{"epoch", -1}}, Json{{"index", -1}}, Json{{"index", 3}},
                               Json{{"offset", -1}}, Json{{"offset", 100000}}, Json{{"tokens", -1}}})
    EXPECT_NE(error_with({{"sources", {{"mixed", position}}}})
                  .find("data position of source mixed: expected a position inside the data, found {"),
              std::string::npos)
        << position;
  EXPECT_NE(error_with({{"sources", {{"mixed", {{"tokens", "many"}}}}}}).find("\"tokens\" as an integer"),
            std::string::npos);
}

// Sources whose tokens are counted by their positions, as they have none.
TEST_F(LoaderRefusals, LatentsAloneAreDrawnByTheirAmount) {
  EncodeOptions encode;
  encode.documents = *folder_ / "alone";
  encode.out = *folder_ / "alone-encoded";
  encode.codecs = {*folder_ / "codec-text", *folder_ / "codec-photo"};
  {
    DocumentWriter writer(encode.documents, false);
    for (const char* key : {"a", "b", "c"}) {
      const MediaRef media =
          writer.add_media("a.npy", formats::write_npy({{1, 2, 2}, std::vector<float>{5, 1, 2, 3}}));
      writer.add("photos", "train", {key, false, {{"photo", "", {}, media, 0, true}}});
    }
    writer.add("words", "train", {"w", false, {{"text", "item x", {}, {}}}});
    writer.commit();
  }
  encode_documents(encode);
  const auto dataset = std::make_shared<EncodedDataset>(open_encoded(encode.out));
  Loader both(dataset, config(), 1, 1);
  EXPECT_GT(both.next(1).at(0).num_images(), 0);
  EXPECT_EQ(both.state()["sources"].size(), 2u);
  std::erase_if(dataset->shards, [](const Shard& shard) { return shard.source == "words"; });
  EXPECT_GT(Loader(dataset, config(), 1, 1).next(1).at(0).num_images(), 0);
}

TEST_F(LoaderRefusals, APartOfTheHeldOutSetIsEveryNthDocument) {
  const auto batches = [](int64_t max_tokens) {
    return held_out_batches(*dataset_, "mixed", "train", config(), 1, max_tokens);
  };
  const std::vector<Batch> all = batches(0), one = batches(1), enough = batches(1'000'000);
  ASSERT_EQ(all.size(), 1u);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(all[0].routing.num_sequences(), 3);
  EXPECT_EQ(all[0].num_images(), 2);
  EXPECT_EQ(one[0].routing.num_sequences(), 1);
  EXPECT_EQ(one[0].num_images(), 1);
  EXPECT_TRUE(torch::equal(in_order(all[0]).narrow(0, 0, one[0].routing.num_tokens()), in_order(one[0])));
  EXPECT_TRUE(torch::equal(in_order(enough.at(0)), in_order(all[0])));
  EXPECT_TRUE(held_out_batches(*dataset_, "other", "train", config(), 1, 0).empty());
  EXPECT_TRUE(held_out_batches(*dataset_, "words", "train", config(), 1, 0).empty());
}

TEST_F(LoaderRefusals, APieceOfNothingAddsNothing) {
  const LayOutOptions options = held_out_layout(*dataset_, config(), 1);
  const LaidOut document = lay_out(dataset_->shards.at(0), 0, options, RandomStream(1));
  ASSERT_EQ(document.pictures.size(), 1u);
  BatchBuilder builder(options, /*reset_state=*/true);
  builder.add(document, 3, 3);
  EXPECT_EQ(builder.num_tokens(), 0);
  EXPECT_EQ(builder.counts().latent_elements, std::vector<int64_t>{0});
  builder.add(document, 0, std::ssize(document.positions));
  EXPECT_EQ(builder.counts().latent_elements, std::vector<int64_t>{4});
  EXPECT_EQ(LatentItems{}.count(), 0);
}

// caption_first is of pairs with an item that has a fixed length.
TEST_F(LoaderRefusals, TextWithAStreamComesInEitherOrder) {
  const Path variable = *folder_ / "variable";
  const Path folder = copy_without_hashes(make_mixed_encoded(variable, "variable"), *folder_ / "free");
  ShardFile shard(folder / "train-mixed-00000.safetensors");
  shard.set("document_free", formats::DType::kU8, std::vector<uint8_t>{1, 1, 0});
  shard.write(folder / "train-mixed-00000.safetensors");
  const EncodedDataset dataset = open_encoded(folder);
  DataConfig pairs = config();
  pairs.caption_first = 1;
  const LayOutOptions options = layout_options(dataset, pairs, 1);
  const auto text_first = [&](int64_t document) {
    int count = 0;
    for (uint64_t draw = 0; draw < 400; ++draw) {
      const LaidOut out = lay_out(dataset.shards.at(0), document, options, RandomStream(stream_key({draw})));
      count += options.vocabulary.opened_by(out.positions[1]) == nullptr;
    }
    return count;
  };
  EXPECT_EQ(text_first(0), 400) << "text and a photo";
  EXPECT_NEAR(text_first(1), 200, 50) << "text and music of any length";
}

class StretchTest : public LoaderRefusals {
 protected:
  static Batch batch(bool reset_state) {
    DataConfig flowing = config();
    flowing.reset_state = reset_state;
    return loader(flowing).next(1).at(0);
  }
  static std::vector<nn::ItemGrid> grids(const Batch& batch) {
    return {{batch.routing.group_begin(1), batch.routing.group_begin(2), 2, 2}};
  }
};

TEST_F(StretchTest, StretchesAreTheBatch) {
  for (const bool reset_state : {true, false}) {
    const Batch whole = batch(reset_state);
    ASSERT_GT(whole.num_images(), 2);
    for (const int64_t count : {1, 2, 3, 7, 500}) {
      std::vector<at::Tensor> tokens, targets, latents;
      int64_t images = 0, position = 0;
      for (int64_t index = 0; index < count; ++index) {
        const Batch stretch = stretch_of(whole, grids(whole), index, count);
        tokens.push_back(in_order(stretch));
        targets.push_back(stretch.target_ids_R);
        latents.push_back(stretch.items.at(0).latents_ICHW);
        EXPECT_EQ(stretch.items[0].before, images);
        images += stretch.items[0].count();
        EXPECT_EQ(stretch.items[0].behind, whole.num_images() - images);
        EXPECT_EQ(stretch.num_tokens[1], 4 * stretch.items[0].count()) << "no item is cut";
        const auto is_border = [&](int64_t at) {
          return (whole.routing.offsets_S1 == at).any().item<bool>();
        };
        EXPECT_EQ(stretch.seen == 0, is_border(position)) << "stretch " << index << " of " << count;
        position += stretch.routing.num_tokens();
        EXPECT_TRUE(stretch.routing.num_tokens() == 0 || stretch.goes_on == !is_border(position));
      }
      EXPECT_EQ(position, whole.routing.num_tokens());
      EXPECT_TRUE(torch::equal(torch::cat(tokens), in_order(whole)));
      EXPECT_TRUE(torch::equal(torch::cat(latents), whole.items[0].latents_ICHW));
      EXPECT_EQ(torch::cat(targets).size(0), whole.target_ids_R.size(0));
    }
  }
}

TEST_F(StretchTest, OnlyAWholeBatchIsCut) {
  const Batch whole = batch(false);
  for (const int64_t index : {-1, 2, 3})
    EXPECT_THROW(stretch_of(whole, grids(whole), index, 2), c10::Error) << index;
  const Batch first = stretch_of(whole, grids(whole), 0, 3), last = stretch_of(whole, grids(whole), 2, 3);
  EXPECT_THROW(stretch_of(first, grids(first), 0, 2), c10::Error) << "it goes on";
  EXPECT_THROW(stretch_of(last, grids(last), 0, 2), c10::Error) << "it began before";
}

}  // namespace
}  // namespace mom::data
