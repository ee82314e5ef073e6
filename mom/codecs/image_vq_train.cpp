#include "mom/codecs/image_vq_train.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/codecs/codec_config.h"
#include "mom/codecs/fit.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/codecs/vq_net.h"
#include "mom/codecs/weights.h"

namespace mom::codecs {
namespace {

constexpr int64_t kStartVectorsPerCode = 16;  // what the first k-means sees

QuantizerOptions quantizer_options(const ImageVqConfig& config) {
  QuantizerOptions options;
  options.num_codes = config.codebook_size;
  options.width = config.code_width;
  options.decay = config.ema_decay;
  options.dead_share = config.dead_share;
  options.seed = static_cast<uint64_t>(config.seed);
  return options;
}

class Training {
 public:
  Training(const ImageVqConfig& config, const TrainingPictures& pictures)
      : config_(config),
        pictures_(pictures),
        net_(config),
        quantizer_(quantizer_options(config)),
        order_(pictures),
        first_quantized_step_(
            static_cast<int64_t>(config.continuous_share * static_cast<double>(config.steps))) {}

  VqNet run() {
    fit(
        {"VQ image codec", "vq_image", config_.steps, config_.learning_rate}, net_->parameters(),
        [&](int64_t step) { return next_step(step); }, psnr_words);
    net_->codebook_KE.copy_(quantizer_.codes_KC());
    return net_;
  }

 private:
  Step next_step(int64_t step) {
    const at::Tensor images = order_.next(config_.batch_images);
    if (step < first_quantized_step_)
      return {images.size(0), [this, images](const Piece& piece) {
                const at::Tensor pixels = to_pixels(piece.of(images));
                return loss_of(pixels, net_->encode(pixels), torch::zeros({}));
              }};
    if (!quantizer_.started()) start_codebook();
    return {images.size(0),
            [this, images](const Piece& piece) {
              const at::Tensor pixels = to_pixels(piece.of(images)), vectors_NE = net_->encode(pixels);
              const Quantized quantized = quantizer_.quantize(vectors_NE);
              batch_codes_.add(piece.index, vectors_NE, quantized.codes_N);
              return loss_of(pixels, quantized.vectors_NC, quantized.commitment);
            },
            [this] { batch_codes_.teach(quantizer_); }};
  }

  PieceLoss loss_of(const at::Tensor& pixels, const at::Tensor& vectors_NE, const at::Tensor& commitment) {
    const at::Tensor error = net_->decode(vectors_NE) - pixels;
    const at::Tensor mse = error.square().mean();
    return {config_.l1_weight * error.abs().mean() + config_.mse_weight * mse +
                config_.commitment_weight * commitment,
            mse_of_bytes(mse.item<double>())};
  }

  void start_codebook() {
    torch::NoGradGuard no_grad;
    const at::Tensor& all = pictures_.train_views[0];
    const int64_t side = config_.image_size / config_.downsample;
    const int64_t count = std::max<int64_t>(1, kStartVectorsPerCode * config_.codebook_size / (side * side));
    const at::Tensor chosen = all.index_select(0, torch::randperm(all.size(0)).slice(0, 0, count));
    std::vector<at::Tensor> vectors;
    for (const at::Tensor& batch : chosen.split(config_.batch_images))
      vectors.push_back(net_->encode(to_pixels(batch)));
    quantizer_.start_from(torch::cat(vectors));
  }

  const ImageVqConfig& config_;
  const TrainingPictures& pictures_;
  VqNet net_;
  VectorQuantizer quantizer_;
  BatchCodes batch_codes_;
  PictureOrder order_;
  int64_t first_quantized_step_;
};

void add_code_use(Json& report, const ImageVq& codec, const at::Tensor& images_NCHW,
                  const std::string& prefix) {
  const CodeUse use = code_use(codec.encode(images_NCHW), codec.codebook_size());
  report[prefix + "codes_used_share"] = use.share_used;
  report[prefix + "code_perplexity"] = use.perplexity;
}

Json held_out_report(const Path& folder, const TrainingPictures& pictures) {
  const ImageVq codec(folder);
  Json report = picture_report(folder, pictures,
                               [&](const at::Tensor& images) { return codec.decode(codec.encode(images)); });
  add_code_use(report, codec, pictures.train_views[0], "");
  if (pictures.validation.size(0) > 0) add_code_use(report, codec, pictures.validation, "validation_");
  return report;
}

}  // namespace

Json train_image_vq(const ImageVqConfig& config, const TrainingPictures& pictures, const Path& out,
                    bool replace) {
  config.check();
  require_training_pictures(pictures, "VQ image codec");
  FolderPublisher publisher(out, replace);
  torch::manual_seed(static_cast<uint64_t>(config.seed));
  const VqNet net = Training(config, pictures).run();
  write_weights(publisher.path() / "model.safetensors", *net);
  write_codec_info(publisher.path(), ImageVq::kKind, "image", config_json(config), Json::object());
  const Json report = held_out_report(publisher.path(), pictures);
  write_codec_info(publisher.path(), ImageVq::kKind, "image", config_json(config), report);
  publisher.commit();
  return report;
}

}  // namespace mom::codecs
