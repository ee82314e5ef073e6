#include "mom/train/row_file.h"

#include "mom/base/error.h"
#include "mom/nn/tensor_io.h"

namespace mom::train {

std::vector<RowTensor> weights_in(const FlatParameters& parameters, const at::Tensor& row) {
  std::vector<RowTensor> tensors;
  for (size_t i = 0; i < parameters.names().size(); ++i) tensors.push_back({parameters.names()[i], i, row});
  return tensors;
}

std::vector<RowTensor> moments_in(const FlatParameters& parameters, const AdamW::State& state) {
  std::vector<RowTensor> tensors;
  for (size_t i = 0; i < parameters.names().size(); ++i) {
    tensors.push_back({parameters.names()[i] + ".exp_avg", i, state.exp_avg});
    tensors.push_back({parameters.names()[i] + ".exp_avg_sq", i, state.exp_avg_sq});
  }
  return tensors;
}

void RowFiles::write(const Path& file, const std::vector<RowTensor>& tensors,
                     const std::map<std::string, std::string>& metadata,
                     const std::vector<formats::TensorToWrite>& more) const {
  at::Tensor fetched;
  std::vector<formats::TensorToWrite> entries;
  for (const RowTensor& tensor : tensors)
    entries.push_back({tensor.name,
                       {formats::DType::kF32, parameters_.shape_of(tensor.weight), {}},
                       [this, &fetched, &tensor] {
                         fetched = sharding_.gather(tensor.row, parameters_.range_of(tensor.weight));
                         return fetched.defined() ? nn::view_of(fetched).bytes : std::span<const std::byte>();
                       }});
  if (sharding_.group().rank() == 0) {
    entries.insert(entries.end(), more.begin(), more.end());
    formats::write_safetensors(file, entries, metadata);
  } else {
    for (const formats::TensorToWrite* entry : formats::in_file_order(entries)) entry->fetch();
  }
}

void RowFiles::read(const formats::SafetensorsReader* file, const std::vector<RowTensor>& tensors,
                    size_t more) const {
  const std::string advice = "the checkpoint is of another model";
  if (file && file->tensors().size() != tensors.size() + more)
    throw InputError({file->path().string(), std::to_string(tensors.size() + more) + " tensors",
                      std::to_string(file->tensors().size()), advice});
  for (const RowTensor& tensor : tensors) {
    at::Tensor values;
    if (file) {
      const bool there = file->contains(tensor.name);
      if (!there || file->get(tensor.name).shape != parameters_.shape_of(tensor.weight) ||
          file->get(tensor.name).dtype != formats::DType::kF32)
        throw InputError({file->path().string(), tensor.name, there ? "another shape" : "none", advice});
      values = nn::to_tensor(file->get(tensor.name)).flatten();
    }
    sharding_.scatter(values, parameters_.range_of(tensor.weight), tensor.row);
  }
}

}  // namespace mom::train
