// Pictures <-> a fixed number of discrete codes: a convolutional VQ-VAE, small after Chameleon's VQGAN.
// 64x64 RGB -> 8x8 = 64 codes at f = 8; 512x512 -> 32x32 = 1,024 codes at f = 16. N pictures, S their side,
// L codes per picture in raster order, f downsampling factor.
//
// There is no adversarial and no perceptual loss: the first needs a second network and long training to be
// steady, the second one that was trained on millions of pictures. So small detail comes back soft, and PSNR
// is what the training works for.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "mom/codecs/image_codec.h"
#include "mom/config/fwd.h"

namespace mom::codecs {

struct ImageVqConfig {
  int64_t image_size = 64;  // pixels per side
  int64_t downsample = 8;   // f, a power of two
  int64_t codebook_size = 1024;
  int64_t code_width = 16;
  int64_t base_channels = 16;
  int64_t blocks = 1;
  int64_t steps = 3200;
  int64_t batch_images = 8;
  double learning_rate = 5e-3;
  double l1_weight = 0.2, mse_weight = 4.0, commitment_weight = 0.25;
  double ema_decay = 0.98;
  double dead_share = 0.05;
  double continuous_share = 0.1;
  int64_t max_images = 20'000;
  int64_t seed = 1;
  void describe(config::Table& table);
  void check() const;  // UserError: values that do not go together
};

class ImageVq : public ImageCodec {
 public:
  static constexpr const char* kKind = "vq_image";
  explicit ImageVq(const Path& folder) : ImageVq(read_codec_info(folder)) {}
  explicit ImageVq(CodecInfo info);
  ~ImageVq() override;

  int64_t image_size() const override { return config().image_size; }
  modality::Modality modality() const override;
  int64_t num_ids() const override { return codebook_size(); }
  std::vector<CodedItem> encode_items(const std::vector<at::Tensor>& inputs) const override;
  at::Tensor features(const CodedItem& item) const override;

  const ImageVqConfig& config() const;
  int64_t codebook_size() const { return config().codebook_size; }
  int64_t codes_per_image() const;  // L = (S / f)^2

  // Each picture goes through alone and on one thread, so that its codes are the same whatever is beside it
  // and however many threads there are.
  at::Tensor encode(const at::Tensor& images_NCHW) const;  // u8 [N, 3, S, S] -> i32 [N, L]
  at::Tensor decode(const at::Tensor& codes_NL) const;     // i32 [N, L] -> u8 [N, 3, S, S]
  // What the codes stand for, in their places: i32 [N, L] -> f32 [N, E, S/f, S/f], E the width of a code.
  at::Tensor vectors(const at::Tensor& codes_NL) const;

 private:
  at::Tensor decode_images(const std::vector<CodedItem>& items) const override;
  OrderedJson roundtrip_figures(const CodedItem& item) const override;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::codecs
