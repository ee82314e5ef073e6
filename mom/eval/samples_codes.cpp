#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/random.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/packer.h"
#include "mom/eval/samples.h"

namespace mom::eval {
namespace {

// Codes of one segment, counted from 0 in their codec, and what the model predicts in their places.
struct Prediction {
  std::string caption;
  std::vector<int32_t> original, predicted;
};

// The document's codes of `modality`, and the likeliest code of that range at each of their places.
Prediction predict(models::ModelImpl& model, const data::LaidOut& document, const data::LayOutOptions& layout,
                   const modality::Modality& modality, const codecs::TextCodec& text) {
  data::BatchBuilder builder(layout, /*reset_state=*/true);
  builder.add(document, 0, static_cast<int64_t>(document.positions.size()));
  const data::Batch batch = builder.finish(0);
  const at::Tensor hidden_TE = model.forward({batch.routing, batch.tokens_T, {}, {}});
  const at::Tensor logits_TV = model.logits(hidden_TE).index_select(0, batch.routing.order_T);
  const at::Tensor likeliest_T = logits_TV.slice(1, modality.begin, modality.end).argmax(1).to(torch::kInt32);
  Prediction prediction;
  std::vector<int32_t> words;
  for (size_t t = 0; t < document.positions.size(); ++t) {
    const int32_t token = document.positions[t];
    if (modality.contains(token)) {
      prediction.original.push_back(token - static_cast<int32_t>(modality.begin));
      prediction.predicted.push_back(likeliest_T.const_data_ptr<int32_t>()[t - 1]);
    } else if (layout.vocabulary.pieces().contains(token)) {
      words.push_back(token);
    }
  }
  prediction.caption = text.decode(words);
  return prediction;
}

// The first documents with one segment of the modality, evenly spread over each source that has any.
std::vector<Prediction> predict_some(models::ModelImpl& model, const data::EncodedDataset& dataset,
                                     const data::LayOutOptions& layout, size_t modality,
                                     const codecs::TextCodec& text, int64_t count) {
  std::vector<Prediction> predictions;
  for (const data::SourceView& view : data::sources_of(dataset, "validation")) {
    const size_t stride = std::max<size_t>(1, view.documents.size() / static_cast<size_t>(count));
    for (size_t i = 0; i < view.documents.size() && std::ssize(predictions) < count; i += stride) {
      const auto& [shard, index] = view.documents[i];
      const auto segments = shard->segment_modality.subspan(
          static_cast<size_t>(shard->document_segments[static_cast<size_t>(index)]),
          static_cast<size_t>(shard->document_segments[static_cast<size_t>(index) + 1] -
                              shard->document_segments[static_cast<size_t>(index)]));
      if (std::count(segments.begin(), segments.end(), modality) != 1) continue;
      const data::LaidOut document = data::lay_out(*shard, index, layout, RandomStream(stream_key({i})));
      predictions.push_back(
          predict(model, document, layout, dataset.vocabulary.modalities()[modality], text));
    }
  }
  return predictions;
}

}  // namespace

void write_predicted_samples(const Path& run, models::ModelImpl& model, const data::EncodedDataset& dataset,
                             const train::Recipe& recipe, int64_t step, int64_t count) {
  torch::NoGradGuard no_grad;
  const codecs::CodecSet codecs = data::codecs_of(dataset);
  const codecs::TextCodec& text = codecs.text(dataset.vocabulary.text()->name);
  data::LayOutOptions layout = data::held_out_layout(dataset, recipe.data, recipe.model.patches());
  layout.caption_first = 1;
  OrderedJson items = OrderedJson::array();
  FolderPublisher folder(run / "samples", /*replace=*/true);
  for (size_t m = 0; m < dataset.vocabulary.modalities().size(); ++m) {
    const std::string& modality = dataset.vocabulary.modalities()[m].name;
    if (dataset.vocabulary.modalities()[m].is_text()) continue;
    const codecs::MediaCodec& codec = codecs.media(modality);
    if (codec.media() == codecs::MediaKind::kArray) continue;  // its decoder is elsewhere
    const std::string ending = codecs::file_ending(codec.media());
    for (const Prediction& prediction : predict_some(model, dataset, layout, m, text, count)) {
      const std::string stem = modality + "-" + std::to_string(items.size());
      const std::string original = stem + "-original" + ending, predicted = stem + "-predicted" + ending;
      publish_file(folder.path() / original,
                   codecs::to_file(codec.decode_item({.codes = prediction.original})));
      publish_file(folder.path() / predicted,
                   codecs::to_file(codec.decode_item({.codes = prediction.predicted})));
      items.push_back({{"modality", modality},
                       {"caption", prediction.caption},
                       {"original", original},
                       {"predicted", predicted}});
    }
  }
  publish_json(folder.path() / "predicted.json", {{"step", step}, {"items", items}});
  folder.commit();
}

}  // namespace mom::eval
