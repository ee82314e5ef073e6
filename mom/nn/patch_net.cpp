#include "mom/nn/patch_net.h"

#include <torch/types.h>

#include "mom/ops/modality_linear.h"
#include "mom/ops/rms_norm.h"
#include "mom/ops/rowwise.h"

namespace mom::nn {
namespace {

constexpr int64_t kTaps = 9;  // of a 3 x 3 convolution

ParameterTraits weight(Initialiser init) { return {.init = std::move(init), .part = Part::kLatentAdapter}; }
ParameterTraits no_decay(Initialiser init) {
  return {.init = std::move(init), .decay = false, .part = Part::kLatentAdapter};
}

at::Tensor add_conv(Module& owner, const std::string& name, int64_t in, int64_t out) {
  return owner.add_parameter(name, {out, in, 3, 3}, weight(init_fan_in(kTaps * in)));
}

// Pixels [I * rows * columns, in] -> [.., out], zeros around each item.
at::Tensor convolve(const at::Tensor& pixels_RC, const at::Tensor& weight_OC33, int64_t rows, int64_t columns,
                    at::ScalarType type, int64_t stride = 1) {
  const at::Tensor taps = weight_OC33.to(type);
  return ops::each_item(pixels_RC, pixels_RC.size(0) / (rows * columns), [&](const at::Tensor& some_RC) {
    const at::Tensor images =
        some_RC.to(type).view({-1, rows, columns, some_RC.size(1)}).permute({0, 3, 1, 2});  // channels last
    return torch::conv2d(images, taps, {}, stride, 1).permute({0, 2, 3, 1}).reshape({-1, taps.size(0)});
  });
}

// Of the pixels or the timesteps of items.
at::Tensor silu(const at::Tensor& x, int64_t num_items) { return ops::each_item(x, num_items, torch::silu); }

at::Tensor project_rows(const at::Tensor& x_RI, const at::Tensor& weight_OI, at::TensorList bias_O = {}) {
  return ops::modality_linear_of_parameters(x_RI, weight_OI, bias_O,
                                            torch::tensor({int64_t{0}, x_RI.size(0)}, torch::kInt64));
}

at::Tensor normed(const at::Tensor& x_RC, const at::Tensor& weight_C, double epsilon) {
  return std::get<0>(ops::add_rms_norm(x_RC, std::nullopt, weight_C, epsilon));
}

// Windows of 2 x 2 pixels as rows, [I * rows * columns, C] -> [I * rows / 2 * columns / 2, 4 C], and back.
at::Tensor to_windows(const at::Tensor& pixels_RC, int64_t rows, int64_t columns) {
  const int64_t channels = pixels_RC.size(1);
  return pixels_RC.view({-1, rows / 2, 2, columns / 2, 2, channels})
      .transpose(2, 3)
      .reshape({-1, 4 * channels});
}
at::Tensor from_windows(const at::Tensor& windows_RC, int64_t rows, int64_t columns) {
  const int64_t channels = windows_RC.size(1) / 4;
  return windows_RC.view({-1, rows / 2, columns / 2, 2, 2, channels}).transpose(2, 3).reshape({-1, channels});
}

}  // namespace

int64_t UNetOptions::num_levels() const {
  int64_t levels = 0;
  while ((int64_t{1} << levels) < patch_size) ++levels;
  return levels;
}

ResidualBlockImpl::ResidualBlockImpl(int64_t in, int64_t out, const UNetOptions& options)
    : epsilon_(options.norm_epsilon) {
  const int64_t time = options.time_width;
  norm1_ = add_parameter("norm1", {in}, no_decay(init_constant(1)));
  conv1_ = add_conv(*this, "conv1", in, out);
  norm2_ = add_parameter("norm2", {out}, no_decay(init_constant(1)));
  time_weight_ = add_parameter("time_weight", {2 * out, time}, weight(init_fan_in(time)));
  time_bias_ = add_parameter("time_bias", {2 * out}, no_decay(init_constant(0)));
  conv2_ = add_conv(*this, "conv2", out, out);
  if (in != out) shortcut_ = add_parameter("shortcut", {out, in}, weight(init_fan_in(in)));
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& pixels_RC, const at::Tensor& time_IE, int64_t rows,
                                      int64_t columns, at::ScalarType type) {
  const int64_t num_items = time_IE.size(0);
  at::Tensor hidden = silu(normed(pixels_RC, norm1_, epsilon_), num_items);
  hidden = normed(convolve(hidden, conv1_, rows, columns, type), norm2_, epsilon_);
  const int64_t out = hidden.size(1);
  const std::vector<at::Tensor> time =
      project_rows(silu(time_IE, num_items), time_weight_, time_bias_).to(type).unsqueeze(1).chunk(2, 2);
  hidden = torch::addcmul(time[1], hidden.view({-1, rows * columns, out}), 1 + time[0]).view({-1, out});
  hidden = convolve(silu(hidden, num_items), conv2_, rows, columns, type);
  return (shortcut_.defined() ? project_rows(pixels_RC, shortcut_) : pixels_RC) + hidden;
}

UNetImpl::UNetImpl(const UNetOptions& options) : options_(options) {
  const int64_t levels = options.num_levels();
  TORCH_CHECK(levels >= 1 && options.patch_size == int64_t{1} << levels,
              "[unet] patch_size: expected a power of two from 2, got ", options.patch_size);
  conv_in_ = add_conv(*this, "conv_in", options.latent_channels, options.channels);
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t channels = options.channels_of(level);
    const std::string number = std::to_string(level);
    down_.push_back(register_module("down" + number, ResidualBlock(channels, channels, options)));
    below_norm_.push_back(add_parameter("below_norm" + number, {channels}, no_decay(init_constant(1))));
    up_.push_back(register_module("up" + number,
                                  ResidualBlock(options.skips ? 2 * channels : channels, channels, options)));
    if (options.skips)
      skip_norm_.push_back(add_parameter("skip_norm" + number, {channels}, no_decay(init_constant(1))));
    if (level + 1 == levels) continue;
    const int64_t coarse = options.channels_of(level + 1);
    coarser_.push_back(add_conv(*this, "coarser" + number, channels, coarse));
    finer_.push_back(add_parameter("finer" + number, {4 * channels, coarse}, weight(init_fan_in(coarse))));
  }
  norm_out_ = add_parameter("norm_out", {options.channels}, no_decay(init_constant(1)));
  // The first noise prediction is 0, as with linear patches.
  conv_out_ =
      add_parameter("conv_out", {options.latent_channels, options.channels, 3, 3}, weight(init_constant(0)));
}

at::Tensor UNetImpl::encode(const at::Tensor& latents_ICHW, const at::Tensor& time_IE, at::ScalarType type,
                            UNetSkips& skips) {
  skips = {{}, time_IE};
  int64_t rows = options_.rows, columns = options_.columns;
  at::Tensor pixels_RC = convolve(latents_ICHW.permute({0, 2, 3, 1}).reshape({-1, options_.latent_channels}),
                                  conv_in_, rows, columns, type)
                             .to(torch::kFloat32);
  for (size_t level = 0; level < down_.size(); ++level) {
    pixels_RC = down_[level]->forward(pixels_RC, time_IE, rows, columns, type);
    if (options_.skips) skips.levels.push_back(pixels_RC);
    if (level == coarser_.size()) break;
    pixels_RC = convolve(pixels_RC, coarser_[level], rows, columns, type, /*stride=*/2).to(torch::kFloat32);
    rows /= 2, columns /= 2;
  }
  return to_windows(pixels_RC, rows, columns);
}

at::Tensor UNetImpl::decode(const at::Tensor& patches_QF, const UNetSkips& skips, at::ScalarType type) {
  at::Tensor windows = patches_QF;
  for (size_t level = up_.size(); level-- > 0;) {
    const int64_t rows = options_.rows >> level, columns = options_.columns >> level;
    windows = normed(from_windows(windows, rows, columns), below_norm_[level], options_.norm_epsilon);
    if (options_.skips)
      windows =
          torch::cat({windows, normed(skips.levels[level], skip_norm_[level], options_.norm_epsilon)}, 1);
    windows = up_[level]->forward(windows, skips.time_IE, rows, columns, type);
    if (level > 0) windows = project_rows(windows, finer_[level - 1]);
  }
  const at::Tensor pixels_RC = silu(normed(windows, norm_out_, options_.norm_epsilon), skips.time_IE.size(0));
  return convolve(pixels_RC, conv_out_, options_.rows, options_.columns, type)
      .to(torch::kFloat32)
      .view({-1, options_.rows, options_.columns, options_.latent_channels})
      .permute({0, 3, 1, 2});
}

UNetCosts UNetImpl::costs() const {
  UNetCosts costs;
  costs.patch_features = options_.patch_features();
  auto conv = [&](int64_t in, int64_t out, double pixels) {
    costs.conv += 2.0 * static_cast<double>(kTaps * in * out) * pixels;
  };
  const double time = static_cast<double>(options_.time_width);
  auto block = [&](int64_t in, int64_t out, double pixels) {
    conv(in, out, pixels);
    conv(out, out, pixels);
    costs.gemm += 2.0 * time * static_cast<double>(2 * out);
    if (in != out) costs.gemm += 2.0 * static_cast<double>(in * out) * pixels;
    // Inputs of norms, activations and convolutions.
    costs.kept_f32 += 3.0 * static_cast<double>(in) * pixels;
    costs.kept += static_cast<double>(in + 5 * out) * pixels;
  };
  for (int64_t level = 0; level < options_.num_levels(); ++level) {
    const int64_t channels = options_.channels_of(level);
    const double pixels = static_cast<double>((options_.rows >> level) * (options_.columns >> level));
    block(channels, channels, pixels);
    block(options_.skips ? 2 * channels : channels, channels, pixels);
    if (level + 1 == options_.num_levels()) continue;
    conv(channels, 2 * channels, pixels / 4);
    costs.gemm += 2.0 * static_cast<double>(2 * channels * 4 * channels) * pixels / 4;
  }
  const double pixels = static_cast<double>(options_.rows * options_.columns);
  conv(options_.latent_channels, options_.channels, pixels);
  conv(options_.channels, options_.latent_channels, pixels);
  costs.kept_f32 += 4.0 * static_cast<double>(options_.channels) * pixels;
  return costs;
}

}  // namespace mom::nn
