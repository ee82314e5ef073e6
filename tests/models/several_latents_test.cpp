// Several modalities of latents in one model: each is to it what it is alone, whichever stands first; losses, noise and
// timesteps are each modality's own; and generation, step by step, sees what the full pass sees.
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/models/convert.h"
#include "mom/models/counts.h"
#include "mom/models/objective.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using modality::Brackets;
using modality::Modality;

const Modality kPhoto = Modality::latents("photo", {4, 5}, {2, 4, 4}),
               kSignal = Modality::latents("signal", {6, 7}, {3, 1, 6}, 1),
               kDepth = Modality::latents("depth", {6, 7}, {1, 4, 8});

models::ModelSpec spec_of(const std::vector<Modality>& latents, const test::Variant& variant) {
  models::ModelSpec spec = test::tiny_backbone(variant);
  spec.vocabulary = {};
  spec.vocabulary.add(Modality::tokens("text"), 50);
  for (const Modality& modality : latents) spec.vocabulary.add(modality, 0);
  spec.vocab_size = spec.vocabulary.size();
  spec.modalities = spec.vocabulary.names();
  return spec.resolved();
}

// Text and items in turn; `order`: the names of items. Of each modality its own tensors, in their order.
struct Layout {
  std::vector<std::string> order;
  std::map<std::string, at::Tensor> latents_ICHW;
};

data::Batch batch_of(const models::ModelSpec& spec, const Layout& layout) {
  std::vector<int64_t> tokens, modality, offsets = {0};
  const auto add = [&](int64_t token, int64_t of, int64_t count) {
    tokens.insert(tokens.end(), static_cast<size_t>(count), token);
    modality.insert(modality.end(), static_cast<size_t>(count), of);
  };
  for (const std::string& name : layout.order) {
    const Modality& item = *spec.vocabulary.find(name);
    add(20 + static_cast<int64_t>(tokens.size()) % 30, 0, 1);
    add(11, 0, 2);
    add(item.brackets->open, 0, 1);
    add(0, spec.vocabulary.index_of(&item), item.positions_per_item());
    add(item.brackets->close, 0, 1);
    if (tokens.size() > 60) offsets.push_back(static_cast<int64_t>(tokens.size()));
  }
  if (offsets.back() != std::ssize(tokens)) offsets.push_back(std::ssize(tokens));
  data::Batch batch;
  batch.routing =
      nn::make_routing(torch::tensor(modality, torch::kInt64), torch::tensor(offsets, torch::kInt64),
                       static_cast<int64_t>(spec.modalities.size()));
  const at::Tensor tokens_T = torch::tensor(tokens, torch::kInt64);
  batch.tokens_T = torch::empty_like(tokens_T).index_copy_(0, batch.routing.order_T, tokens_T);
  batch.target_rows_R = batch.routing.order_T.slice(0, 0, 2).clone();
  batch.target_ids_R = torch::tensor({3L, 9L});
  batch.target_modalities_R = torch::zeros({2}, torch::kInt64);
  for (const Modality* of : spec.vocabulary.continuous()) {
    data::LatentItems items;
    items.latents_ICHW =
        layout.latents_ICHW.contains(of->name)
            ? layout.latents_ICHW.at(of->name)
            : torch::zeros({0, of->latent_shape[0], of->latent_shape[1], of->latent_shape[2]});
    items.image_first_I.assign(static_cast<size_t>(items.count()), false);
    batch.items.push_back(std::move(items));
  }
  batch.noise_key = 77;
  return batch;
}

at::Tensor random_items(const Modality& of, int64_t count) {
  return torch::randn({count, of.latent_shape[0], of.latent_shape[1], of.latent_shape[2]});
}

// Without targets: the loss is that of the latents alone.
data::Batch without_targets(data::Batch batch) {
  batch.target_rows_R = batch.target_rows_R.slice(0, 0, 0);
  batch.target_ids_R = batch.target_ids_R.slice(0, 0, 0);
  batch.target_modalities_R = batch.target_modalities_R.slice(0, 0, 0);
  return batch;
}

// The weights of a model of one modality of latents, from one of several: patch_in.weight is patch_in.MODALITY.weight.
void copy_weights(models::Model& from, models::Model& to, const std::string& alone) {
  const torch::NoGradGuard no_grad;
  const auto source = from->named_parameters();
  for (auto& item : to->named_parameters()) {
    std::string name = item.key();
    if (!source.contains(name)) {
      const size_t dot = name.find('.');
      name = name.substr(0, dot) + "." + alone + name.substr(dot);
    }
    ASSERT_TRUE(source.contains(name)) << item.key() << " as " << name;
    item.value().copy_(source[name]);
  }
}

// Off the zeros that adapters start from.
models::Model stirred(const models::ModelSpec& spec) {
  models::Model model = test::initialised(spec);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  for (auto& item : model->named_parameters())
    if (item.value().abs().max().item<double>() == 0) item.value().normal_(0, 0.05);
  return model;
}

class SeveralLatents : public testing::TestWithParam<test::Variant> {
 protected:
  // A U-Net's patches are not one row high.
  static bool square() { return GetParam().patch_net != models::kLinearPatches; }
  static Modality second() { return square() ? kDepth : kSignal; }
};

// A batch in which one modality of latents has no items is to the model what it is to one that lacks that modality: bit for
// bit where products have as many rows.
TEST_P(SeveralLatents, EachIsWhatItIsAlone) {
  if (GetParam().route == models::kRandomRoute) GTEST_SKIP() << "there are as many random sets as modalities";
  at::set_num_threads(1);
  for (const bool swapped : {false, true}) {
    if (swapped && GetParam().backbone != "mixture_of_mamba") continue;
    const std::vector<Modality> both =
        swapped ? std::vector{second(), kPhoto} : std::vector{kPhoto, second()};
    models::Model model = stirred(spec_of(both, GetParam()));
    for (const Modality& one : both) {
      models::Model alone(spec_of({one}, GetParam()));
      copy_weights(model, alone, one.name);
      torch::manual_seed(3);
      const Layout layout{{one.name, one.name}, {{one.name, random_items(one, 2)}}};
      const data::Batch with = batch_of(model->spec(), layout), without = batch_of(alone->spec(), layout);
      const models::CosineSchedule schedule(1000);
      models::NoisedInput noised =
          models::make_input(without, alone->spec(), schedule, models::Timesteps::kUniform);
      models::NoisedInput same =
          models::make_input(with, model->spec(), schedule, models::Timesteps::kUniform);
      const auto k = static_cast<size_t>(model->spec().vocabulary.latents_number(one));
      same.input.patches_QP[k] = noised.input.patches_QP[0];  // each number has draws of its own
      same.input.timesteps_I = noised.input.timesteps_I;
      const torch::NoGradGuard no_grad;
      const at::Tensor expected = alone->forward(noised.input).index_select(0, without.routing.order_T),
                       found = model->forward(same.input).index_select(0, with.routing.order_T);
      EXPECT_TRUE(at::allclose(found, expected, 1e-5, 1e-5)) << one.name;
      const at::Tensor hidden = model->forward(same.input);
      EXPECT_TRUE(at::allclose(model->noise(hidden, same.input, k),
                               alone->noise(alone->forward(noised.input), noised.input), 1e-4, 1e-5))
          << one.name;
    }
  }
}

// What is later changes nothing before it, and of items of both modalities each is read and predicted as itself.
TEST_P(SeveralLatents, LaterItemsChangeNothingBefore) {
  if (models::find_backbone(GetParam().backbone).has("experts")) GTEST_SKIP() << "experts share places";
  const models::ModelSpec spec = spec_of({kPhoto, second()}, GetParam());
  models::Model model = stirred(spec);
  torch::manual_seed(4);
  const Layout layout{{"photo", second().name, "photo"},
                      {{"photo", random_items(kPhoto, 2)}, {second().name, random_items(second(), 1)}}};
  data::Batch batch = batch_of(spec, layout);
  const models::CosineSchedule schedule(1000);
  const models::NoisedInput noised = models::make_input(batch, spec, schedule, models::Timesteps::kUniform);
  const torch::NoGradGuard no_grad;
  const auto run = [&](size_t k, int64_t patch, int64_t timestep_of = -1) {
    models::ModelInput input = noised.input;
    input.skips = std::make_shared<models::PatchSkips>();
    input.timesteps_I = input.timesteps_I.clone();
    if (timestep_of >= 0)
      input.timesteps_I[timestep_of] = (input.timesteps_I[timestep_of].item<int64_t>() + 400) % 1000;
    if (patch >= 0) {
      input.patches_QP[k] = input.patches_QP[k].clone();
      input.patches_QP[k][patch].add_(1);
    }
    return model->forward(input).index_select(0, batch.routing.order_T);
  };
  const at::Tensor plain = run(0, -1);
  // Positions before the second modality's item: 3 of text, its token, the photo, its end, and so on.
  const int64_t photo = kPhoto.positions_per_item(), before_second = 3 + 1 + photo + 1 + 3 + 1,
                before_last = before_second + second().positions_per_item() + 1 + 3 + 1;
  const at::Tensor second_changed = run(1, 0), last_changed = run(0, photo);
  // A convolution by FFT rounds otherwise where what is later is other.
  const auto same_before = [&](const at::Tensor& changed, int64_t end) {
    return at::allclose(changed.slice(0, 0, end), plain.slice(0, 0, end), 1e-5, 1e-5);
  };
  EXPECT_TRUE(same_before(second_changed, before_second));
  EXPECT_FALSE(same_before(second_changed, before_second + 1));
  EXPECT_TRUE(same_before(last_changed, before_last));
  EXPECT_FALSE(same_before(last_changed, before_last + photo));
  // Timesteps are in the order of rows: both photos', then the other's.
  EXPECT_TRUE(same_before(run(0, -1, 1), before_last));
  EXPECT_FALSE(same_before(run(0, -1, 1), before_last + photo));
  EXPECT_TRUE(same_before(run(0, -1, 2), before_second));
  EXPECT_FALSE(same_before(run(0, -1, 2), before_second + second().positions_per_item()));
}

INSTANTIATE_TEST_SUITE_P(AllVariants, SeveralLatents, testing::ValuesIn(test::all_variants()),
                         [](const auto& each) { return each.param.name(); });

TEST(SeveralLatentsObjective, LossesWeightsAndDrawsAreEachModalitysOwn) {
  const models::ModelSpec spec = spec_of({kPhoto, kSignal}, test::Variant{"mixture_of_mamba"});
  models::Model model = stirred(spec);
  torch::manual_seed(6);
  const data::Batch batch =
      batch_of(spec, {{"signal", "photo", "signal"},
                      {{"photo", random_items(kPhoto, 1)}, {"signal", random_items(kSignal, 2)}}});
  models::ObjectiveConfig config;
  config.image_weight = 3;
  config.weights = {{"signal", 0.5}, {"text", 2}};
  for (const auto& [prediction, weighting] :
       {std::pair{models::Prediction::kNoise, "uniform"}, {models::Prediction::kVelocity, "min_snr"}}) {
    config.loss_weighting = weighting;
    models::ModelSpec own = spec;
    own.prediction = prediction;
    models::Model predicting(own);
    copy_weights(model, predicting, "");
    const models::Objective objective(config, spec.vocabulary);
    const models::LossReport terms = models::count_terms(batch, own);
    EXPECT_EQ(terms[1].count, 32);
    EXPECT_EQ(terms[2].count, 36);
    const models::BatchLoss loss = objective(*predicting, batch, terms, models::Timesteps::kUniform);
    const models::NoisedInput noised =
        models::make_input(batch, own, objective.schedule(), models::Timesteps::kUniform);
    const at::Tensor hidden = predicting->forward(noised.input);
    const at::Tensor t = noised.input.timesteps_I;
    ASSERT_EQ(t.size(0), 3);
    for (size_t k = 0; k < 2; ++k) {
      const Modality& latents = k == 0 ? kPhoto : kSignal;
      const at::Tensor own_t = k == 0 ? t.slice(0, 0, 1) : t.slice(0, 1, 3);
      const auto images = [&](const at::Tensor& patches) {
        return models::unpatchify(patches, latents.latent_shape, latents.patch_size);
      };
      const at::Tensor noise =
          objective.schedule().noise(prediction, images(noised.input.patches_QP[k]),
                                     images(predicting->noise(hidden, noised.input, k)), own_t);
      EXPECT_NEAR(loss.report()[k + 1].mean(), (noise - noised.noise_ICHW[k]).square().mean().item<double>(),
                  2e-4)
          << k;
    }
    if (std::string(weighting) == "uniform") {
      EXPECT_NEAR(loss.total.item<double>(),
                  2 * loss.report()[0].mean() + 3 * loss.report()[1].mean() + 0.5 * loss.report()[2].mean(),
                  1e-4);
    }
    EXPECT_NEAR(objective.combined_loss(loss.report()),
                2 * loss.report()[0].mean() + 3 * loss.report()[1].mean() + 0.5 * loss.report()[2].mean(),
                1e-9);
  }
  // The first modality's draws are those that it has alone.
  const models::ModelSpec alone = spec_of({kPhoto}, test::Variant{"mixture_of_mamba"});
  data::Batch photos = batch;
  photos.items.resize(1);
  const models::CosineSchedule schedule(1000);
  EXPECT_TRUE(
      at::equal(models::make_input(photos, alone, schedule, models::Timesteps::kUniform).noise_ICHW[0],
                models::make_input(batch, spec, schedule, models::Timesteps::kUniform).noise_ICHW[0]));
}

// What is said of one by its name is to it what it is where it is said of the only one there is: the loss, and so all of what
// is drawn, embedded, predicted and weighted. The modality that is asked about stands first, where its draws are those it has alone.
TEST(SeveralLatentsSettings, OfOneByNameAreAsOfTheOnlyOne) {
  at::set_num_threads(1);
  models::ModelSpec base = test::tiny_backbone({"mixture_of_mamba", "four", models::kUNetPatches, true});
  for (const bool asks_photo : {true, false}) {
    const Modality one = asks_photo ? kPhoto : kSignal, other = asks_photo ? kSignal : kPhoto;
    const auto spec_with = [&](const std::vector<Modality>& latents, const auto& set) {
      models::ModelSpec spec = base;
      spec.vocabulary = {};
      spec.vocabulary.add(Modality::tokens("text"), 50);
      for (const Modality& modality : latents) spec.vocabulary.add(modality, 0);
      spec.vocab_size = spec.vocabulary.size();
      spec.modalities = spec.vocabulary.names();
      set(spec);
      EXPECT_EQ(spec.problem_with_data(), "");
      return spec.resolved();
    };
    models::ObjectiveConfig named, plain;
    named.loss_weighting = plain.loss_weighting = "min_snr";
    named.image_first_max_timestep = 400;
    named.schedules = {{"signal", 50}};
    plain.diffusion_steps = asks_photo ? 1000 : 50;
    plain.image_first_max_timestep = asks_photo ? 400 : 20;
    const models::ModelSpec both = spec_with({one, other}, [](models::ModelSpec& spec) {
      spec.patch_nets = {{"signal", models::kLinearPatches}};
      spec.schedules = {{"signal", 50}};
      spec.predictions = {{"signal", models::Prediction::kVelocity}};
    });
    const models::ModelSpec only = spec_with({one}, [&](models::ModelSpec& spec) {
      if (asks_photo) return;
      spec.patch_net = models::kLinearPatches;
      spec.diffusion_steps = 50;
      spec.prediction = models::Prediction::kVelocity;
    });
    models::Model model = stirred(both), alone(only);
    copy_weights(model, alone, one.name);
    torch::manual_seed(8);
    const Layout layout{std::vector<std::string>(6, one.name), {{one.name, random_items(one, 6)}}};
    data::Batch with = without_targets(batch_of(both, layout)),
                without = without_targets(batch_of(only, layout));
    with.items[0].image_first_I[2] = without.items[0].image_first_I[2] = true;
    const auto loss_of = [](models::Model& of, const models::ObjectiveConfig& config,
                            const data::Batch& batch) {
      return models::Objective(config, of->spec().vocabulary)(
          *of, batch, models::count_terms(batch, of->spec()), models::Timesteps::kUniform);
    };
    const models::BatchLoss found = loss_of(model, named, with), expected = loss_of(alone, plain, without);
    EXPECT_NEAR(found.total.item<double>(), expected.total.item<double>(), 1e-5) << one.name;
    EXPECT_NEAR(found.report()[1].mean(), expected.report()[1].mean(), 1e-5) << one.name;
    const at::Tensor t =
        models::make_input(with, both, models::schedules_of(both), models::Timesteps::kUniform, 400)
            .input.timesteps_I;
    EXPECT_LE(t.max().item<int64_t>(), asks_photo ? 999 : 49);
    EXPECT_LE(t[2].item<int64_t>(), asks_photo ? 400 : 20);
    EXPECT_EQ(models::count_parameters(both).active[1], models::count_parameters(only).active[1]);
    EXPECT_EQ(models::flops_per_token(both)[1].total(), models::flops_per_token(only)[1].total());
  }
}

TEST(SeveralLatentsSettings, StandInFilesAndAreComparedByWhatTheyComeTo) {
  models::ModelSpec spec = spec_of({kPhoto, kSignal}, test::Variant{"mixture_of_mamba"});
  EXPECT_FALSE(models::to_json(spec).contains("patch_nets"));
  spec.patch_nets = {{"photo", models::kConvPatches}};
  spec.patch_net_channels = 0;
  spec.schedules = {{"photo", 30}};
  spec.predictions = {{"signal", models::Prediction::kVelocity}};
  spec = spec.resolved();
  EXPECT_GT(spec.patch_net_channels, 0);
  const OrderedJson json = models::to_json(spec);
  const auto read = [](const OrderedJson& file) {
    return models::spec_from_json(parse_json(file.dump(), ""), "config.json");
  };
  EXPECT_EQ(models::to_json(read(json)), json);
  for (const auto& [key, value] : {std::pair{"patch_nets", "photo"}, {"predictions", "signal"}}) {
    OrderedJson wrong = json;
    wrong[key][value] = "fourier";
    EXPECT_THROW(read(wrong), InputError) << key;
  }
  for (const char* key : {"patch_nets", "schedules", "predictions"}) {
    OrderedJson wrong = json;
    wrong[key] = {{"smell", key == std::string("schedules")
                                ? OrderedJson(3)
                                : OrderedJson(key == std::string("patch_nets") ? "conv" : "noise")}};
    try {
      read(wrong);
      ADD_FAILURE() << key;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("smell"), std::string::npos) << error.what();
    }
  }
  // Said of all or by name: a model is started from where it comes to the same.
  test::TempFolder folder;
  models::write_model(folder.path(), *stirred(spec));
  models::ModelSpec same = spec;
  same.diffusion_steps = 30;
  same.schedules = {{"signal", 1000}};
  models::Model fresh(same);
  models::start_from(*fresh, folder.path());
  same.schedules = {};
  models::Model other(same);
  try {
    models::start_from(*other, folder.path());
    ADD_FAILURE() << "started from another schedule";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("\"diffusion_steps\" of signal"), std::string::npos)
        << error.what();
  }
  models::start_from(*other, folder.path(), {"diffusion_steps"});
}

TEST(SeveralLatentsModel, NamesAndCounts) {
  const auto names_of = [](const std::vector<Modality>& latents) {
    std::set<std::string> names;
    const models::Model model(spec_of(latents, test::Variant{"mixture_of_mamba"}));
    for (const auto& item : model->named_parameters()) names.insert(item.key());
    return names;
  };
  EXPECT_TRUE(names_of({kPhoto}).contains("patch_in.weight"));
  const std::set<std::string> both = names_of({kPhoto, kSignal});
  EXPECT_FALSE(both.contains("patch_in.weight"));
  for (const char* name : {"patch_in.photo.weight", "patch_out.signal.bias", "timestep_in.signal.weight"})
    EXPECT_TRUE(both.contains(name)) << name;
  // A token passes the adapters of its own modality.
  const auto active =
      models::count_parameters(spec_of({kPhoto, kSignal}, test::Variant{"mixture_of_mamba"})).active;
  EXPECT_EQ(active[1],
            models::count_parameters(spec_of({kPhoto}, test::Variant{"mixture_of_mamba"})).active[1]);
  EXPECT_EQ(active[2],
            models::count_parameters(spec_of({kSignal}, test::Variant{"mixture_of_mamba"})).active[1]);
  // config.json has the table alone, and comes back.
  const models::ModelSpec spec = spec_of({kPhoto, kSignal}, test::Variant{"mixture_of_mamba"});
  const OrderedJson json = models::to_json(spec);
  EXPECT_FALSE(json.contains("latent_shape"));
  EXPECT_EQ(models::spec_from_json(parse_json(json.dump(), ""), "config.json").vocabulary, spec.vocabulary);
}

}  // namespace
}  // namespace mom
