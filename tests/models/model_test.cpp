// What makes it Mixture-of-Mamba, and what any sequence model owes: dense equivalence, symmetry, causality,
// packing, state.
#include "mom/models/model.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/activation.h>

#include "mom/base/error.h"
#include "mom/models/convert.h"
#include "mom/models/counts.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using models::Model;
using test::Sequence;

const std::vector<std::string> kAll = {"in_proj", "x_proj", "dt_proj", "out_proj"};

// Copies the dense weights into every modality's, or random set's, copy.
void copy_weights(Model& from, Model& to) {
  torch::NoGradGuard no_grad;
  auto source = from->named_parameters();
  for (auto& item : to->named_parameters()) {
    std::string name = item.key();
    for (const char* owner : {".text.", ".image.", ".set_0.", ".set_1."})
      if (auto at = name.find(owner); at != std::string::npos && !source.contains(name))
        name.replace(at, std::string(owner).size(), ".");
    item.value().copy_(source[name]);
  }
}

class EveryScan : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Scans, EveryScan, testing::ValuesIn(nn::scan_patterns()),
                         [](const auto& scan) { return scan.param; });

TEST_P(EveryScan, NothingDecoupledIsDenseBitForBit) {
  Model dense = test::tiny_model({}, 1, GetParam());
  for (const char* route : {models::kRouteByModality, models::kRandomRoute}) {
    models::ModelSpec spec = test::tiny_spec({}, GetParam());
    spec.backbone = "mixture_of_mamba";
    spec.route = route;
    Model mixture(spec);
    copy_weights(dense, mixture);
    const Sequence sequence = test::mixed(spec);
    EXPECT_TRUE(torch::equal(test::run(dense, sequence), test::run(mixture, sequence))) << route;
  }
}

// As many parameters as by modality, the same number of them active, and with equal weights no difference.
TEST_P(EveryScan, RandomSetsWithEqualWeightsAreDense) {
  Model dense = test::tiny_model({}, 1, GetParam());
  models::ModelSpec spec = test::tiny_spec(kAll, GetParam());
  const models::ParameterCounts by_modality = models::count_parameters(spec);
  spec.route = models::kRandomRoute;
  EXPECT_EQ(models::count_parameters(spec).total, by_modality.total);
  EXPECT_EQ(models::count_parameters(spec).active, by_modality.active);
  Model mixture = test::initialised(spec, 2);
  const Sequence sequence = test::mixed(spec);
  EXPECT_GT((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-2);
  copy_weights(dense, mixture);
  EXPECT_LE((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-6);
}

TEST_P(EveryScan, EqualWeightsInEveryModalityIsDense) {
  Model dense = test::tiny_model({}, 1, GetParam());
  for (size_t subset = 1; subset < 16; ++subset) {
    std::vector<std::string> decoupled;
    for (size_t p = 0; p < 4; ++p)
      if (subset >> p & 1) decoupled.push_back(kAll[p]);
    Model mixture = test::tiny_model(decoupled, 2, GetParam());
    const Sequence sequence = test::mixed(mixture->spec());
    EXPECT_GT((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-2);
    copy_weights(dense, mixture);
    EXPECT_LE((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-6)
        << "subset " << subset;
  }
}

TEST_P(EveryScan, UpcycledMambaComputesTheSame) {
  Model dense = test::tiny_model({}, 1, GetParam());
  const Sequence sequence = test::mixed(dense->spec());
  for (const std::vector<std::string>& decoupled : {std::vector<std::string>{}, {"in_proj", "dt_proj"}}) {
    Model mixture = models::dense_to_mixture(*dense, decoupled);
    EXPECT_EQ(mixture->spec().decoupled, decoupled.empty() ? kAll : decoupled);
    EXPECT_LE((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-6);
  }
  Model mixture = models::dense_to_mixture(*dense);
  auto p = mixture->named_parameters();
  EXPECT_TRUE(torch::equal(p["backbone.layers.1.mixer.dt_proj.image.bias"],
                           dense->named_parameters()["backbone.layers.1.mixer.dt_proj.bias"]));
  EXPECT_THROW(models::dense_to_mixture(*mixture), UserError);
  EXPECT_THROW(models::dense_to_mixture(*dense, {"conv1d"}), UserError);
  test::TempFolder folder;
  models::write_model(folder.path(), *mixture);
  Model fresh = test::tiny_model(kAll, 5, GetParam());
  models::start_from(*fresh, folder.path());
  EXPECT_TRUE(torch::equal(test::run(fresh, sequence), test::run(mixture, sequence)));
  EXPECT_THROW(models::start_from(*dense, folder.path()), UserError);
  Model other_scan = test::tiny_model(kAll, 5, GetParam() == "four" ? "raster" : "four");
  try {
    models::start_from(*other_scan, folder.path());
    ADD_FAILURE() << "started from another order of scans";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("start_from_differing = [\"image_scan\"]"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW(models::start_from(*other_scan, folder.path(), {"prediction"}), UserError);
  models::start_from(*other_scan, folder.path(), {"image_scan"});
  EXPECT_TRUE(torch::equal(other_scan->embeddings(), mixture->embeddings()));
}

TEST(Model, EachModalityUsesItsOwnWeights) {
  Model model = test::tiny_model(kAll);
  Sequence text_only;
  test::append(text_only, model->spec(), 9, false, 0);
  test::draw_patches(text_only, model->spec());
  const at::Tensor before = test::run(model, text_only);
  torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key().find(".image.") != std::string::npos) item.value().add_(1);
  EXPECT_TRUE(torch::equal(before, test::run(model, text_only)));
  for (auto& item : model->named_parameters())
    if (item.key().find("in_proj.text.") != std::string::npos) item.value().add_(1);
  EXPECT_FALSE(torch::equal(before, test::run(model, text_only)));
}

// A language model over discrete tokens of two modalities: exchanging the modalities together with their
// weights changes nothing.
TEST(Model, PermutingModalitiesWithTheirWeightsChangesNothing) {
  models::ModelSpec spec = test::tiny_spec(kAll);
  spec.vocabulary = {};
  Model model(spec), permuted(spec);
  models::initialise(*model, 3);
  {
    torch::NoGradGuard no_grad;
    auto source = model->named_parameters();
    for (auto& item : permuted->named_parameters()) {
      std::string name = item.key();
      if (auto at = name.find(".text."); at != std::string::npos)
        name.replace(at, 6, ".image.");
      else if (at = name.find(".image."); at != std::string::npos)
        name.replace(at, 7, ".text.");
      item.value().copy_(source[name]);
    }
  }
  Sequence sequence;
  for (int64_t i = 0; i < 40; ++i) {
    sequence.tokens.push_back((11 * i + 2) % spec.vocab_size);
    sequence.modality.push_back((i / 3 + i / 7) % 2);
  }
  sequence.offsets = {0, 17, 40};
  const at::Tensor out = test::run(model, sequence);
  for (int64_t& m : sequence.modality) m = 1 - m;
  EXPECT_LE((out - test::run(permuted, sequence)).abs().max().item<double>(), 1e-6);
  EXPECT_GT((out - test::run(model, sequence)).abs().max().item<double>(), 1e-2);
}

// Nothing knows how many modalities there are: five, one of which no batch has.
TEST(Model, AnyNumberOfModalities) {
  models::ModelSpec spec = test::tiny_spec(kAll);
  spec.vocabulary = {};
  spec.modalities = {"text", "image", "speech", "touch", "smell"};
  Model model(spec);
  models::initialise(*model, 1);
  EXPECT_TRUE(model->named_parameters().contains("backbone.layers.2.mixer.x_proj.smell.weight"));
  const at::Tensor modality = torch::arange(40, torch::kInt64) % 4, offsets = torch::tensor({0L, 17L, 40L});
  models::ModelInput input;
  input.routing = nn::make_routing(modality, offsets, 5);
  input.tokens_T = torch::arange(40, torch::kInt64);
  const at::Tensor hidden = model->forward(input);
  model->next_token_loss(hidden, torch::arange(40), input.tokens_T, 1).loss.backward();
  for (const auto& item : model->named_parameters()) {
    const at::Tensor grad = item.value().grad();
    const bool unseen = item.key().find(".smell.") != std::string::npos;
    EXPECT_EQ(!grad.defined() || grad.abs().max().item<float>() == 0, unseen) << item.key();
  }
  EXPECT_EQ(models::count_parameters(spec).active.size(), 5u);
}

TEST(Model, NamesAreThoseOfTheContract) {
  Model model = test::tiny_model({"in_proj", "dt_proj"});
  auto names = model->named_parameters();
  for (const char* name :
       {"backbone.embeddings.weight", "backbone.layers.0.norm.weight",
        "backbone.layers.0.mixer.conv1d.weight", "backbone.layers.0.mixer.conv1d.bias",
        "backbone.layers.0.mixer.A_log", "backbone.layers.0.mixer.D",
        "backbone.layers.0.mixer.in_proj.image.weight", "backbone.layers.0.mixer.in_proj.text.weight",
        "backbone.layers.0.mixer.x_proj.weight", "backbone.layers.0.mixer.dt_proj.image.weight",
        "backbone.layers.0.mixer.dt_proj.image.bias", "backbone.layers.0.mixer.out_proj.weight",
        "backbone.norm_f.weight", "lm_head.weight"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Model, AModalitysCopiesStartIndependently) {
  Model model = test::tiny_model(kAll);
  auto p = model->named_parameters();
  EXPECT_FALSE(torch::equal(p["backbone.layers.0.mixer.dt_proj.text.bias"],
                            p["backbone.layers.0.mixer.dt_proj.image.bias"]));
  const at::Tensor step = torch::nn::functional::softplus(p["backbone.layers.0.mixer.dt_proj.image.bias"]);
  EXPECT_GE(step.min().item<double>(), 1e-3 * 0.999);
  EXPECT_LE(step.max().item<double>(), 1e-1 * 1.001);
}

TEST(Model, ForeignWeightsAreRefusedByName) {
  test::TempFolder folder;
  models::write_model(folder.path(), *test::tiny_model(kAll));
  const Model other = test::tiny_model({});
  publish_json(folder.path() / "config.json", models::to_json(other->spec()));
  try {
    models::load_model(folder.path());
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("no tensor backbone.layers.0.mixer.in_proj.weight"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace mom
