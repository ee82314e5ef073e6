// model.safetensors of a codec <-> the parameters and buffers of its network, by name.
#pragma once

#include "mom/base/files.h"

namespace torch::nn {
class Module;
}

namespace mom::codecs {

// Writes (not published: use inside a FolderPublisher).
void write_weights(const Path& path, const torch::nn::Module& net);

// Exactly the tensors of the network, F32 and of its shapes; else an InputError naming one.
void load_weights(torch::nn::Module& net, const Path& path);

}  // namespace mom::codecs
