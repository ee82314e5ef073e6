#include "mom/codecs/weights.h"

#include <torch/nn/module.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/nn/tensor_io.h"

namespace mom::codecs {

void write_weights(const Path& path, const torch::nn::Module& net) {
  nn::NamedTensors tensors;
  for (const auto& item : net.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : net.named_buffers()) tensors[item.key()] = item.value();
  nn::write_tensors(path, tensors, {{"format", "pt"}});
}

void load_weights(torch::nn::Module& net, const Path& path) {
  torch::NoGradGuard no_grad;
  nn::NamedTensors tensors = nn::load_tensors(path);
  auto copy = [&](const auto& item) {
    const auto found = tensors.find(item.key());
    if (found == tensors.end() || found->second.sizes() != item.value().sizes() ||
        found->second.scalar_type() != at::kFloat) {
      throw InputError({path.string(), "tensor \"" + item.key() + "\" of the shape codec.json gives",
                        "none or another", "train the codec again"});
    }
    item.value().copy_(found->second);
    tensors.erase(found);
  };
  for (const auto& item : net.named_parameters()) copy(item);
  for (const auto& item : net.named_buffers()) copy(item);
  if (!tensors.empty()) {
    throw InputError(
        {path.string(), "no other tensors", "\"" + tensors.begin()->first + "\"", "train the codec again"});
  }
}

}  // namespace mom::codecs
