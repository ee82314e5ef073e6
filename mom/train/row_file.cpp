#include "mom/train/row_file.h"

#include <algorithm>
#include <cstdio>

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

namespace {

// By rank the tensors that it writes, about as many numbers each; in a file's order.
std::vector<std::vector<const RowTensor*>> share_out(const std::vector<RowTensor>& tensors,
                                                     const FlatParameters& parameters, int files) {
  std::vector<const RowTensor*> sorted;
  int64_t total = 0, done = 0;
  for (const RowTensor& tensor : tensors) {
    sorted.push_back(&tensor);
    total += parameters.range_of(tensor.weight).length;
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  std::vector<std::vector<const RowTensor*>> shares(static_cast<size_t>(files));
  for (const RowTensor* tensor : sorted) {
    shares[static_cast<size_t>(std::min<int64_t>(files - 1, done * files / total))].push_back(tensor);
    done += parameters.range_of(tensor->weight).length;
  }
  return shares;
}

std::string part_name(const std::string& name, size_t rank, size_t count) {
  char text[64];
  std::snprintf(text, sizeof(text), "-%05zu-of-%05zu.safetensors", rank + 1, count);
  return name + text;
}

}  // namespace

void RowFiles::write(const Path& folder, const std::string& name, const std::vector<RowTensor>& tensors,
                     const std::map<std::string, std::string>& metadata,
                     const std::vector<formats::TensorToWrite>& more) const {
  const auto rank = static_cast<size_t>(sharding_.group().rank()),
             size = static_cast<size_t>(sharding_.group().size());
  std::vector<std::vector<const RowTensor*>> shares =
      share_out(tensors, parameters_, per_process_ ? static_cast<int>(size) : 1);
  shares.resize(size);
  // In round k every process gets the k-th tensor of its file.
  size_t round = 0, rounds = 0;
  for (const auto& share : shares) rounds = std::max(rounds, share.size());
  const auto next = [&] {
    std::vector<Sharding::Wish> wishes;
    for (const auto& share : shares) {
      if (round >= share.size())
        wishes.emplace_back();
      else
        wishes.push_back({share[round]->row, parameters_.range_of(share[round]->weight)});
    }
    ++round;
    return sharding_.gather(wishes);
  };
  at::Tensor fetched;
  std::vector<formats::TensorToWrite> entries;
  for (const RowTensor* tensor : shares[rank])
    entries.push_back({tensor->name, {formats::DType::kF32, parameters_.shape_of(tensor->weight), {}}, [&] {
                         fetched = next().cpu();
                         return nn::view_of(fetched).bytes;
                       }});
  if (rank == 0) entries.insert(entries.end(), more.begin(), more.end());
  if (per_process_ || rank == 0)
    formats::write_safetensors(folder / (per_process_ ? part_name(name, rank, size) : name + ".safetensors"),
                               entries, metadata);
  while (round < rounds) next();
  if (!per_process_ || rank != 0) return;
  std::map<std::string, std::string> file_of;
  for (size_t r = 0; r < size; ++r)
    for (const RowTensor* tensor : shares[r]) file_of[tensor->name] = part_name(name, r, size);
  for (const formats::TensorToWrite& tensor : more) file_of[tensor.name] = part_name(name, 0, size);
  int64_t bytes = 0;
  for (const RowTensor& tensor : tensors) bytes += 4 * parameters_.range_of(tensor.weight).length;
  models::write_index(folder / (name + ".safetensors.index.json"), file_of, bytes);
}

void RowFiles::read(const models::WeightFiles* files, const std::vector<RowTensor>& tensors,
                    size_t more) const {
  const std::string advice = "the checkpoint is of another model";
  if (files && files->names().size() != tensors.size() + more)
    throw InputError({files->path().string(), std::to_string(tensors.size() + more) + " tensors",
                      std::to_string(files->names().size()), advice});
  for (const RowTensor& tensor : tensors) {
    at::Tensor values;
    if (files) {
      const formats::TensorView* found = files->find(tensor.name);
      if (!found || found->shape != parameters_.shape_of(tensor.weight) ||
          found->dtype != formats::DType::kF32)
        throw InputError({files->path().string(), tensor.name, found ? "another shape" : "none", advice});
      values = nn::to_tensor(*found).flatten();
    }
    sharding_.scatter(values, parameters_.range_of(tensor.weight), tensor.row);
  }
}

}  // namespace mom::train
