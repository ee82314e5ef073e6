#include <torch/types.h>

#include "mom/eval/samples.h"

namespace mom::eval {
namespace {

// Far enough into the schedule that the picture is hard to see, not so far that it is gone.
constexpr double kNoiseTime = 0.6;

}  // namespace

void add_denoised(OrderedJson& items, const Sampled& of, const modality::Modality& latents,
                  const Path& folder) {
  const models::ModelSpec& spec = of.model.spec();
  const auto k = static_cast<size_t>(spec.vocabulary.latents_number(latents));
  const models::CosineSchedule& schedule = of.objective.schedule(k);
  const codecs::MediaCodec& codec = of.codecs.media(latents.name);
  const auto timestep = static_cast<int64_t>(kNoiseTime * static_cast<double>(schedule.steps()));
  const at::Tensor timestep_I = torch::full({1}, timestep, torch::kInt64);
  for (const SampledDocument& sampled : documents_with_one(of, latents)) {
    models::NoisedInput noised = clean_input(sampled.batch, of);
    int64_t place = 0;  // of the item among those of all modalities
    for (size_t other = 0; other < k; ++other) place += sampled.batch.items[other].count();
    noised.input.timesteps_I[place] = timestep;
    const at::Tensor& original = sampled.batch.items[k].latents_ICHW;
    const at::Tensor input = schedule.add_noise(original, noised.noise_ICHW[k], timestep_I);
    noised.input.patches_QP[k] = models::patchify(input, latents.patch_size);
    noised.input.move_to(of.model.device());
    const at::Tensor predicted =
        models::unpatchify(of.model.noise(of.model.forward(noised.input), noised.input, k).cpu(),
                           latents.latent_shape, latents.patch_size);
    const at::Tensor clean = schedule.clean(spec.prediction_of(latents), input, predicted, timestep_I);
    const std::vector<codecs::Media> decoded = codec.decode_items(
        {{.latents_CHW = original[0]}, {.latents_CHW = input[0]}, {.latents_CHW = clean[0]}});
    OrderedJson item{{"modality", latents.name}, {"caption", sampled.caption}, {"timestep", timestep}};
    const std::string stem = latents.name + "-" + std::to_string(items.size());
    const char* kinds[] = {"original", "noised", "denoised"};
    for (size_t kind = 0; kind < 3; ++kind) add_file(item, kinds[kind], stem, decoded[kind], of, folder);
    items.push_back(item);
  }
}

}  // namespace mom::eval
