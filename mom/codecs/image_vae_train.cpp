#include "mom/codecs/image_vae_train.h"

#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <numbers>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/codecs/vae_net.h"
#include "mom/formats/image_file.h"
#include "mom/nn/tensor_io.h"

namespace mom::codecs {
namespace {

constexpr double kClipNorm = 1.0;

double learning_rate_at(const ImageVaeConfig& config, int64_t step) {
  const double warmup = std::max<double>(1, std::min<double>(50, static_cast<double>(config.steps) / 10));
  const double cosine =
      0.5 + 0.5 * std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(config.steps));
  return config.learning_rate * std::min(1.0, static_cast<double>(step + 1) / warmup) * cosine;
}

// Every picture once an epoch in a drawn order, each time in a drawn view.
class PictureOrder {
 public:
  explicit PictureOrder(const VaePictures& pictures) : pictures_(pictures) {}

  at::Tensor next(int64_t count) {
    std::vector<at::Tensor> chosen;
    for (int64_t i = 0; i < count; ++i) {
      if (at_ == order_.size()) draw_order();
      const size_t view = static_cast<size_t>(
          torch::randint(static_cast<int64_t>(pictures_.train_views.size()), {1}).item<int64_t>());
      chosen.push_back(pictures_.train_views[view][order_[at_++]]);
    }
    return torch::stack(chosen);
  }

 private:
  void draw_order() {
    const at::Tensor order = torch::randperm(pictures_.train_views[0].size(0));
    order_.assign(order.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>() + order.numel());
    at_ = 0;
  }

  const VaePictures& pictures_;
  std::vector<int64_t> order_;
  size_t at_ = 0;
};

struct StepLosses {
  at::Tensor total, mse;
};

StepLosses losses(const ImageVaeConfig& config, VaeNetImpl& net, const at::Tensor& pixels) {
  const auto [mean, log_variance] = net.encode(pixels);
  const at::Tensor latents = mean + torch::randn_like(mean) * torch::exp(0.5 * log_variance);
  const at::Tensor error = net.decode(latents) - pixels;
  const at::Tensor kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean();
  const at::Tensor mse = error.square().mean();
  return {config.l1_weight * error.abs().mean() + config.mse_weight * mse + config.kl_weight * kl,
          mse.detach()};
}

void fit(const ImageVaeConfig& config, VaeNet& net, const VaePictures& pictures) {
  torch::optim::AdamW optimizer(
      net->parameters(), torch::optim::AdamWOptions(config.learning_rate).betas({0.9, 0.99}).weight_decay(0));
  PictureOrder order(pictures);
  Progress progress("image VAE", "steps", static_cast<uint64_t>(config.steps));
  double smooth_mse = 0;
  for (int64_t step = 0; step < config.steps; ++step) {
    for (auto& group : optimizer.param_groups()) group.options().set_lr(learning_rate_at(config, step));
    const StepLosses loss = losses(config, *net, to_pixels(order.next(config.batch_images)));
    const double mse = loss.mse.item<double>() / 4;  // pixels span 2
    if (!std::isfinite(mse))
      throw DivergedError("image VAE, step " + std::to_string(step) +
                          ": the loss is not finite; lower image_vae.learning_rate");
    optimizer.zero_grad();
    loss.total.backward();
    torch::nn::utils::clip_grad_norm_(net->parameters(), kClipNorm);
    optimizer.step();
    smooth_mse = step == 0 ? mse : 0.95 * smooth_mse + 0.05 * mse;
    char detail[48];
    std::snprintf(detail, sizeof detail, "PSNR %.1f dB", -10 * std::log10(std::max(smooth_mse, 1e-10)));
    progress.update(static_cast<uint64_t>(step + 1), detail);
  }
  progress.finish();
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

void write_model(const Path& path, const VaeNetImpl& net) {
  nn::NamedTensors tensors;
  for (const auto& item : net.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : net.named_buffers()) tensors[item.key()] = item.value();
  nn::write_tensors(path, tensors, {{"format", "pt"}});
}

// Pairs of rows: originals, and below them their reconstructions; at most 48 pictures, twelve a row.
void write_grid(const Path& path, const at::Tensor& originals, const at::Tensor& reconstructions) {
  constexpr int64_t kColumns = 12, kMax = 48;
  const int64_t count = std::min(kMax, originals.size(0)), side = originals.size(2);
  const int64_t rows = 2 * ((count + kColumns - 1) / kColumns);
  at::Tensor grid = torch::full({rows * side, kColumns * side, 3}, 255, at::kByte);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t top = 2 * (i / kColumns) * side, left = i % kColumns * side;
    grid.slice(0, top, top + side).slice(1, left, left + side).copy_(originals[i].permute({1, 2, 0}));
    grid.slice(0, top + side, top + 2 * side)
        .slice(1, left, left + side)
        .copy_(reconstructions[i].permute({1, 2, 0}));
  }
  const uint8_t* pixels = grid.const_data_ptr<uint8_t>();
  publish_file(path, formats::encode_png({kColumns * side, rows * side, 3, {pixels, pixels + grid.numel()}}));
}

Json held_out_report(const Path& folder, const VaePictures& pictures) {
  Json report = {{"train_pictures", pictures.train_views[0].size(0)},
                 {"validation_pictures", pictures.validation.size(0)}};
  const at::Tensor originals =
      pictures.validation.size(0) > 0 ? pictures.validation : pictures.train_views[0].slice(0, 0, 48);
  const ImageVae codec(folder);
  const at::Tensor reconstructions = codec.decode(codec.encode(originals));
  std::filesystem::create_directory(folder / "report");
  write_grid(folder / "report" / "reconstructions.png", originals, reconstructions);
  if (pictures.validation.size(0) > 0) {
    const at::Tensor error = (originals.to(at::kDouble) - reconstructions.to(at::kDouble)) / 255;
    report["validation_psnr_db"] = psnr_db(originals, reconstructions).mean().item<double>();
    report["validation_mse"] = error.square().mean().item<double>();
  }
  return report;
}

}  // namespace

at::Tensor psnr_db(const at::Tensor& images_NCHW, const at::Tensor& others_NCHW) {
  const at::Tensor error = (images_NCHW.to(at::kDouble) - others_NCHW.to(at::kDouble)) / 255;
  return (-10 * torch::log10(error.square().mean({1, 2, 3}))).clamp_max(99);
}

Json train_image_vae(const ImageVaeConfig& config, const VaePictures& pictures, const Path& out,
                     bool replace) {
  config.check();
  if (pictures.train_views.empty() || pictures.train_views[0].size(0) == 0) {
    throw UserError(
        "image VAE: expected training pictures, found none in split \"train\"; import some pictures");
  }
  FolderPublisher publisher(out, replace);
  torch::manual_seed(static_cast<uint64_t>(config.seed));
  VaeNet net(config);
  fit(config, net, pictures);
  measure_latents(*net, pictures.train_views[0]);
  write_model(publisher.path() / "model.safetensors", *net);
  write_codec_info(publisher.path(), "image_vae", "image", config_json(config), Json::object());
  const Json report = held_out_report(publisher.path(), pictures);
  write_codec_info(publisher.path(), "image_vae", "image", config_json(config), report);
  publisher.commit();
  return report;
}

}  // namespace mom::codecs
