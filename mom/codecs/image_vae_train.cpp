#include "mom/codecs/image_vae_train.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/codecs/codec_config.h"
#include "mom/codecs/fit.h"
#include "mom/codecs/vae_net.h"
#include "mom/codecs/weights.h"

namespace mom::codecs {
namespace {

PieceLoss loss_of(const ImageVaeConfig& config, VaeNetImpl& net, const at::Tensor& pixels,
                  const at::Tensor& noise) {
  const auto [mean, log_variance] = net.encode(pixels);
  const at::Tensor error = net.decode(mean + noise * torch::exp(0.5 * log_variance)) - pixels;
  const at::Tensor kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean();
  const at::Tensor mse = error.square().mean();
  return {config.l1_weight * error.abs().mean() + config.mse_weight * mse + config.kl_weight * kl,
          mse_of_bytes(mse.item<double>())};
}

Step next_step(const ImageVaeConfig& config, VaeNetImpl& net, PictureOrder& order) {
  const at::Tensor images = order.next(config.batch_images);
  const int64_t side = config.image_size / config.downsample;
  const at::Tensor noise =
      torch::empty({images.size(0), config.latent_channels, side, side}, at::MemoryFormat::ChannelsLast)
          .normal_();
  return {images.size(0), [=, &config, &net](const Piece& piece) {
            return loss_of(config, net, to_pixels(piece.of(images)), piece.of(noise));
          }};
}

// Sets latent_mean and latent_std from the posterior means of `images`, in two passes so that no precision is
// lost.
void measure_latents(VaeNetImpl& net, const at::Tensor& images) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> means;
  for (const at::Tensor& batch : images.split(64))
    means.push_back(net.encode(to_pixels(batch)).first.contiguous(at::MemoryFormat::Contiguous));
  const at::Tensor latents = torch::cat(means).to(at::kDouble);
  net.latent_mean.copy_(latents.mean({0, 2, 3}));
  net.latent_std.copy_(latents.std(at::IntArrayRef{0, 2, 3}, /*unbiased=*/false).clamp_min(1e-6));
}

}  // namespace

Json train_image_vae(const ImageVaeConfig& config, const TrainingPictures& pictures, const Path& out,
                     bool replace) {
  config.check();
  require_training_pictures(pictures, "image VAE");
  FolderPublisher publisher(out, replace);
  torch::manual_seed(static_cast<uint64_t>(config.seed));
  VaeNet net(config);
  PictureOrder order(pictures);
  fit(
      {"image VAE", "image_vae", config.steps, config.learning_rate}, net->parameters(),
      [&](int64_t) { return next_step(config, *net, order); }, psnr_words);
  measure_latents(*net, pictures.train_views[0]);
  write_weights(publisher.path() / "model.safetensors", *net);
  write_codec_info(publisher.path(), ImageVae::kKind, "image", config_json(config), Json::object());
  const ImageVae codec(publisher.path());
  const Json report = picture_report(publisher.path(), pictures, [&](const at::Tensor& images) {
    return codec.decode(codec.encode(images));
  });
  write_codec_info(publisher.path(), ImageVae::kKind, "image", config_json(config), report);
  publisher.commit();
  return report;
}

}  // namespace mom::codecs
