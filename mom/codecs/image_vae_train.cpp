#include "mom/codecs/image_vae_train.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/codecs/codec_config.h"
#include "mom/codecs/fit.h"
#include "mom/codecs/in_pieces.h"
#include "mom/codecs/vae_net.h"
#include "mom/codecs/weights.h"

namespace mom::codecs {
namespace {

StepLoss loss_of(const ImageVaeConfig& config, VaeNetImpl& net, const at::Tensor& pixels) {
  const std::vector<at::Tensor> parameters = net.parameters();
  const auto encode = [&](const at::Tensor& items) {
    const auto [mean, log_variance] = net.encode(items);
    return std::vector<at::Tensor>{mean, log_variance};
  };
  const auto decode = [&](const at::Tensor& items) { return std::vector<at::Tensor>{net.decode(items)}; };
  const std::vector<at::Tensor> posterior = in_pieces(encode, parameters, pixels);
  const at::Tensor &mean = posterior[0], &log_variance = posterior[1];
  const at::Tensor latents = mean + torch::randn_like(mean) * torch::exp(0.5 * log_variance);
  const at::Tensor error = in_pieces(decode, parameters, latents)[0] - pixels;
  const at::Tensor kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean();
  const at::Tensor mse = error.square().mean();
  return {config.l1_weight * error.abs().mean() + config.mse_weight * mse + config.kl_weight * kl,
          mse_of_bytes(mse.item<double>())};
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
      [&](int64_t) { return loss_of(config, *net, to_pixels(order.next(config.batch_images))); }, psnr_words);
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
