// What stands between an item of latents and the trunk, at a latent's real size: linear layers or a U-Net, patches of 2
// and of 4 pixels, positions of patches. Properties that need no such size run over every backbone in backbones_test.cpp.
#include "mom/nn/patch_net.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/models/convert.h"
#include "mom/models/objective.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using models::Model;
using test::Sequence;

struct Patches {
  std::string net;
  int64_t size;
  std::string name() const { return net + std::to_string(size); }
  friend void PrintTo(const Patches& patches, std::ostream* out) { *out << patches.name(); }
};

models::ModelSpec spec_of(const Patches& patches, const std::vector<std::string>& decoupled,
                          bool positions = true) {
  models::ModelSpec spec = test::tiny_spec(decoupled, "four");
  spec.vocabulary = test::with_latents(50, {4, 16, 16}).with_patch_size(patches.size);
  spec.patch_size = patches.size;
  spec.patch_net = patches.net;
  spec.patch_net_channels = 8;
  spec.patch_positions = positions;
  return spec.resolved();
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

// Noise predicted for each item of the sequence, [I, C, H, W].
at::Tensor noise_of(Model& model, const Sequence& sequence, models::ModelState* state = nullptr) {
  torch::NoGradGuard no_grad;
  const models::ModelInput input = test::to_input(sequence);
  return models::unpatchify(model->noise(model->forward(input, state), input),
                            model->spec().latents()->latent_shape, model->spec().latents()->patch_size);
}

Sequence text_item_text(const models::ModelSpec& spec) {
  Sequence sequence;
  test::append(sequence, spec, 5, true, 3);
  test::draw_patches(sequence, spec);
  return sequence;
}

class EveryPatchNet : public testing::TestWithParam<Patches> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }  // the shapes are tiny
  const std::vector<std::string> all_ = models::all_projections();
  Model model_ = test::initialised(spec_of(GetParam(), all_));
  const models::ModelSpec& spec() { return model_->spec(); }
  int64_t patches() { return spec().latents()->positions_per_item(); }
};
INSTANTIATE_TEST_SUITE_P(Patches, EveryPatchNet,
                         testing::Values(Patches{"linear", 2}, Patches{"linear", 4}, Patches{"unet", 2},
                                         Patches{"unet", 4}, Patches{"conv", 2}, Patches{"conv", 4}),
                         [](const auto& suite) { return suite.param.name(); });

TEST_P(EveryPatchNet, ItemsTogetherAreItemsAlone) {
  const Sequence packed = test::mixed(spec());
  const at::Tensor together = noise_of(model_, packed), hidden = test::run(model_, packed);
  Sequence last;
  test::append(last, spec(), 0, true, 1);
  last.tokens = {packed.tokens.end() - patches() - 1, packed.tokens.end()};
  last.patches_QP = packed.patches_QP.slice(0, 2 * patches());
  last.timesteps_I = packed.timesteps_I.slice(0, 2);
  EXPECT_LE(difference(together[2], noise_of(model_, last)[0]), 1e-5);
  EXPECT_LE(difference(hidden.slice(0, -patches() - 1), test::run(model_, last)), 1e-5);
  // Another item beside it, of the same size: the same bits.
  Sequence other = packed;
  other.patches_QP = packed.patches_QP.clone();
  other.patches_QP.slice(0, 0, patches()).normal_();
  EXPECT_TRUE(torch::equal(together[2], noise_of(model_, other)[2]));
  EXPECT_GT(difference(together[0], noise_of(model_, other)[0]), 1e-2);
}

TEST_P(EveryPatchNet, TextBeforeAnItemIsUntouchedAndTextAfterItIsNot) {
  Sequence sequence = text_item_text(spec());
  const at::Tensor before = test::run(model_, sequence);
  sequence.patches_QP = sequence.patches_QP.clone();
  sequence.patches_QP[-1].add_(1);
  const at::Tensor same = before.eq(test::run(model_, sequence)).all(1);
  EXPECT_TRUE(same.slice(0, 0, 5).all().item<bool>());
  EXPECT_FALSE(same.slice(0, 5).any().item<bool>());
}

TEST_P(EveryPatchNet, FromTheStateBeforeAnItemIsTheWholeSequence) {
  const Sequence sequence = text_item_text(spec());
  models::ModelState state;
  Sequence text, item;
  test::append(text, spec(), 5, false, 0);
  test::draw_patches(text, spec());
  test::append(item, spec(), 0, true, 0);
  item.patches_QP = sequence.patches_QP, item.timesteps_I = sequence.timesteps_I;
  test::run(model_, text, &state);
  EXPECT_LE(difference(noise_of(model_, item, &state), noise_of(model_, sequence)), 1e-5);
}

TEST_P(EveryPatchNet, MixtureOfMambaWithNothingDecoupledIsDenseBitForBit) {
  Model dense = test::initialised(spec_of(GetParam(), {}));
  models::ModelSpec shared = spec_of(GetParam(), {});
  shared.backbone = "mixture_of_mamba";
  Model mixture(shared), upcycled = models::dense_to_mixture(*dense);
  torch::NoGradGuard no_grad;
  auto source = dense->named_parameters();
  for (auto& item : mixture->named_parameters()) item.value().copy_(source[item.key()]);
  const Sequence sequence = test::mixed(shared);
  EXPECT_TRUE(torch::equal(noise_of(dense, sequence), noise_of(mixture, sequence)));
  EXPECT_LE(difference(noise_of(dense, sequence), noise_of(upcycled, sequence)), 1e-5);
}

TEST_P(EveryPatchNet, TheFirstPredictionIsZeroAndTheLossOne) {
  models::initialise(*model_, 3);
  EXPECT_EQ(noise_of(model_, test::mixed(spec())).abs().max().item<double>(), 0);
  const Sequence sequence = text_item_text(spec());
  const models::ModelInput input = test::to_input(sequence);
  const at::Tensor noise = torch::randn_like(sequence.patches_QP);
  const at::Tensor loss = model_->noise_loss(model_->forward(input), input, noise, 0.5);
  EXPECT_NEAR(loss.item<double>() / (0.5 * noise.square().sum().item<double>()), 1, 1e-6);
}

// Gradients of the loss's own path against those of the outputs, and with blocks computed again.
TEST_P(EveryPatchNet, LossAndItsGradientsAreThoseOfTheOutputs) {
  const Sequence sequence = test::mixed(spec());
  const at::Tensor noise = torch::randn_like(sequence.patches_QP);
  auto gradients = [&](bool own_path, bool recompute) {
    model_->zero_grad();
    model_->set_compute({at::kFloat, recompute});
    const models::ModelInput input = test::to_input(sequence);
    const at::Tensor hidden = model_->forward(input);
    const at::Tensor loss = own_path ? model_->noise_loss(hidden, input, noise, 0.01)
                                     : 0.01 * (model_->noise(hidden, input) - noise).square().sum();
    loss.backward();
    std::map<std::string, at::Tensor> found = {{"loss", loss.detach()}};
    for (const auto& item : model_->named_parameters())
      if (item.value().grad().defined()) found[item.key()] = item.value().grad().clone();
    return found;
  };
  const auto plain = gradients(false, false), loss = gradients(true, false), again = gradients(true, true);
  for (const auto& [name, gradient] : plain) {
    EXPECT_LE(difference(gradient, loss.at(name)), 1e-5 * (1 + gradient.abs().max().item<double>())) << name;
    EXPECT_TRUE(torch::equal(loss.at(name), again.at(name))) << name;
  }
  EXPECT_TRUE(plain.contains("patch_rows.weight"));
}

// Zero rows and columns are as none, and each row and column reaches its own patches: by rows, the first that changes
// is the first that has it.
TEST_P(EveryPatchNet, PositionsOfPatches) {
  models::ModelSpec with = spec_of(GetParam(), {}, true), without = spec_of(GetParam(), {}, false);
  for (models::ModelSpec* spec : {&with, &without}) test::set(*spec, nn::kScanKey, nn::kRasterScan);
  Model model(with), plain(without);
  models::initialise(*model, 1), models::initialise(*plain, 1);
  const Sequence sequence = text_item_text(with);
  const at::Tensor before = test::run(model, sequence);
  EXPECT_TRUE(torch::equal(before, test::run(plain, sequence)));
  EXPECT_FALSE(plain->named_parameters().contains("patch_rows.weight"));
  const int64_t columns = with.latents()->patch_grid().columns;
  torch::NoGradGuard no_grad;
  for (const auto& [name, first] :
       {std::pair{"patch_rows.weight", 2 * columns}, {"patch_columns.weight", 2L}}) {
    at::Tensor table = model->named_parameters()[name];
    ASSERT_EQ(table.size(0), columns);  // a square
    table[2].fill_(0.5);
    const at::Tensor same = before.eq(test::run(model, sequence)).all(1);
    EXPECT_TRUE(same.slice(0, 0, 5 + first).all().item<bool>()) << name;
    EXPECT_FALSE(same[5 + first].item<bool>()) << name;
    table.zero_();
  }
}

TEST_P(EveryPatchNet, ABatchWithoutItemsHasGradientsOfTextAlone) {
  Sequence text;
  test::append(text, spec(), 9, false, 0);
  test::draw_patches(text, spec());
  const models::ModelInput input = test::to_input(text);
  model_->logits(model_->forward(input)).square().sum().backward();
  for (const auto& item : model_->named_parameters()) {
    const at::Tensor gradient = item.value().grad();
    const bool of_patches = item.key().rfind("patch_", 0) == 0;
    EXPECT_TRUE(!of_patches || !gradient.defined() || gradient.eq(0).all().item<bool>()) << item.key();
  }
}

TEST(PatchNet, SkipsOfAnotherInputAreRefused) {
  Model model = test::initialised(spec_of({"unet", 2}, {}));
  const Sequence sequence = text_item_text(model->spec());
  const models::ModelInput input = test::to_input(sequence);
  const at::Tensor hidden = model->forward(input);
  EXPECT_NO_THROW(model->noise(hidden, input));
  models::ModelInput other = input;
  other.patches_QP = {input.patches_QP[0].clone()};
  EXPECT_THROW(model->noise(hidden, other), c10::Error);
}

TEST(PatchNet, GoesIntoTheModelFolderAndIsRefusedByName) {
  const models::ModelSpec unet = spec_of({"unet", 4}, {}), linear = spec_of({"linear", 4}, {}, false);
  Json json = Json::parse(models::to_json(unet).dump());
  EXPECT_EQ(json["patch_net"], "unet");
  EXPECT_EQ(json["patch_net_channels"], 8);
  EXPECT_EQ(json["patch_positions"], true);
  EXPECT_EQ(models::to_json(models::spec_from_json(json, "config.json")).dump(),
            models::to_json(unet).dump());
  for (const char* key : {"patch_net", "patch_net_channels", "patch_positions"}) json.erase(key);
  EXPECT_EQ(models::to_json(models::spec_from_json(json, "config.json")).dump(),
            models::to_json(linear).dump())
      << "an older folder";
  json["patch_net"] = "fourier";
  EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError);
  test::TempFolder folder;
  models::write_model(folder.path(), *test::initialised(unet));
  EXPECT_NO_THROW(models::start_from(*test::initialised(unet, 2), folder.path()));
  for (const auto& [model, key] :
       {std::pair{linear, "patch_net"}, {spec_of({"unet", 4}, {}, false), "patch_positions"}}) {
    try {
      models::start_from(*test::initialised(model), folder.path());
      FAIL() << key;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find("\"" + std::string(key) + "\""), std::string::npos)
          << error.what();
    }
  }
}

TEST(PatchNet, ChannelsFollowTheWidth) {
  models::ModelSpec spec;
  spec.patch_net = "unet";
  for (const auto& [width, channels] : {std::pair{128, 48}, {192, 64}, {256, 96}}) {
    spec.d_model = width;
    EXPECT_EQ(spec.resolved().patch_net_channels, channels);
  }
  spec.patch_net_channels = 20;
  EXPECT_EQ(spec.resolved().patch_net_channels, 20);
}

TEST(PatchNet, MisfitsAreNamed) {
  models::ModelSpec codes = test::tiny_spec({});
  codes.vocabulary = test::with_codes(40, 10, 9);
  EXPECT_EQ(codes.problem_with_data(), "");
  codes.patch_positions = true;
  EXPECT_EQ(codes.problem_with_data().rfind("patch_positions: ", 0), 0u) << codes.problem_with_data();
  codes.patch_net = "unet";
  EXPECT_EQ(codes.problem_with_data().rfind("patch_net: ", 0), 0u) << codes.problem_with_data();
  models::ModelSpec spec = test::tiny_spec({});
  spec.patch_net = "unet";
  spec.vocabulary = test::with_latents(50, {4, 12, 12});
  EXPECT_EQ(spec.problem_with_data(), "");
  for (const int64_t size : {1, 3, 6}) {
    spec.vocabulary = spec.vocabulary.with_patch_size(size);
    EXPECT_EQ(spec.problem_with_data().rfind("patch_size: ", 0), 0u) << size << spec.problem_with_data();
  }
}

}  // namespace
}  // namespace mom
