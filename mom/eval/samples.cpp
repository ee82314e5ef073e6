#include "mom/eval/samples.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/random.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/packer.h"

namespace mom::eval {
namespace {

// Far enough into the schedule that the picture is hard to see, not so far that it is gone.
constexpr double kNoiseTime = 0.6;

struct Example {
  data::Batch batch;
  std::string caption;
};

std::vector<Example> first_pictures(const data::EncodedDataset& dataset, const train::Recipe& recipe,
                                    const codecs::TextCodec& text, int64_t count) {
  data::LayOutOptions layout = data::held_out_layout(dataset, recipe.data, recipe.model.patches());
  layout.caption_first = 1;
  std::vector<Example> examples;
  for (const data::SourceView& view : data::sources_of(dataset, "validation")) {
    const size_t stride = std::max<size_t>(1, view.documents.size() / static_cast<size_t>(count));
    for (size_t i = 0; i < view.documents.size() && static_cast<int64_t>(examples.size()) < count;
         i += stride) {
      const auto& [shard, index] = view.documents[i];
      const data::LaidOut document = data::lay_out(*shard, index, layout, RandomStream(stream_key({i})));
      if (document.pictures.size() != 1) continue;
      data::BatchBuilder builder(layout, recipe.data.reset_state);
      builder.add(document, 0, static_cast<int64_t>(document.positions.size()));
      std::vector<int32_t> caption;
      for (int32_t position : document.positions)
        if (layout.vocabulary.pieces().contains(position)) caption.push_back(position);
      examples.push_back({builder.finish(stream_key({fnv1a64("samples"), i})), text.decode(caption)});
    }
  }
  return examples;
}

}  // namespace

void write_denoised_samples(const Path& run, models::ModelImpl& model, const models::Objective& objective,
                            const data::EncodedDataset& dataset, const train::Recipe& recipe, int64_t step,
                            int64_t count) {
  torch::NoGradGuard no_grad;
  const codecs::CodecSet codecs = data::codecs_of(dataset);
  const codecs::TextCodec& text = codecs.text(dataset.vocabulary.text()->name);
  const models::CosineSchedule& schedule = objective.schedule();
  const modality::Modality& latents = *model.spec().latents();
  const codecs::MediaCodec& codec = codecs.media(latents.name);
  // Those of a codec from outside are decoded elsewhere, and of several modalities which is not said here.
  if (codec.media() == codecs::MediaKind::kArray || model.spec().vocabulary.continuous().size() > 1) return;
  const int64_t timestep = static_cast<int64_t>(kNoiseTime * static_cast<double>(schedule.steps()));
  OrderedJson items = OrderedJson::array();
  FolderPublisher folder(run / "samples", /*replace=*/true);
  for (const Example& example : first_pictures(dataset, recipe, text, count)) {
    models::NoisedInput noised =
        models::make_input(example.batch, model.spec(), objective.schedules(), models::Timesteps::kUniform);
    noised.input.timesteps_I.fill_(timestep);
    const at::Tensor& original = example.batch.items[0].latents_ICHW;
    const at::Tensor input = schedule.add_noise(original, noised.noise_ICHW[0], noised.input.timesteps_I);
    noised.input.patches_QP = {models::patchify(input, latents.patch_size)};
    const at::Tensor predicted = models::unpatchify(model.noise(model.forward(noised.input), noised.input),
                                                    latents.latent_shape, latents.patch_size);
    const at::Tensor clean =
        schedule.clean(model.spec().prediction_of(latents), input, predicted, noised.input.timesteps_I);
    const std::vector<codecs::Media> decoded = codec.decode_items(
        {{.latents_CHW = original[0]}, {.latents_CHW = input[0]}, {.latents_CHW = clean[0]}});
    const std::string stem = "picture-" + std::to_string(items.size());
    const char* kinds[] = {"original", "noised", "denoised"};
    OrderedJson item;
    item["caption"] = example.caption;
    item["timestep"] = timestep;
    for (size_t k = 0; k < 3; ++k) {
      const std::string name = stem + "-" + kinds[k] + codecs::file_ending(codec.media());
      publish_file(folder.path() / name, codecs::to_file(decoded[k]));
      item[kinds[k]] = name;
    }
    items.push_back(item);
  }
  OrderedJson index;
  index["step"] = step;
  index["items"] = items;
  publish_json(folder.path() / "denoised.json", index);
  folder.commit();
}

}  // namespace mom::eval
