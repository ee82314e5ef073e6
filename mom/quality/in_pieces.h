// A network over a batch in pieces, one per thread: each goes through all layers on its own thread, and back.
//
// For losses that tie a batch's items together; where the loss is a mean over items, codecs/fit.h goes forward and back in one.
// The layers are small. Split over the threads one by one, they make them wait for each other some hundred
// times per step; and oneDNN's convolutions wait inside their weight gradients, spinning, for a thread that may just
// have lost its core to another process.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace mom::quality {

// Takes items, along the first dimension, and treats each by itself; so do its outputs.
using ItemNetwork = std::function<std::vector<at::Tensor>(const at::Tensor& items)>;

// network(batch), differentiable in `batch` and in `parameters`, the leaves that it uses; a parameter's gradient is the
// sum over the pieces, in their order. With one thread the bits are those of network(batch); the same number of
// threads, the same bits.
std::vector<at::Tensor> in_pieces(const ItemNetwork& network, const std::vector<at::Tensor>& parameters,
                                  const at::Tensor& batch);

}  // namespace mom::quality
