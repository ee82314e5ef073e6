#include "mom/codecs/image_vae.h"

#include <bit>

#include "mom/base/error.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/vae_net.h"
#include "mom/codecs/weights.h"
#include "mom/config/schema.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {
namespace {

constexpr int64_t kBatch = 32;  // pictures at once, so that activations stay small

// Applies `transform` to at most kBatch rows at a time; `empty_0X` is what no rows give.
template <class Transform>
at::Tensor in_batches(const at::Tensor& input_NX, const at::Tensor& empty_0X, const Transform& transform) {
  std::vector<at::Tensor> outputs = {empty_0X};
  for (int64_t begin = 0; begin < input_NX.size(0); begin += kBatch) {
    outputs.push_back(transform(input_NX.slice(0, begin, begin + kBatch)));
  }
  return torch::cat(outputs);
}

}  // namespace

void ImageVaeConfig::describe(config::Table& table) {
  table.field("image_size", image_size, "pixels a side").range(8, 1024);
  table.field("downsample", downsample, "pixels a side of one latent pixel, a power of two").range(2, 32);
  table.field("latent_channels", latent_channels, "numbers in a latent pixel").range(1, 64);
  table.field("base_channels", base_channels, "width at half resolution; doubles with each halving")
      .range(4, 1024);
  table.field("steps", steps, "training steps").range(1, 1e8);
  table.field("batch_images", batch_images, "pictures a step").range(1, 4096);
  table.field("learning_rate", learning_rate, "peak learning rate").range(0, 1);
  table.field("l1_weight", l1_weight, "weight of the mean absolute error").range(0, 1e6);
  table.field("mse_weight", mse_weight, "weight of the mean squared error").range(0, 1e6);
  table
      .field("kl_weight", kl_weight,
             "weight of the divergence from a standard normal, in nats a latent number")
      .range(0, 1e6);
  table.field("max_images", max_images, "training pictures at most, drawn evenly").range(1, 1e7);
  table.field("seed", seed, "seed of weights, order and noise").at_least(0);
}

void ImageVaeConfig::check() const {
  if (!std::has_single_bit(static_cast<uint64_t>(downsample)) || image_size % (2 * downsample) != 0) {
    throw UserError(
        {"image_vae.downsample", "a power of two, and image_size a multiple of twice it",
         "downsample " + std::to_string(downsample) + ", image_size " + std::to_string(image_size), ""});
  }
}

struct ImageVae::State {
  ImageVaeConfig config;
  VaeNet net{nullptr};
};

ImageVae::ImageVae(CodecInfo codec_info)
    : ImageCodec(std::move(codec_info), kKind), state_(std::make_unique<State>()) {
  state_->config = config_of<ImageVaeConfig>(info());
  torch::NoGradGuard no_grad;
  state_->net = VaeNet(state_->config);
  load_weights(*state_->net, info().folder / "model.safetensors");
}

ImageVae::~ImageVae() = default;

const ImageVaeConfig& ImageVae::config() const { return state_->config; }

modality::Modality ImageVae::modality() const {
  const int64_t side = config().image_size / config().downsample;
  return modality::Modality::latents(info().modality, modality::special::kImageBrackets,
                                     {config().latent_channels, side, side});
}

std::vector<CodedItem> ImageVae::encode_items(const std::vector<at::Tensor>& inputs) const {
  const at::Tensor latents_NCHW = encode(torch::stack(inputs));
  std::vector<CodedItem> items;
  for (int64_t i = 0; i < latents_NCHW.size(0); ++i) items.push_back({.latents_CHW = latents_NCHW[i]});
  return items;
}

at::Tensor ImageVae::decode_images(const std::vector<CodedItem>& items) const {
  std::vector<at::Tensor> latents;
  for (const CodedItem& item : items) latents.push_back(item.latents_CHW);
  return decode(torch::stack(latents));
}

OrderedJson ImageVae::roundtrip_figures(const CodedItem& item) const {
  return {{"latent_shape", item.latents_CHW.sizes().vec()}};
}

at::Tensor ImageVae::encode(const at::Tensor& images_NCHW) const {
  const int64_t side = state_->config.image_size;
  TORCH_CHECK(images_NCHW.dim() == 4 && images_NCHW.scalar_type() == at::kByte && images_NCHW.size(1) == 3 &&
                  images_NCHW.size(2) == side && images_NCHW.size(3) == side,
              "[ImageVae::encode] expected u8 [N, 3, ", side, ", ", side, "], got ",
              images_NCHW.scalar_type(), " ", images_NCHW.sizes());
  torch::NoGradGuard no_grad;
  VaeNetImpl& net = *state_->net;
  const int64_t latent_side = side / state_->config.downsample;
  const at::Tensor empty = torch::empty({0, state_->config.latent_channels, latent_side, latent_side});
  return in_batches(images_NCHW, empty, [&](const at::Tensor& images) {
    const at::Tensor mean = net.encode(to_pixels(images)).first;
    return ((mean - net.latent_mean.view({1, -1, 1, 1})) / net.latent_std.view({1, -1, 1, 1}))
        .contiguous(at::MemoryFormat::Contiguous);
  });
}

at::Tensor ImageVae::decode(const at::Tensor& latents_NCHW) const {
  const ImageVaeConfig& c = state_->config;
  const int64_t side = c.image_size / c.downsample;
  TORCH_CHECK(latents_NCHW.dim() == 4 && latents_NCHW.scalar_type() == at::kFloat &&
                  latents_NCHW.size(1) == c.latent_channels && latents_NCHW.size(2) == side &&
                  latents_NCHW.size(3) == side,
              "[ImageVae::decode] expected f32 [N, ", c.latent_channels, ", ", side, ", ", side, "], got ",
              latents_NCHW.scalar_type(), " ", latents_NCHW.sizes());
  torch::NoGradGuard no_grad;
  VaeNetImpl& net = *state_->net;
  const at::Tensor empty = torch::empty({0, 3, c.image_size, c.image_size}, at::kByte);
  return in_batches(latents_NCHW, empty, [&](const at::Tensor& latents) {
    const at::Tensor mean =
        latents * net.latent_std.view({1, -1, 1, 1}) + net.latent_mean.view({1, -1, 1, 1});
    return to_bytes(net.decode(mean.contiguous(at::MemoryFormat::ChannelsLast)));
  });
}

}  // namespace mom::codecs
