// Model folders with fewer bits a weight.
#include "mom/models/quantize.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom::models {
namespace {

constexpr const char* kProjection = "backbone.layers.1.mixer.in_proj.image.weight";

Model mixture() { return test::tiny_model({"in_proj", "x_proj", "dt_proj", "out_proj"}); }

class Rounded : public testing::TestWithParam<const char*> {
 protected:
  test::TempFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(Types, Rounded, testing::Values("bfloat16", "int8"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST_P(Rounded, AFolderIsWhatRoundingInPlaceGives) {
  Model model = mixture();
  write_model_as(folder_.path(), *model, GetParam());
  Model loaded = load_model(folder_.path());
  EXPECT_EQ(loaded->spec().weight_type, GetParam());
  round_weights(*model, GetParam());
  const nn::NamedTensors expected = named_weights(*model);
  for (const auto& [name, weight] : named_weights(*loaded))
    EXPECT_TRUE(torch::equal(weight, expected.at(name))) << name;
}

TEST_P(Rounded, MatricesAreCloseAndTheRestIsExact) {
  Model model = mixture(), exact = mixture();
  round_weights(*model, GetParam());
  const nn::NamedTensors before = named_weights(*exact);
  for (const auto& [name, weight] : named_weights(*model)) {
    const double error = (weight - before.at(name)).abs().max().item<double>();
    const bool matrix = name.find("_proj") != std::string::npos && name.ends_with("weight");
    if (matrix || name == "lm_head.weight" || name == "backbone.embeddings.weight") {
      EXPECT_GT(error, 0) << name;
      EXPECT_LE(error, before.at(name).abs().max().item<double>() / 200) << name;
    } else {
      EXPECT_EQ(error, 0) << name;
    }
  }
}

// Integers come back as they were: nothing is lost twice.
TEST_P(Rounded, RoundingAgainChangesNothing) {
  Model model = mixture();
  round_weights(*model, GetParam());
  const nn::NamedTensors once = weights_as(*model, GetParam());
  round_weights(*model, GetParam());
  const nn::NamedTensors twice = weights_as(*model, GetParam());
  EXPECT_TRUE(torch::equal(once.at(kProjection), twice.at(kProjection)));
}

TEST(Quantize, SizeIsAQuarter) {
  Model model = mixture();
  const nn::NamedTensors tensors = weights_as(*model, "int8");
  EXPECT_EQ(tensors.at(kProjection).scalar_type(), torch::kInt8);
  EXPECT_EQ(tensors.at(std::string(kProjection) + kScaleSuffix).sizes(), at::IntArrayRef({96}));
  EXPECT_EQ(tensors.at("backbone.layers.0.mixer.A_log").scalar_type(), torch::kFloat32);
}

TEST(Quantize, ABadFolderIsRefused) {
  test::TempFolder folder;
  Model model = mixture();
  EXPECT_THROW(write_model_as(folder.path(), *model, "int4"), UserError);
  write_model_as(folder.path(), *model, "int8");
  nn::NamedTensors tensors = weights_as(*model, "int8");
  tensors.erase(std::string(kProjection) + kScaleSuffix);
  nn::write_tensors(folder.path() / "model.safetensors", tensors);
  EXPECT_THROW(load_model(folder.path()), InputError);
}

}  // namespace
}  // namespace mom::models
