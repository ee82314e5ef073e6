// Convolutions around the trunk, for items of latents alone: down blocks before the trunk, up blocks after it, and where
// asked for the skip connections of a U-Net between those of the same level. Level l has half the side of level l - 1 and
// twice its channels; the last cut, 2 x 2 pixels of the last level to a patch, and its inverse are the trunk's linear
// layers patch_in and patch_out. Without skips all that is known of an item goes through the trunk, which learns little
// beside them (docs/decisions/0012-patch-nets.md).
//
//   down:  conv 3x3, then a residual block each level (its output is the skip), a strided convolution between levels
//   up:    a residual block each level, of what comes from below beside the skip, each normed by itself, a finer level
//          by a linear layer of 2 x 2 pixels between levels, then norm, SiLU and conv 3x3, which starts at zero
//   block: x + conv(silu(scale norm(conv(silu(norm(x)))) + shift)); scale and shift from the timestep's embedding, which
//          in up blocks has heard of the token before the item where norms are adaptive (item_condition.h)
//
// Norms are of a pixel's channels, so that an item's numbers depend on no other item. Normed together with the skip,
// whose numbers are larger, what comes from below would have no say. I items, E width of the timestep's
// embedding, Q patches in all, F numbers of a patch at the last level (4 x its channels).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

#include "mom/nn/parameter.h"

namespace mom::nn {

struct UNetOptions {
  int64_t latent_channels = 0, rows = 0, columns = 0;  // of an item
  int64_t patch_size = 2;                              // a power of two, from 2
  int64_t channels = 0;                                // of the finest level
  bool skips = true;                                   // around the trunk
  int64_t time_width = 0;                              // E
  double norm_epsilon = 1e-5;

  int64_t num_levels() const;
  int64_t channels_of(int64_t level) const { return channels << level; }
  int64_t patch_features() const { return 4 * channels_of(num_levels() - 1); }  // F
};

// What the up blocks need of one pass of the down blocks.
struct UNetSkips {
  std::vector<at::Tensor> levels;  // [I * pixels of the level, its channels], f32
  at::Tensor time_IE;
};

// Of one item, as MixerCosts (mixer.h) are of a token.
struct UNetCosts {
  double gemm = 0, conv = 0;
  double kept = 0, kept_f32 = 0;
  int64_t patch_features = 0;  // F
};

class ResidualBlockImpl : public Module {
 public:
  ResidualBlockImpl(int64_t in, int64_t out, const UNetOptions& options);
  // Rows are pixels [I * rows * columns, in] -> [.., out], f32; `type`: of the convolutions' factors.
  at::Tensor forward(const at::Tensor& pixels_RC, const at::Tensor& time_IE, int64_t rows, int64_t columns,
                     at::ScalarType type);

 private:
  double epsilon_;
  at::Tensor norm1_, conv1_, norm2_, conv2_, time_weight_, time_bias_, shortcut_;
};
TORCH_MODULE(ResidualBlock);

class UNetImpl : public Module {
 public:
  explicit UNetImpl(const UNetOptions& options);
  // Noised latents [I, C, H, W] -> [Q, F], rows in the order of the patches; fills in `skips`.
  at::Tensor encode(const at::Tensor& latents_ICHW, const at::Tensor& time_IE, at::ScalarType type,
                    UNetSkips& skips);
  // [Q, F] -> [I, C, H, W], f32.
  at::Tensor decode(const at::Tensor& patches_QF, const UNetSkips& skips, at::ScalarType type);
  UNetCosts costs() const;

 private:
  UNetOptions options_;
  at::Tensor conv_in_, norm_out_, conv_out_;
  std::vector<ResidualBlock> down_, up_;            // by level
  std::vector<at::Tensor> below_norm_, skip_norm_;  // by level
  std::vector<at::Tensor> coarser_, finer_;         // between level l and l + 1
};
TORCH_MODULE(UNet);

}  // namespace mom::nn
