#include "mom/train/optimizer_file.h"

#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/nn/tensor_io.h"

namespace mom::train {
namespace {

struct Moment {
  std::string name;
  size_t weight;
  const at::Tensor& shard;
};

std::vector<Moment> moments_of(const FlatParameters& parameters, const AdamW::State& state) {
  std::vector<Moment> moments;
  for (size_t i = 0; i < parameters.names().size(); ++i) {
    moments.push_back({parameters.names()[i] + ".exp_avg", i, state.exp_avg});
    moments.push_back({parameters.names()[i] + ".exp_avg_sq", i, state.exp_avg_sq});
  }
  return moments;
}

Range range_of(const FlatParameters& parameters, size_t weight) {
  return {parameters.begin_of(weight), c10::multiply_integers(parameters.shape_of(weight))};
}

// What the file has, each fetched by a gather that all ranks take part in.
std::vector<formats::TensorToWrite> entries_of(const FlatParameters& parameters, const Sharding& sharding,
                                               const AdamW::State& state, at::Tensor& fetched) {
  std::vector<formats::TensorToWrite> entries;
  for (const Moment& moment : moments_of(parameters, state))
    entries.push_back({moment.name,
                       {formats::DType::kF32, parameters.shape_of(moment.weight), {}},
                       [&parameters, &sharding, &fetched, weight = moment.weight, shard = moment.shard] {
                         fetched = sharding.gather(shard, range_of(parameters, weight));
                         return fetched.defined() ? nn::view_of(fetched).bytes : std::span<const std::byte>();
                       }});
  return entries;
}

}  // namespace

void write_optimizer(const Path& file, const FlatParameters& parameters, const Sharding& sharding,
                     const AdamW::State& state) {
  at::Tensor fetched;
  std::vector<formats::TensorToWrite> entries = entries_of(parameters, sharding, state, fetched);
  const at::Tensor step = torch::scalar_tensor(static_cast<double>(state.steps_done), torch::kFloat32);
  entries.push_back({"step", nn::view_of(step)});
  formats::write_safetensors(file, entries, {});
}

void send_optimizer(const FlatParameters& parameters, const Sharding& sharding, const AdamW::State& state) {
  at::Tensor fetched;
  const std::vector<formats::TensorToWrite> entries = entries_of(parameters, sharding, state, fetched);
  for (const formats::TensorToWrite* entry : formats::in_file_order(entries)) entry->fetch();
}

void read_optimizer(const formats::SafetensorsReader* file, const FlatParameters& parameters,
                    const Sharding& sharding, AdamW::State& state) {
  const auto read = [&](const std::string& name, const std::vector<int64_t>& shape) {
    const bool there = file->contains(name);
    if (!there || file->get(name).shape != shape || file->get(name).dtype != formats::DType::kF32)
      throw InputError({file->path().string(), "optimizer state " + name, there ? "another shape" : "none",
                        "the checkpoint is of another model"});
    return nn::to_tensor(file->get(name));
  };
  if (file) state.steps_done = read("step", {}).item<int64_t>();
  for (const Moment& moment : moments_of(parameters, state)) {
    const at::Tensor values =
        file ? read(moment.name, parameters.shape_of(moment.weight)).flatten() : at::Tensor();
    sharding.scatter(values, range_of(parameters, moment.weight), moment.shard);
  }
}

}  // namespace mom::train
