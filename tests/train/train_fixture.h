// Trainings of seconds on tiny data.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "mom/train/trainer.h"
#include "tests/support/tiny_data.h"

namespace mom::test {

class TrainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    encoded_ = make_tiny_encoded(folder_->path() / "tiny");
    dataset_ = std::make_shared<data::EncodedDataset>(data::open_encoded(encoded_));
  }
  static void TearDownTestSuite() {
    dataset_.reset();
    delete folder_;
  }
  static train::Recipe recipe(const std::string& backbone = "mixture_of_mamba") {
    train::Recipe recipe;
    recipe.model.backbone = backbone;
    if (backbone == "mamba") recipe.model.decoupled.clear();
    recipe.model.d_model = 32;
    recipe.model.layers = 1;
    recipe.data.path = encoded_.string();
    recipe.data.sequence_tokens = 128;
    recipe.data.batch_tokens = 512;
    recipe.train.steps = 8;
    recipe.train.warmup_steps = 2;
    recipe.train.microbatches = 2;
    return recipe;
  }
  static std::map<std::string, at::Tensor> weights(train::Trainer& trainer) {
    std::map<std::string, at::Tensor> copies;
    for (auto& item : trainer.model().named_parameters()) copies[item.key()] = item.value().detach().clone();
    return copies;
  }
  inline static TempFolder* folder_ = nullptr;
  inline static Path encoded_;
  inline static std::shared_ptr<data::EncodedDataset> dataset_;
};

}  // namespace mom::test
