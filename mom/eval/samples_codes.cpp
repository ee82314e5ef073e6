#include <torch/types.h>

#include "mom/eval/samples.h"

namespace mom::eval {

void add_predicted(OrderedJson& items, const Sampled& of, const modality::Modality& codes,
                   const Path& folder) {
  const codecs::MediaCodec& codec = of.codecs.media(codes.name);
  for (const SampledDocument& sampled : documents_with_one(of, codes)) {
    models::ModelInput input = clean_input(sampled.batch, of).input;
    input.move_to(of.model.device());
    const at::Tensor logits_TV =
        of.model.logits(of.model.forward(input)).cpu().index_select(0, sampled.batch.routing.order_T);
    const at::Tensor likeliest_T = logits_TV.slice(1, codes.begin, codes.end).argmax(1).to(torch::kInt32);
    std::vector<int32_t> original, predicted;  // counted from 0 in their codec
    for (size_t t = 0; t < sampled.document.positions.size(); ++t) {
      const int32_t token = sampled.document.positions[t];
      if (!codes.contains(token)) continue;
      original.push_back(token - static_cast<int32_t>(codes.begin));
      predicted.push_back(likeliest_T.const_data_ptr<int32_t>()[t - 1]);
    }
    OrderedJson item{{"modality", codes.name}, {"caption", sampled.caption}};
    const std::string stem = codes.name + "-" + std::to_string(items.size());
    add_file(item, "original", stem, codec.decode_item({.codes = original}), of, folder);
    add_file(item, "predicted", stem, codec.decode_item({.codes = predicted}), of, folder);
    items.push_back(item);
  }
}

}  // namespace mom::eval
