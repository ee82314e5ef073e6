// Encoded data as `mom train` reads them, for Python: the same batches, with tokens in the order of their positions.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/custom_class.h>
#include <torch/library.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mom/base/json.h"
#include "mom/data/loader.h"
#include "mom/data/shard.h"
#include "mom/modality/vocabulary.h"

namespace mom::python {
namespace {

using Tensors = c10::Dict<std::string, at::Tensor>;

constexpr int64_t kNoLabel = -100;  // what PyTorch's losses leave out

// tokens, modality, labels i64 [T] by position (labels: of the next token, or kNoLabel), offsets i64 [S + 1], noise_key; of
// each modality of latents latents.NAME f32 [I, C, H, W] and image_first.NAME bool [I].
Tensors by_position(const data::Batch& batch, const modality::Vocabulary& vocabulary) {
  const at::Tensor& order_T = batch.routing.order_T;
  at::Tensor modality_T = at::empty_like(order_T), labels_T = at::full_like(order_T, kNoLabel);
  for (int64_t m = 0; m < batch.routing.num_modalities(); ++m)
    modality_T.narrow(0, batch.routing.group_begin(m), batch.routing.group_size(m)).fill_(m);
  labels_T.index_put_({batch.target_rows_R}, batch.target_ids_R);
  Tensors tensors;
  tensors.insert("tokens", batch.tokens_T.index_select(0, order_T));
  tensors.insert("modality", modality_T.index_select(0, order_T));
  tensors.insert("labels", labels_T.index_select(0, order_T));
  tensors.insert("offsets", batch.routing.offsets_S1);
  tensors.insert("noise_key", at::scalar_tensor(static_cast<int64_t>(batch.noise_key), at::kLong));
  const std::vector<const modality::Modality*> continuous = vocabulary.continuous();
  for (size_t k = 0; k < continuous.size(); ++k) {
    const data::LatentItems& items = batch.items[k];
    const std::vector<int64_t>& shape = continuous[k]->latent_shape;
    tensors.insert("latents." + continuous[k]->name,
                   items.count() > 0 ? items.latents_ICHW : at::empty({0, shape[0], shape[1], shape[2]}));
    at::Tensor first_I = at::empty({items.count()}, at::kBool);
    for (int64_t i = 0; i < items.count(); ++i)
      first_I.mutable_data_ptr<bool>()[i] = items.image_first_I[static_cast<size_t>(i)];
    tensors.insert("image_first." + continuous[k]->name, first_I);
  }
  return tensors;
}

class Batches : public torch::CustomClassHolder {
 public:
  Batches(const std::string& folder, int64_t sequence_tokens, int64_t batch_tokens, int64_t num_microbatches,
          const c10::Dict<std::string, double>& mixture, bool reset_state, double caption_first,
          double condition_drop, int64_t patch_size, int64_t seed)
      : dataset_(std::make_shared<data::EncodedDataset>(data::open_encoded(folder))),
        patch_size_(patch_size),
        num_microbatches_(num_microbatches),
        seed_(static_cast<uint64_t>(seed)),
        vocabulary_(dataset_->vocabulary.with_patch_size(patch_size_)) {
    config_.path = folder;
    config_.sequence_tokens = sequence_tokens;
    config_.batch_tokens = batch_tokens;
    for (const auto& entry : mixture) config_.mixture[entry.key()] = entry.value();
    config_.reset_state = reset_state;
    config_.caption_first = caption_first;
    config_.condition_drop = condition_drop;
  }

  // "modalities", "vocabulary", "modality_table" as in dataset.json, patches as these batches have them; "sources": those
  // of each split.
  std::string describe() const {
    OrderedJson json = {{"modalities", vocabulary_.names()},
                        {"vocabulary", vocabulary_.to_json()},
                        {"modality_table", vocabulary_.table_json()},
                        {"sources", OrderedJson::object()}};
    for (const data::Shard& shard : dataset_->shards) {
      OrderedJson& names = json["sources"][shard.split];
      if (std::find(names.begin(), names.end(), shard.source) == names.end()) names.push_back(shard.source);
    }
    return json.dump();
  }

  // The microbatches of the next step of training.
  std::vector<Tensors> next() { return converted(loader().next(num_microbatches_)); }
  std::string state() { return loader().state().dump(); }
  void restore(const std::string& state) { loader().restore(Json::parse(state)); }

  std::vector<Tensors> held_out(const std::string& source, const std::string& split,
                                int64_t max_tokens) const {
    return converted(data::held_out_batches(*dataset_, source, split, config_, patch_size_, max_tokens));
  }

 private:
  data::Loader& loader() {
    if (!loader_) loader_ = std::make_unique<data::Loader>(dataset_, config_, patch_size_, seed_);
    return *loader_;
  }

  std::vector<Tensors> converted(const std::vector<data::Batch>& batches) const {
    std::vector<Tensors> all;
    for (const data::Batch& batch : batches) all.push_back(by_position(batch, vocabulary_));
    return all;
  }

  std::shared_ptr<data::EncodedDataset> dataset_;
  data::DataConfig config_;
  modality::PatchSizes patch_size_;
  int64_t num_microbatches_;
  uint64_t seed_;
  modality::Vocabulary vocabulary_;
  std::unique_ptr<data::Loader> loader_;
};

TORCH_LIBRARY_FRAGMENT(mixture_of_mamba_engine, m) {
  m.class_<Batches>("Batches")
      .def(torch::init<const std::string&, int64_t, int64_t, int64_t, const c10::Dict<std::string, double>&,
                       bool, double, double, int64_t, int64_t>())
      .def("describe", &Batches::describe)
      .def("next", &Batches::next)
      .def("state", &Batches::state)
      .def("restore", &Batches::restore)
      .def("held_out", &Batches::held_out);
}

}  // namespace
}  // namespace mom::python
