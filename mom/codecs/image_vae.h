// Pictures <-> continuous latents: a convolutional KL-VAE. 64x64 RGB -> [C, 16, 16] latents at f = 4, scaled
// to unit variance over the training pictures, so that diffusion noise of variance 1 means what the schedule
// says. N pictures, C latent channels, H x W latent pixels, f downsampling factor.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "mom/codecs/image_codec.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct ImageVaeConfig {
  int64_t image_size = 64;  // pixels per side
  int64_t downsample = 4;   // f, a power of two
  int64_t latent_channels = 4;
  int64_t base_channels = 32;
  int64_t steps = 900;
  int64_t batch_images = 8;
  double learning_rate = 3e-3;
  double l1_weight = 0.2, mse_weight = 4.0, kl_weight = 1e-4;
  int64_t max_images = 20'000;
  int64_t seed = 1;
  void describe(config::Table& table);
  void check() const;  // UserError: values that do not go together
};

class ImageVae : public ImageCodec {
 public:
  static constexpr const char* kKind = "image_vae";
  explicit ImageVae(const Path& folder) : ImageVae(read_codec_info(folder)) {}
  explicit ImageVae(CodecInfo info);
  ~ImageVae() override;

  int64_t image_size() const override { return config().image_size; }
  modality::Modality modality() const override;
  int64_t num_ids() const override { return 0; }
  std::vector<CodedItem> encode_items(const std::vector<at::Tensor>& inputs) const override;
  at::Tensor features(const CodedItem& item) const override { return item.latents_CHW; }

  const ImageVaeConfig& config() const;
  // u8 [N, 3, S, S] -> f32 [N, C, S/f, S/f]: the posterior mean, shifted and scaled per channel to mean 0, variance 1.
  at::Tensor encode(const at::Tensor& images_NCHW) const;
  // f32 [N, C, S/f, S/f] -> u8 [N, 3, S, S].
  at::Tensor decode(const at::Tensor& latents_NCHW) const;

 private:
  at::Tensor decode_images(const std::vector<CodedItem>& items) const override;
  OrderedJson roundtrip_figures(const CodedItem& item) const override;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::codecs
