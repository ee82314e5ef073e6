// The network: embeddings per modality, blocks as the backbone has them, final norm, heads. Weights carry the
// names of Hugging Face's Mamba checkpoints. T packed tokens (rows are modality-major), V vocabulary, E
// width, P patch width, I pictures, Q patches in all.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <memory>
#include <vector>

#include "mom/models/model_spec.h"
#include "mom/models/weight_files.h"
#include "mom/nn/block.h"
#include "mom/nn/modality_linear.h"
#include "mom/nn/patch_net.h"
#include "mom/nn/tensor_io.h"
#include "mom/ops/head_loss.h"

namespace mom::models {

// What a U-Net's up blocks need of its down blocks: forward() fills it in, noise() of the same input reads it.
struct PatchSkips {
  std::vector<nn::UNetSkips> unets;    // by number of the modality of latents
  std::vector<at::Tensor> patches_QP;  // whose they are
  at::Tensor timesteps_I;
};

struct ModelInput {
  // What is computed with, on a device; routing stays in host memory (nn/routing.h).
  void move_to(c10::Device device);

  nn::Routing routing;
  at::Tensor tokens_T;  // i64, in row order; rows of a continuous modality are not read
  // With latents: f32 noised patches of each modality of latents, by number, in row order (= order of the items).
  std::vector<at::Tensor> patches_QP;
  at::Tensor timesteps_I;  // with latents: i64, one per item of all these modalities, in row order
  // Experts: capacity and balance loss (which joins the gradient with this weight) are of training only.
  bool training = false;
  double balance_weight = 0;
  std::shared_ptr<nn::ExpertReport> experts = nullptr;  // filled in where given
  std::shared_ptr<PatchSkips> skips = std::make_shared<PatchSkips>();
  // Where this is a stretch of a batch (data/stretch.h): passes states to its neighbours and from them.
  nn::RelayPtr relay = nullptr;
  // Called in forward with b from 0 on, before a weight of block b is read; with the number of blocks, before one behind them is.
  std::function<void(int64_t)> before_block = nullptr;
  // Called in backward, by its thread, with b from the number of blocks down to 0: no gradient of blocks b and later and of
  // head_parameters() will change.
  std::function<void(int64_t)> blocks_done = nullptr;
};

// How the network is computed; weights are f32 either way.
struct Compute {
  // bf16: activations between the ops, and factors of the projections. Residual stream, norms, states and
  // sums stay f32.
  at::ScalarType type = at::kFloat;
  bool recompute = false;  // a block's activations again in backward: less memory, a third more work
};

// What generation carries from call to call.
struct ModelState {
  std::vector<nn::MixerState> blocks;
  std::vector<int64_t> num_tokens_S;  // seen so far, by sequence
  at::Tensor hidden_SE;               // the last token's, where norms are adaptive and the U-Net hears of it
};

class ModelImpl : public nn::Module {
 public:
  explicit ModelImpl(const ModelSpec& spec);

  // Final normed activations [T, E], in row order. `state` (may be null) is read and replaced.
  at::Tensor forward(const ModelInput& input, ModelState* state = nullptr);
  at::Tensor logits(const at::Tensor& hidden_RE);  // [R, V], any rows
  // [Q, P], rows of a modality of latents, by number; `input` is what forward() made hidden_TE of.
  at::Tensor noise(const at::Tensor& hidden_TE, const ModelInput& input, size_t latents = 0);
  // The same heads with their losses, scaled sums (ops/head_loss.h): their outputs are never whole in memory.
  ops::CrossEntropy next_token_loss(const at::Tensor& hidden_TE, const at::Tensor& rows_R,
                                    const at::Tensor& targets_R, double scale, double z_weight = 0);
  at::Tensor noise_loss(const at::Tensor& hidden_TE, const ModelInput& input, const at::Tensor& noise_QP,
                        double scale, size_t latents = 0);

  // What forward() can go on from where nothing has been seen.
  ModelState initial_state(int64_t num_sequences) const;

  const ModelSpec& spec() const { return spec_; }
  const std::vector<nn::Block>& blocks() const { return blocks_; }
  // Weights that are read behind the last block alone.
  std::vector<at::Tensor> head_parameters() const;
  // Of a modality of latents, by number; null where patches are linear.
  const nn::UNet& unet(size_t latents = 0) const { return adapters_.at(latents).unet; }
  void set_compute(const Compute& compute) { compute_ = compute; }
  c10::Device device() const { return embeddings_.device(); }
  // What reading single tokens needs (generate/mamba_decoder.h).
  const at::Tensor& embeddings() const { return embeddings_; }  // [V, E]
  const at::Tensor& lm_head() const { return lm_head_; }        // [V, E]
  const std::vector<at::Tensor>& norm_weights() const { return norm_->weights(); }

 private:
  // What stands between the items of one modality of latents and the trunk.
  struct Adapter {
    int64_t modality = 0;
    nn::ModalityLinear patch_in{nullptr}, time_in{nullptr}, time_out{nullptr}, patch_out{nullptr},
        before_out{nullptr};
    nn::UNet unet{nullptr};
    at::Tensor patch_rows, patch_columns;  // [rows, E], [columns, E]; undefined without patch_positions
  };
  Adapter make_adapter(const modality::Modality& latents);
  const modality::Modality& latents_of(const Adapter& adapter) const;
  // The rows of a tensor of all items that are those of adapter k.
  at::Tensor own_items(const at::Tensor& items_I, const ModelInput& input, size_t k) const;
  int64_t num_items(const ModelInput& input, size_t k) const;
  // time_IE: the items' embedded timesteps; undefined where the network knows none.
  at::Tensor embed_timesteps(const ModelInput& input);
  at::Tensor embed(const ModelInput& input, const at::Tensor& time_IE);
  at::Tensor embed_patches(const ModelInput& input, const at::Tensor& time_IE, size_t k);
  nn::BlockContext make_context(const ModelInput& input, const ModelState* state) const;

  ModelSpec spec_;
  Compute compute_;
  at::Tensor embeddings_, lm_head_;
  std::vector<Adapter> adapters_;  // by number of the modality of latents
  std::vector<nn::Block> blocks_;
  nn::RmsNorm norm_{nullptr};
};
TORCH_MODULE(Model);

// The rows of latents as grids of patches, by number of their modality.
std::vector<nn::ItemGrid> latent_grids(const ModelSpec& spec, const nn::Routing& routing);
// The rows of latents, of which attention reads an item's both ways.
std::vector<ops::BidirectionalRows> latent_rows(const ModelSpec& spec, const nn::Routing& routing);

// Every parameter from its own random stream, keyed by seed and name, by the rule it was added with: neither the order
// of construction nor other parameters matter, and a modality's copies start independently. `done` is called after each.
void initialise(ModelImpl& model, uint64_t seed,
                const std::function<void(const at::Tensor& parameter)>& done = nullptr);
void initialise(nn::Parameter& parameter, uint64_t seed);

// A model folder: config.json + model.safetensors. Others' folders are read as they are (hugging_face.h, tensor_names.h,
// weight_files.h).
void write_model(const Path& folder, ModelImpl& model);
void write_config(const Path& folder, const ModelSpec& spec);
inline const std::map<std::string, std::string> kWeightsMetadata = {
    {"format", "pt"}};  // of model.safetensors
// InputError: a tensor missing, unexpected or of another shape (the first few, in the file's names), a foreign or damaged
// file.
Model load_model(const Path& folder, WeightsOf which = WeightsOf::kModel, c10::Device device = at::kCPU);
void load_weights(ModelImpl& model, const Path& folder, WeightsOf which = WeightsOf::kModel);
nn::NamedTensors named_weights(ModelImpl& model);

}  // namespace mom::models
