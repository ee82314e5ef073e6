// Encoded data with several modalities of latents: each item's numbers come back in the batch that has its document.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/external_codec.h"
#include "mom/codecs/text_codec_train.h"
#include "mom/data/codec_describe.h"
#include "mom/data/encode.h"
#include "mom/data/loader.h"
#include "mom/data/stretch.h"
#include "tests/support/temp_folder.h"

namespace mom::data {
namespace {

constexpr int kDocuments = 12;

class SeveralLatentsData : public testing::Test {
 protected:
  // Document i has items of both modalities whose first number tells i, in an order that changes, some twice.
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    DocumentWriter writer(*folder_ / "documents", false);
    for (int i = 0; i < kDocuments; ++i) {
      const auto item = [&](const char* modality, std::vector<int64_t> shape, size_t size, int number) {
        std::vector<float> values(size,
                                  static_cast<float>(number % 2));  // variance, so that scales are no zeros
        values[0] = static_cast<float>(number);
        const std::string bytes = formats::write_npy({std::move(shape), values});
        return Segment{modality, "", {}, writer.add_media("a.npy", bytes), 0, true};
      };
      const Segment text{"text", "item " + std::string(static_cast<size_t>(i % 3), 'x'), {}, {}, 0, false},
          photo = item("photo", {1, 4, 4}, 16, 10 * i), signal = item("signal", {1, 6}, 6, 10 * i + 1),
          other = item("photo", {1, 4, 4}, 16, 10 * i + 2);
      std::vector<Segment> segments = {text, photo, signal};
      if (i % 3 == 1) segments = {signal, text, photo, other};
      if (i % 3 == 2) segments = {other, signal, text};
      writer.add("mixed", "train", {"d" + std::to_string(i), false, segments});
    }
    writer.commit();
    codecs::TextCodecConfig text;
    text.vocabulary = 280;
    train_text_codec(text, {{"words", std::vector<std::string>(50, "item x, item xx")}}, {},
                     *folder_ / "text", false);
    EncodeOptions encode;
    encode.documents = *folder_ / "documents";
    encode.out = *folder_ / "encoded";
    encode.codecs = {*folder_ / "text"};
    for (const char* name : {"signal", "photo"}) {
      CodecDescribeOptions describe;
      describe.documents = encode.documents;
      describe.name = name;
      describe.out = *folder_ / name;
      describe_codec(describe);
      encode.codecs.push_back(describe.out);
    }
    encode_documents(encode);
  }
  static void TearDownTestSuite() { delete folder_; }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(SeveralLatentsData, ShardsKeepThemApart) {
  const EncodedDataset dataset = open_encoded(*folder_ / "encoded");
  EXPECT_EQ(dataset.manifest["version"], 4);
  ASSERT_EQ(dataset.vocabulary.continuous().size(), 2u);
  EXPECT_EQ(dataset.vocabulary.continuous()[0]->name, "signal");
  const Shard& shard = dataset.shards.at(0);
  EXPECT_EQ(shard.file->get("latents.signal").shape, (std::vector<int64_t>{12, 1, 1, 1, 6}));
  EXPECT_EQ(shard.file->get("latents.photo").shape, (std::vector<int64_t>{16, 1, 1, 4, 4}));
  EXPECT_FALSE(shard.file->contains("latents"));
}

// The numbers of items in the order of their positions.
TEST_F(SeveralLatentsData, BatchesHaveEachDocumentsItems) {
  const auto dataset = std::make_shared<const EncodedDataset>(open_encoded(*folder_ / "encoded"));
  DataConfig config;
  config.sequence_tokens = 64, config.batch_tokens = 256, config.condition_drop = 0;
  modality::PatchSizes patches(2);
  patches.by_name["signal"] = 1;
  Loader loader(dataset, config, patches, 1);
  const codecs::ExternalCodec signal(*folder_ / "signal"), photo(*folder_ / "photo");
  std::set<int> seen;
  for (int round = 0; round < 4; ++round) {
    const Batch batch = loader.next(1).at(0);
    ASSERT_EQ(batch.items.size(), 2u);
    std::vector<std::vector<int>> numbers(2);
    for (size_t k = 0; k < 2; ++k) {
      const auto number = static_cast<int64_t>(k) + 1;  // of the modality
      EXPECT_EQ(batch.routing.group_size(number), batch.items[k].count() * (k == 0 ? 6 : 4));
      for (int64_t i = 0; i < batch.items[k].count(); ++i) {
        const codecs::Media media =
            (k == 0 ? signal : photo).decode_item({.latents_CHW = batch.items[k].latents_ICHW[i]});
        numbers[k].push_back(static_cast<int>(std::lround(std::get<formats::Npy>(media).reals()[0])));
      }
    }
    // By position: a document's items stand together, in its order.
    const int64_t *rows = batch.routing.order_T.const_data_ptr<int64_t>(),
                  *groups = batch.routing.group_offsets_M1.const_data_ptr<int64_t>();
    std::vector<size_t> next = {0, 0};
    std::vector<int> in_order;
    for (int64_t t = 0; t < batch.routing.num_tokens(); ++t)
      for (size_t k = 0; k < 2; ++k) {
        const int64_t row = rows[t] - groups[k + 1];
        const int64_t length = k == 0 ? 6 : 4;
        if (row < 0 || rows[t] >= groups[k + 2] || row % length != 0) continue;
        ASSERT_EQ(row / length, static_cast<int64_t>(next[k])) << "rows of a modality rise with the position";
        in_order.push_back(numbers[k][next[k]++]);
      }
    for (size_t i = 0; i < in_order.size();) {
      const int document = in_order[i] / 10;
      std::vector<int> kinds;
      while (i < in_order.size() && in_order[i] / 10 == document && (kinds.empty() || kinds.size() < 3))
        kinds.push_back(in_order[i++] % 10);
      const std::vector<int> expected = document % 3 == 0   ? std::vector<int>{0, 1}
                                        : document % 3 == 1 ? std::vector<int>{1, 0, 2}
                                                            : std::vector<int>{2, 1};
      EXPECT_EQ(std::vector<int>(kinds.begin(), kinds.begin() + std::min(kinds.size(), expected.size())),
                expected)
          << "document " << document;
      i -= kinds.size() - expected.size();
      seen.insert(document);
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kDocuments));
}

TEST_F(SeveralLatentsData, RefusesShardsThatDoNotHold) {
  const Path copy = *folder_ / "copy";
  std::filesystem::copy(*folder_ / "encoded", copy, std::filesystem::copy_options::recursive);
  Json manifest = read_json(copy / "dataset.json");
  manifest["modality_table"]["signal"]["latent_shape"] = {1, 1, 3};
  manifest.erase("hash");
  publish_file(copy / "dataset.json", manifest.dump());
  try {
    open_encoded(copy);
    ADD_FAILURE() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("latents.signal of the shape"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace mom::data
