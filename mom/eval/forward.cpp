#include "mom/eval/forward.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/models/model.h"
#include "mom/train/checkpoint.h"

namespace mom::eval {
namespace {

using formats::DType;

// Of one modality of latents "patches", of several "patches.MODALITY".
std::string name_of(const std::string& what, const models::ModelSpec& spec, size_t latents) {
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  return continuous.size() == 1 ? what : what + "." + continuous[latents]->name;
}

at::Tensor required(const formats::SafetensorsReader& file, const std::string& name, DType dtype,
                    size_t rank) {
  return nn::to_tensor(file.get(name, dtype, rank));
}

void check(bool ok, const Path& file, const std::string& what, const std::string& expected,
           const std::string& found) {
  if (!ok) throw InputError({file.string() + ": " + what, expected, found, ""});
}

void check_offsets(const at::Tensor& offsets, int64_t num_tokens, const Path& file) {
  const int64_t* o = offsets.const_data_ptr<int64_t>();
  const int64_t n = offsets.size(0);
  check(n >= 1 && o[0] == 0 && o[n - 1] == num_tokens, file, "offsets",
        "first 0, last " + std::to_string(num_tokens), "others");
  for (int64_t i = 1; i < n; ++i)
    check(o[i] >= o[i - 1], file, "offsets[" + std::to_string(i) + "]", "rising values",
          std::to_string(o[i]));
}

void check_below(const at::Tensor& values, int64_t bound, const Path& file, const std::string& name) {
  if (values.numel() == 0) return;
  check(values.min().item<int64_t>() >= 0 && values.max().item<int64_t>() < bound, file, name,
        "0 to " + std::to_string(bound - 1),
        std::to_string(values.min().item<int64_t>()) + " to " + std::to_string(values.max().item<int64_t>()));
}

// Every item stands whole in one sequence, its patches in a row.
void check_items(const nn::Routing& routing, const nn::ItemGrid& grid, const Path& file) {
  const int64_t begin = grid.begin, end = grid.end, length = grid.rows * grid.columns;
  const int64_t *row = routing.order_T.const_data_ptr<int64_t>(),
                *offsets = routing.offsets_S1.const_data_ptr<int64_t>();
  for (int64_t s = 0; s < routing.num_sequences(); ++s)
    for (int64_t t = offsets[s]; t < offsets[s + 1];) {
      const bool patch = begin <= row[t] && row[t] < end;
      check(!patch || (t + length <= offsets[s + 1] && row[t + length - 1] == row[t] + length - 1), file,
            "modality", "items of " + std::to_string(length) + " patches in a row in one sequence",
            "fewer at position " + std::to_string(t));
      t += patch ? length : 1;
    }
}

models::ModelInput read_input(const Path& path, const models::ModelSpec& spec) {
  const formats::SafetensorsReader file(path);
  const at::Tensor tokens = required(file, "tokens", DType::kI64, 1);
  const int64_t num_tokens = tokens.size(0);
  const at::Tensor modality = file.contains("modality") ? required(file, "modality", DType::kI64, 1)
                                                        : torch::zeros({num_tokens}, torch::kInt64);
  const at::Tensor offsets = file.contains("offsets")
                                 ? required(file, "offsets", DType::kI64, 1)
                                 : torch::tensor({int64_t{0}, num_tokens}, torch::kInt64);
  check(modality.size(0) == num_tokens, path, "modality", std::to_string(num_tokens) + " values",
        std::to_string(modality.size(0)));
  check_below(tokens, spec.vocab_size, path, "tokens");
  check_below(modality, static_cast<int64_t>(spec.modalities.size()), path, "modality");
  check_offsets(offsets, num_tokens, path);
  models::ModelInput input;
  input.routing = nn::make_routing(modality, offsets, static_cast<int64_t>(spec.modalities.size()));
  input.tokens_T = torch::empty_like(tokens).index_copy_(0, input.routing.order_T, tokens);
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  const std::vector<nn::ItemGrid> grids = models::latent_grids(spec, input.routing);
  std::vector<at::Tensor> timesteps;
  for (size_t k = 0; k < continuous.size(); ++k) {
    const int64_t num_patches = grids[k].end - grids[k].begin, length = continuous[k]->positions_per_item(),
                  width = continuous[k]->patch_width();
    check(num_patches % length == 0, path, "modality",
          "whole items of " + std::to_string(length) + " patches", std::to_string(num_patches));
    check_items(input.routing, grids[k], path);
    const int64_t num_items = num_patches / length;
    const std::string patches = name_of("patches", spec, k), times = name_of("timesteps", spec, k);
    input.patches_QP.push_back(num_items || file.contains(patches) ? required(file, patches, DType::kF32, 2)
                                                                   : torch::zeros({0, width}));
    timesteps.push_back(num_items || file.contains(times) ? required(file, times, DType::kI64, 1)
                                                          : torch::zeros({0}, torch::kInt64));
    check(input.patches_QP[k].size(0) == num_patches && input.patches_QP[k].size(1) == width, path, patches,
          "[" + std::to_string(num_patches) + ", " + std::to_string(width) + "]",
          c10::str(input.patches_QP[k].sizes()));
    check(timesteps[k].size(0) == num_items, path, times, std::to_string(num_items) + " values",
          std::to_string(timesteps[k].size(0)));
    check_below(timesteps[k], spec.diffusion_steps_of(*continuous[k]), path, times);
  }
  if (!timesteps.empty()) input.timesteps_I = torch::cat(timesteps);
  return input;
}

}  // namespace

void forward_file(const Path& model_path, const Path& input_path, const Path& output_path) {
  torch::NoGradGuard no_grad;
  models::Model model = models::load_model(train::find_model_folder(model_path));
  const models::ModelInput input = read_input(input_path, model->spec());
  const at::Tensor hidden_TE = model->forward(input);
  nn::NamedTensors out;
  out["logits"] = model->logits(hidden_TE).index_select(0, input.routing.order_T);
  const std::vector<const modality::Modality*> continuous = model->spec().vocabulary.continuous();
  for (size_t k = 0; k < continuous.size(); ++k)
    out[name_of(to_string(model->spec().prediction_of(*continuous[k])), model->spec(), k)] =
        model->noise(hidden_TE, input, k).contiguous();
  std::vector<formats::TensorToWrite> entries;
  for (const auto& [name, tensor] : out) entries.push_back({name, nn::view_of(tensor)});
  formats::publish_safetensors(output_path, entries, {});
}

}  // namespace mom::eval
