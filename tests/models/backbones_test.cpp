// What every backbone owes: packing, causality, state, counts, files, names. One suite over all of them, with every
// pattern of scans, and with a U-Net, positions of patches and adaptive norms.
#include <gtest/gtest.h>
#include <torch/optim/adamw.h>

#include "mom/base/error.h"
#include "mom/modality/presets.h"
#include "mom/models/backbones.h"
#include "mom/models/counts.h"
#include "mom/models/model.h"
#include "mom/models/objective.h"
#include "tests/models/convolution_mixer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using models::Model;
using test::Sequence;

class EveryBackbone : public testing::TestWithParam<test::Variant> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }  // the shapes are tiny
  Model model_ = test::initialised(test::tiny_backbone(GetParam()));
  const models::ModelSpec& spec() { return model_->spec(); }
};
INSTANTIATE_TEST_SUITE_P(Backbones, EveryBackbone, testing::ValuesIn(test::all_variants()),
                         [](const auto& variant) { return variant.param.name(); });

// Rows of `before` that `after` repeats: to the bit, except where docs/numerics.md promises them to rounding only
// ("What has the same bits"): ssm, and experts, whose products take other rows together when a token is changed.
at::Tensor unchanged_rows(const models::ModelSpec& spec, const at::Tensor& before, const at::Tensor& after) {
  if (spec.has_mixer("ssm") || spec.has_mixer("experts")) return (before - after).abs().le(1e-5).all(1);
  return before.eq(after).all(1);
}

TEST_P(EveryBackbone, PackedIsSeparate) {
  const Sequence packed = test::mixed(spec());
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
    one.timesteps_I = packed.timesteps_I.narrow(0, picture, patches / spec().latents()->positions_per_item());
    patch += patches;
    picture += patches / spec().latents()->positions_per_item();
    EXPECT_LE((together.narrow(0, begin, end - begin) - test::run(model_, one)).abs().max().item<double>(),
              1e-5);
  }
}

TEST_P(EveryBackbone, LaterTokensDoNotChangeEarlierOutputs) {
  Sequence sequence;
  test::append(sequence, spec(), 5, true, 9);
  test::draw_patches(sequence, spec());
  const at::Tensor before = test::run(model_, sequence);
  const int64_t changed = 5 + spec().latents()->positions_per_item() + 3;
  sequence.tokens[static_cast<size_t>(changed)] =
      (sequence.tokens[static_cast<size_t>(changed)] + 1) % spec().vocab_size;
  const at::Tensor after = test::run(model_, sequence);
  const at::Tensor same = unchanged_rows(spec(), before, after);
  EXPECT_TRUE(same.narrow(0, 0, changed).all().item<bool>());
  EXPECT_FALSE(same[changed].item<bool>());
}

TEST_P(EveryBackbone, StepByStepWithCarriedStateIsTheWholeSequence) {
  Sequence sequence;
  test::append(sequence, spec(), 6, true, 7);
  test::draw_patches(sequence, spec());
  const at::Tensor whole = test::run(model_, sequence);
  models::ModelState state;
  const int64_t num_tokens = static_cast<int64_t>(sequence.tokens.size()),
                patches = spec().latents()->positions_per_item();
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

TEST_P(EveryBackbone, CountsAreWhatIsThere) {
  int64_t total = 0;
  for (auto& item : model_->named_parameters()) total += item.value().numel();
  EXPECT_EQ(models::count_parameters(spec()).total, total);
}

TEST_P(EveryBackbone, SavesAndLoads) {
  test::TempFolder folder;
  models::write_model(folder.path(), *model_);
  Model loaded = models::load_model(folder.path());
  const Sequence sequence = test::mixed(spec());
  EXPECT_TRUE(torch::equal(test::run(model_, sequence), test::run(loaded, sequence)));
}

// A changed patch changes its whole picture where it is read both ways, by attention, two blocks or a U-Net, and only
// what follows elsewhere; nothing before the picture either way.
TEST_P(EveryBackbone, AChangedPatch) {
  Sequence sequence;
  test::append(sequence, spec(), 5, true, 3);
  test::draw_patches(sequence, spec());
  const at::Tensor before = test::run(model_, sequence);
  sequence.patches_QP = sequence.patches_QP.clone();
  sequence.patches_QP[2].add_(1);
  const at::Tensor after = test::run(model_, sequence);
  const at::Tensor same = unchanged_rows(spec(), before, after);
  EXPECT_TRUE(same.narrow(0, 0, 5).all().item<bool>());
  const bool both_ways =
      spec().has_mixer("attention") || GetParam().scan != nn::kRasterScan || spec().has_conv_patches();
  EXPECT_EQ(same.narrow(0, 5, 2).any().item<bool>(), !both_ways);
  EXPECT_FALSE(same.narrow(0, 7, spec().latents()->positions_per_item() - 2 + 3).any().item<bool>());
}

// The token before an item reaches its rows in every block at once, whatever the mixer makes of it; and the text that
// follows hears of it no other way than by the mixer.
TEST(AdaptiveNorm, TheTokenBeforeAnItemChangesItsRowsWhereMixersSayNothing) {
  for (const bool adaptive : {false, true}) {
    Model model = test::initialised(
        test::tiny_backbone(test::Variant{.backbone = "transformer", .adaptive_norm = adaptive}));
    torch::NoGradGuard no_grad;
    for (auto& item : model->named_parameters())
      if (item.key().find("o_proj") != std::string::npos) item.value().zero_();  // attention is silent
    Sequence sequence;
    test::append(sequence, model->spec(), 5, true, 3);
    test::draw_patches(sequence, model->spec());
    const at::Tensor before = test::run(model, sequence);
    sequence.tokens[4] = (sequence.tokens[4] + 1) % model->spec().vocab_size;
    const at::Tensor same = before.eq(test::run(model, sequence)).all(1);
    const int64_t patches = model->spec().latents()->positions_per_item();
    EXPECT_TRUE(same.narrow(0, 0, 4).all().item<bool>());
    EXPECT_FALSE(same[4].item<bool>());
    EXPECT_EQ(same.narrow(0, 5, patches).any().item<bool>(), !adaptive);
    EXPECT_TRUE(same.narrow(0, 5 + patches, 3).all().item<bool>());
  }
}

// It starts as the plain norm: the same model with and without says the same until it is trained.
TEST(AdaptiveNorm, StartsAsThePlainNorm) {
  const models::ModelSpec plain = test::tiny_backbone("mixture_of_mamba");
  models::ModelSpec adaptive = plain;
  adaptive.adaptive_norm = true;
  Model a(plain), b(adaptive);
  models::initialise(*a, 7), models::initialise(*b, 7);
  const Sequence sequence = test::mixed(plain);
  EXPECT_TRUE(torch::equal(test::run(a, sequence), test::run(b, sequence)));
}

TEST_P(EveryBackbone, EveryParameterGetsAGradient) {
  const Sequence sequence = test::mixed(spec());
  models::ModelInput input = test::to_input(sequence);
  const at::Tensor hidden = model_->forward(input);
  (model_->logits(hidden).square().sum() + model_->noise(hidden, input).square().sum()).backward();
  for (const auto& item : model_->named_parameters())
    EXPECT_TRUE(item.value().grad().defined() && item.value().grad().abs().max().item<double>() > 0)
        << item.key();
}

TEST_P(EveryBackbone, SpecSurvivesItsFile) {
  const models::ModelSpec read =
      models::spec_from_json(Json::parse(models::to_json(spec()).dump()), "config.json");
  EXPECT_EQ(models::to_json(read).dump(), models::to_json(spec()).dump());
}

TEST_P(EveryBackbone, StateHasTheStatedSize) {
  Sequence sequence;
  test::append(sequence, spec(), 6, false, 0);
  test::draw_patches(sequence, spec());
  models::ModelState state;
  test::run(model_, sequence, &state);
  int64_t bytes = state.hidden_SE.defined() ? static_cast<int64_t>(state.hidden_SE.nbytes()) : 0;
  for (const nn::MixerState& block : state.blocks) {
    for (const at::Tensor& tensor : {block.conv_SDK, block.recurrent_SDN, block.normed_SE})
      if (tensor.defined()) bytes += static_cast<int64_t>(tensor.nbytes());
    for (const auto& list : {block.keys, block.values})
      for (const at::Tensor& tensor : list) bytes += static_cast<int64_t>(tensor.nbytes());
  }
  EXPECT_EQ(bytes, models::state_bytes(spec(), 6));
}

// Mixture-of-Transformers with the same weights in every modality is the Transformer, as Mixture-of-Mamba is
// Mamba (model_test.cpp).
TEST(MixtureOfTransformers, EqualWeightsInEveryModalityIsTheTransformer) {
  Model dense = test::initialised(test::tiny_backbone("transformer")),
        mixture = test::initialised(test::tiny_backbone("mixture_of_transformers"), 2);
  const Sequence sequence = test::mixed(dense->spec());
  EXPECT_GT((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-2);
  torch::NoGradGuard no_grad;
  auto source = dense->named_parameters();
  for (auto& item : mixture->named_parameters()) {
    std::string name = item.key();
    for (const char* modality : {".text.", ".image."})
      if (auto at = name.find(modality); at != std::string::npos)
        name.replace(at, std::strlen(modality), ".");
    item.value().copy_(source[name]);
  }
  EXPECT_LE((test::run(dense, sequence) - test::run(mixture, sequence)).abs().max().item<double>(), 1e-6);
}

// A token is the one three before it, whatever its modality; noise is that of a picture that never changes.
// 17 text ids, then 8 image codes and 8 speech codes where the setting has them.
data::Batch copy_batch(const models::ModelSpec& spec, int64_t seed) {
  at::manual_seed(seed);
  Sequence sequence;
  const bool patches = spec.latents() != nullptr;
  std::vector<int64_t> targets, target_modalities;
  for (int document = 0; document < 12; ++document) {
    if (patches) test::append(sequence, spec, 0, true, 0, false);
    const auto first = sequence.tokens.size();
    for (size_t i = 0; i < 18; ++i) {
      const int64_t modality = patches ? 0 : static_cast<int64_t>(i / 6 % spec.modalities.size());
      const int64_t symbol = i < 3 ? at::randint(8, {1}).item<int64_t>() : sequence.tokens[first + i - 3] % 8;
      sequence.tokens.push_back(8 * modality + symbol);
      sequence.modality.push_back(modality);
    }
    sequence.offsets.push_back(static_cast<int64_t>(sequence.tokens.size()));
  }
  const models::ModelInput input = test::to_input(sequence, static_cast<int64_t>(spec.modalities.size()));
  std::vector<int64_t> rows;
  const int64_t* order = input.routing.order_T.const_data_ptr<int64_t>();
  for (size_t s = 0; s + 1 < sequence.offsets.size(); ++s) {
    for (int64_t t = sequence.offsets[s + 1] - 18 + 2; t + 1 < sequence.offsets[s + 1]; ++t) {
      rows.push_back(order[t]);
      targets.push_back(sequence.tokens[static_cast<size_t>(t + 1)]);
      target_modalities.push_back(sequence.modality[static_cast<size_t>(t + 1)]);
    }
  }
  data::Batch batch;
  batch.routing = input.routing;
  batch.tokens_T = input.tokens_T;
  batch.target_rows_R = torch::tensor(rows), batch.target_ids_R = torch::tensor(targets);
  batch.target_modalities_R = torch::tensor(target_modalities);
  if (patches) batch.items = {{torch::ones({12, 2, 4, 4})}};
  for (int64_t m = 0; m < batch.routing.num_modalities(); ++m)
    batch.num_tokens.push_back(batch.routing.group_size(m));
  batch.noise_key = static_cast<uint64_t>(seed);
  return batch;
}

TEST_P(EveryBackbone, LearnsToCopyInEverySetting) {
  for (const modality::Preset& setting : modality::presets()) {
    if (setting.vocabulary.empty()) continue;  // custom: of no modalities in particular
    models::ModelSpec spec = test::tiny_backbone(GetParam());
    spec.modalities = setting.vocabulary.names();
    if (!setting.has_latents()) spec.vocabulary = {};
    if (!spec.problem_with_data().empty()) continue;
    Model model = test::initialised(spec, 4);
    const models::Objective objective({}, spec.vocabulary);
    torch::optim::AdamW adam(model->parameters(), torch::optim::AdamWOptions(8e-3));
    models::LossReport first, last;
    for (int64_t step = 0; step < 150; ++step) {
      const data::Batch batch = copy_batch(spec, step);
      adam.zero_grad();
      models::BatchLoss loss =
          objective(*model, batch, models::count_terms(batch, spec), models::Timesteps::kUniform);
      loss.total.backward();
      adam.step();
      if (step < 5) models::add(first, loss.report());
      if (step >= 145) models::add(last, loss.report());
    }
    for (size_t m = 0; m < spec.modalities.size(); ++m)
      EXPECT_LT(last[m].mean(), 0.4 * first[m].mean())
          << setting.name << " " << spec.modalities[m] << " " << first[m].mean();
  }
}

TEST(Backbones, ExpertChoiceIsRefusedForGeneration) {
  models::ModelSpec spec = test::tiny_backbone("moe_transformer");
  test::set(spec, "router", "expert_choice");
  Model model = test::initialised(spec);
  models::ModelState state;
  EXPECT_NO_THROW(test::run(model, test::mixed(spec)));
  EXPECT_THROW(test::run(model, test::mixed(spec), &state), UserError);
}

TEST(Backbones, SettingsWithoutUseAreNamed) {
  models::ModelSpec config;
  test::set(config, "experts", 8);
  test::set(config, "heads", 2);
  test::set(config, "state_size", 8);
  config.backbone = "mixture_of_mamba";
  EXPECT_EQ(models::unused_keys(config), (std::vector<std::string>{"heads", "experts"}));
  config.backbone = "moe_transformer";
  EXPECT_EQ(models::unused_keys(config), (std::vector<std::string>{"state_size"}));
}

TEST(Backbones, ScansAreRasterInOlderFoldersAndWithoutLatents) {
  Json json = Json::parse(models::to_json(test::tiny_backbone(test::Variant{"mamba", "four"})).dump());
  EXPECT_EQ(json["image_scan"], "four");
  EXPECT_EQ(models::to_json(models::spec_from_json(json, "config.json"))["image_scan"], "four");
  Json older = json;
  older.erase("image_scan");
  EXPECT_EQ(models::to_json(models::spec_from_json(older, "config.json"))["image_scan"], "raster");
  json["image_scan"] = "spiral";
  EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError);
  models::ModelSpec codes = test::tiny_backbone(test::Variant{"mamba", "four"});
  codes.vocabulary = test::with_codes(40, 10, 9);
  codes.modalities = codes.vocabulary.names();
  codes.vocab_size = codes.vocabulary.size();
  json = Json::parse(models::to_json(codes).dump());
  try {
    models::spec_from_json(json, "config.json");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("config.json: image_scan"), std::string::npos) << error.what();
  }
  json["image_scan"] = "raster";
  EXPECT_NO_THROW(models::spec_from_json(json, "config.json"));
}

TEST(Backbones, WeightsAreChosenByModalityInOlderFoldersAndWhereTheyAreNotTheRecipes) {
  models::ModelSpec spec = test::tiny_backbone("mixture_of_mamba");
  spec.route = models::kRandomRoute;
  EXPECT_TRUE(spec.resolved().has_random_sets());
  Json json = Json::parse(models::to_json(spec).dump());
  EXPECT_EQ(models::to_json(models::spec_from_json(json, "config.json"))["route"], "random");
  Json older = json;
  older.erase("route");
  EXPECT_EQ(models::to_json(models::spec_from_json(older, "config.json"))["route"], "modality");
  json["route"] = "hash";
  EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError);
  for (const char* other : {"mamba", "mixture_of_transformers"}) {
    spec.backbone = other;
    EXPECT_FALSE(spec.resolved().has_random_sets()) << other;
    json = Json::parse(models::to_json(test::tiny_backbone(other)).dump());
    json["route"] = "random";
    EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError) << other;
  }
}

TEST(Backbones, UnknownOnesAndMisfitsAreRefused) {
  EXPECT_THROW(models::find_backbone("perceiver"), UserError);
  models::ModelSpec config;
  config.backbone = "transformer";
  test::set(config, "heads", 5);
  EXPECT_THROW(config.resolved(), UserError);
  config.backbone = "moe_mamba";
  test::set(config, "experts", 1);
  test::set(config, "experts_per_token", 2);
  EXPECT_THROW(config.resolved(), UserError);
  Json json = Json::parse(models::to_json(test::tiny_backbone("transformer")).dump());
  json["decoupled"] = {"in_proj"};
  EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError);
  json["decoupled"] = Json::array();
  json["num_attention_heads"] = 7;
  EXPECT_THROW(models::spec_from_json(json, "config.json"), InputError);
}

}  // namespace
}  // namespace mom
