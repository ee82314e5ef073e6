#include "mom/eval/samples.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/random.h"

namespace mom::eval {
namespace {

int64_t items_of(const data::Shard& shard, int64_t document, size_t modality) {
  const auto first = shard.document_segments[static_cast<size_t>(document)],
             end = shard.document_segments[static_cast<size_t>(document) + 1];
  const auto segments =
      shard.segment_modality.subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  return std::count(segments.begin(), segments.end(), modality);
}

}  // namespace

std::vector<SampledDocument> documents_with_one(const Sampled& of, const modality::Modality& modality) {
  data::LayOutOptions layout = data::held_out_layout(of.dataset, of.recipe.data, of.recipe.model.patches());
  layout.caption_first = 1;
  const codecs::TextCodec& text = of.codecs.text(of.dataset.vocabulary.text()->name);
  const auto index =
      static_cast<size_t>(of.dataset.vocabulary.index_of(of.dataset.vocabulary.find(modality.name)));
  std::vector<SampledDocument> documents;
  for (const data::SourceView& view : data::sources_of(of.dataset, "validation")) {
    const size_t stride = std::max<size_t>(1, view.documents.size() / static_cast<size_t>(of.count));
    for (size_t i = 0; i < view.documents.size() && std::ssize(documents) < of.count; i += stride) {
      const auto& [shard, number] = view.documents[i];
      if (items_of(*shard, number, index) != 1) continue;
      data::LaidOut document = data::lay_out(*shard, number, layout, RandomStream(stream_key({i})));
      std::vector<int32_t> words;
      for (const int32_t position : document.positions)
        if (layout.vocabulary.pieces().contains(position)) words.push_back(position);
      data::BatchBuilder builder(layout, of.recipe.data.reset_state);
      builder.add(document, 0, std::ssize(document.positions));
      data::Batch batch = builder.finish(stream_key({fnv1a64("samples"), i}));
      documents.push_back({i, std::move(document), text.decode(words), std::move(batch)});
    }
  }
  return documents;
}

models::NoisedInput clean_input(const data::Batch& batch, const Sampled& of) {
  const models::ModelSpec& spec = of.model.spec();
  models::NoisedInput noised =
      models::make_input(batch, spec, of.objective.schedules(), models::Timesteps::kUniform);
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  for (size_t k = 0; k < continuous.size(); ++k)
    noised.input.patches_QP[k] = models::patchify(batch.items[k].latents_ICHW, continuous[k]->patch_size);
  if (!continuous.empty()) noised.input.timesteps_I.zero_();
  return noised;
}

void add_file(OrderedJson& item, const std::string& kind, const std::string& stem, const codecs::Media& media,
              const Sampled& of, const Path& folder) {
  const auto* external =
      dynamic_cast<const codecs::ExternalCodec*>(&of.codecs.of(item["modality"].get<std::string>()));
  const std::vector<std::string> names =
      codecs::write_item(media, external, folder, stem + "-" + kind, of.decoding);
  if (external) item["arrays"][kind] = names[0];
  if (!external || names.size() > 1) item[kind] = names.back();
}

void write_samples(const Path& run, const Sampled& of, int64_t step) {
  const torch::NoGradGuard no_grad;
  OrderedJson denoised = OrderedJson::array(), predicted = OrderedJson::array();
  FolderPublisher folder(run / "samples", /*replace=*/true);
  bool has_codes = false;
  for (const modality::Modality& modality : of.model.spec().vocabulary.modalities()) {
    if (modality.is_text()) continue;
    has_codes |= !modality.is_continuous();
    modality.is_continuous() ? add_denoised(denoised, of, modality, folder.path())
                             : add_predicted(predicted, of, modality, folder.path());
  }
  if (of.model.spec().latents())
    publish_json(folder.path() / "denoised.json", {{"step", step}, {"items", denoised}});
  if (has_codes) publish_json(folder.path() / "predicted.json", {{"step", step}, {"items", predicted}});
  folder.commit();
}

}  // namespace mom::eval
