// Writes batches of the loader as it makes them, for tests of those that hand them on.
// Usage: dump_batches FOLDER OUT SOURCE SEED MICROBATCHES STEPS
//   OUT/NUMBER.safetensors: order, tokens, group_offsets, offsets, target_rows, target_ids, noise_key, latents.NUMBER,
//   image_first.NUMBER, all by row (nn/routing.h). SOURCE: of held-out batches of split "validation"; "-": of training.
#include <ATen/ops/scalar_tensor.h>
#include <torch/types.h>

#include <cstdio>
#include <exception>

#include "mom/data/loader.h"
#include "mom/nn/tensor_io.h"

namespace {

void dump(const mom::data::Batch& batch, const mom::Path& path) {
  mom::nn::NamedTensors tensors = {
      {"order", batch.routing.order_T},
      {"tokens", batch.tokens_T},
      {"group_offsets", batch.routing.group_offsets_M1},
      {"offsets", batch.routing.offsets_S1},
      {"target_rows", batch.target_rows_R},
      {"target_ids", batch.target_ids_R},
      {"noise_key", at::scalar_tensor(static_cast<int64_t>(batch.noise_key), at::kLong)}};
  for (size_t k = 0; k < batch.items.size(); ++k) {
    if (batch.items[k].count() == 0) continue;
    tensors["latents." + std::to_string(k)] = batch.items[k].latents_ICHW;
    std::vector<int64_t> first(batch.items[k].image_first_I.begin(), batch.items[k].image_first_I.end());
    tensors["image_first." + std::to_string(k)] = torch::tensor(first, at::kLong);
  }
  mom::nn::write_tensors(path, tensors);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7)
    return std::fprintf(stderr, "usage: dump_batches FOLDER OUT SOURCE SEED MICROBATCHES STEPS\n"), 2;
  try {
    const auto dataset = std::make_shared<mom::data::EncodedDataset>(mom::data::open_encoded(argv[1]));
    mom::data::DataConfig config;
    config.sequence_tokens = 128;
    config.batch_tokens = 512;
    int number = 0;
    const auto write = [&](const std::vector<mom::data::Batch>& batches) {
      for (const mom::data::Batch& batch : batches)
        dump(batch, mom::Path(argv[2]) / (std::to_string(number++) + ".safetensors"));
    };
    if (const std::string source = argv[3]; source != "-") {
      write(mom::data::held_out_batches(*dataset, source, "validation", config, 2, 0));
      return 0;
    }
    mom::data::Loader loader(dataset, config, 2, std::stoull(argv[4]));
    for (int step = 0; step < std::stoi(argv[6]); ++step) write(loader.next(std::stoll(argv[5])));
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "dump_batches: error: %s\n", error.what()), 1;
  }
  return 0;
}
