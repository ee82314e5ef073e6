// What makes it Mixture-of-Mamba, and what any sequence model owes: dense equivalence, symmetry, causality,
// packing, state.
#include "mom/models/model.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/models/counts.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using models::Model;
using test::Sequence;

const std::vector<std::string> kAll = {"in_proj", "x_proj", "dt_proj", "out_proj"};

Sequence mixed(const models::ModelSpec& spec) {
  Sequence sequence;
  test::append(sequence, spec, 3, true, 2, false);
  test::append(sequence, spec, 4, true, 5);
  test::append(sequence, spec, 6, false, 0);
  test::append(sequence, spec, 0, true, 1);
  test::draw_patches(sequence, spec);
  return sequence;
}

// Copies the dense weights into every modality's copy.
void copy_weights(Model& from, Model& to) {
  torch::NoGradGuard no_grad;
  auto source = from->named_parameters();
  for (auto& item : to->named_parameters()) {
    std::string name = item.key();
    for (const char* modality : {".text.", ".image."})
      if (auto at = name.find(modality); at != std::string::npos && !source.contains(name))
        name.replace(at, std::string(modality).size(), ".");
    item.value().copy_(source[name]);
  }
}

TEST(Model, NothingDecoupledIsDenseBitForBit) {
  Model dense = test::tiny_model({});
  models::ModelSpec spec = test::tiny_spec({});
  spec.model_type = "mixture_of_mamba";
  Model mixture(spec);
  copy_weights(dense, mixture);
  const Sequence sequence = mixed(spec);
  EXPECT_TRUE(torch::equal(test::run(dense, sequence), test::run(mixture, sequence)));
}

TEST(Model, EqualWeightsInEveryModalityIsDense) {
  Model dense = test::tiny_model({});
  for (size_t subset = 1; subset < 16; ++subset) {
    std::vector<std::string> decoupled;
    for (size_t p = 0; p < 4; ++p)
      if (subset >> p & 1) decoupled.push_back(kAll[p]);
    Model mixture = test::tiny_model(decoupled, 2);
    const Sequence sequence = mixed(mixture->spec());
    EXPECT_GT((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-2);
    copy_weights(dense, mixture);
    EXPECT_LE((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-6)
        << "subset " << subset;
  }
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
  spec.setting.clear();
  spec.latent_shape.clear();
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

class BothBackbones : public testing::TestWithParam<bool> {
 protected:
  Model model_ = test::tiny_model(GetParam() ? kAll : std::vector<std::string>{});
  const models::ModelSpec& spec() { return model_->spec(); }
};
INSTANTIATE_TEST_SUITE_P(Backbones, BothBackbones, testing::Values(false, true));

TEST_P(BothBackbones, PackedIsSeparate) {
  const Sequence packed = mixed(spec());
  const at::Tensor together = test::run(model_, packed);
  int64_t patch = 0, picture = 0;
  for (size_t s = 0; s + 1 < packed.offsets.size(); ++s) {
    Sequence one;
    const int64_t begin = packed.offsets[s], end = packed.offsets[s + 1];
    one.tokens.assign(packed.tokens.begin() + begin, packed.tokens.begin() + end);
    one.modality.assign(packed.modality.begin() + begin, packed.modality.begin() + end);
    one.offsets = {0, end - begin};
    const int64_t patches = std::count(one.modality.begin(), one.modality.end(), 1);
    one.patches_QP = packed.patches_QP.narrow(0, patch, patches);
    one.timesteps_I = packed.timesteps_I.narrow(0, picture, patches / spec().patches_per_image());
    patch += patches;
    picture += patches / spec().patches_per_image();
    EXPECT_LE((together.narrow(0, begin, end - begin) - test::run(model_, one)).abs().max().item<double>(),
              1e-5);
  }
}

TEST_P(BothBackbones, LaterTokensDoNotChangeEarlierOutputs) {
  Sequence sequence;
  test::append(sequence, spec(), 5, true, 9);
  test::draw_patches(sequence, spec());
  const at::Tensor before = test::run(model_, sequence);
  const int64_t changed = 5 + spec().patches_per_image() + 3;
  sequence.tokens[static_cast<size_t>(changed)] =
      (sequence.tokens[static_cast<size_t>(changed)] + 1) % spec().vocab_size;
  const at::Tensor after = test::run(model_, sequence);
  EXPECT_TRUE(torch::equal(before.narrow(0, 0, changed), after.narrow(0, 0, changed)));
  EXPECT_FALSE(torch::equal(before.narrow(0, changed, 1), after.narrow(0, changed, 1)));
}

TEST_P(BothBackbones, StepByStepWithCarriedStateIsTheWholeSequence) {
  Sequence sequence;
  test::append(sequence, spec(), 6, true, 7);
  test::draw_patches(sequence, spec());
  const at::Tensor whole = test::run(model_, sequence);
  models::ModelState state;
  const int64_t num_tokens = static_cast<int64_t>(sequence.tokens.size()),
                patches = spec().patches_per_image();
  for (int64_t t = 0; t < num_tokens;) {
    const bool picture = sequence.modality[static_cast<size_t>(t)] == 1;
    const int64_t length = picture ? patches : 1;  // a token, or a block of patches
    Sequence part;
    part.tokens.assign(sequence.tokens.begin() + t, sequence.tokens.begin() + t + length);
    part.modality.assign(sequence.modality.begin() + t, sequence.modality.begin() + t + length);
    part.offsets = {0, length};
    part.patches_QP = sequence.patches_QP.narrow(0, 0, picture ? patches : 0);
    part.timesteps_I = sequence.timesteps_I.narrow(0, 0, picture ? 1 : 0);
    EXPECT_LE((test::run(model_, part, &state) - whole.narrow(0, t, length)).abs().max().item<double>(), 1e-5)
        << "position " << t;
    t += length;
  }
}

TEST_P(BothBackbones, CountsAreWhatIsThere) {
  int64_t total = 0;
  for (auto& item : model_->named_parameters()) total += item.value().numel();
  EXPECT_EQ(models::count_parameters(spec()).total, total);
}

TEST_P(BothBackbones, SavesAndLoads) {
  test::TempFolder folder;
  models::write_model(folder.path(), *model_);
  Model loaded = models::load_model(folder.path());
  const Sequence sequence = mixed(spec());
  EXPECT_TRUE(torch::equal(test::run(model_, sequence), test::run(loaded, sequence)));
}

// Nothing knows how many modalities there are: five, one of which no batch has.
TEST(Model, AnyNumberOfModalities) {
  models::ModelSpec spec = test::tiny_spec(kAll);
  spec.setting.clear();
  spec.latent_shape.clear();
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
