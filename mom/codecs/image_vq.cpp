#include "mom/codecs/image_vq.h"

#include <bit>

#include "mom/base/error.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/each_alone.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/codecs/vq_net.h"
#include "mom/codecs/weights.h"
#include "mom/config/schema.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {

void ImageVqConfig::describe(config::Table& table) {
  table.field("image_size", image_size, "pixels a side").range(8, 1024);
  table.field("downsample", downsample, "pixels a side of one code, a power of two").range(2, 32);
  table.field("codebook_size", codebook_size, "codes in all").range(2, 65536);
  table.field("code_width", code_width, "numbers in a code's vector").range(1, 512);
  table.field("base_channels", base_channels, "width at half resolution; doubles with each halving")
      .range(4, 1024);
  table.field("blocks", blocks, "residual blocks a stage").range(1, 8);
  table.field("steps", steps, "training steps").range(1, 1e8);
  table.field("batch_images", batch_images, "pictures a step").range(1, 4096);
  table.field("learning_rate", learning_rate, "peak learning rate").range(0, 1);
  table.field("l1_weight", l1_weight, "weight of the mean absolute error").range(0, 1e6);
  table.field("mse_weight", mse_weight, "weight of the mean squared error").range(0, 1e6);
  table
      .field("commitment_weight", commitment_weight,
             "weight of the mean squared distance between the encoder's vectors and their codes")
      .range(0, 1e6);
  table.field("ema_decay", ema_decay, "decay of the codebook's moving averages, a step").range(0, 1);
  table
      .field("dead_share", dead_share,
             "a code used less than this share of the mean code's use is dead, and moved")
      .range(0, 1);
  table
      .field("continuous_share", continuous_share,
             "share of the steps before the codebook, which begins with k-means of the encoder's vectors")
      .range(0, 0.9);
  table.field("max_images", max_images, "training pictures at most, drawn evenly").range(1, 1e7);
  table.field("seed", seed, "seed of weights, order and codebook").at_least(0);
}

void ImageVqConfig::check() const {
  if (!std::has_single_bit(static_cast<uint64_t>(downsample)) || image_size % downsample != 0) {
    throw UserError(
        {"vq_image.downsample", "a power of two that divides image_size",
         "downsample " + std::to_string(downsample) + ", image_size " + std::to_string(image_size), ""});
  }
}

struct ImageVq::State {
  ImageVqConfig config;
  VqNet net{nullptr};
};

ImageVq::ImageVq(CodecInfo codec_info)
    : ImageCodec(std::move(codec_info), kKind), state_(std::make_unique<State>()) {
  state_->config = config_of<ImageVqConfig>(info());
  state_->net = VqNet(state_->config);
  load_weights(*state_->net, info().folder / "model.safetensors");
}

ImageVq::~ImageVq() = default;

const ImageVqConfig& ImageVq::config() const { return state_->config; }

int64_t ImageVq::codes_per_image() const {
  const int64_t side = config().image_size / config().downsample;
  return side * side;
}

modality::Modality ImageVq::modality() const {
  return modality::Modality::codes(info().modality, modality::special::kImageBrackets, codes_per_image());
}

namespace {

at::Tensor codes_of(const std::vector<CodedItem>& items) {  // i32 [N, L]
  std::vector<at::Tensor> codes;
  for (const CodedItem& item : items) codes.push_back(torch::tensor(item.codes, torch::kInt32));
  return torch::stack(codes);
}

}  // namespace

std::vector<CodedItem> ImageVq::encode_items(const std::vector<at::Tensor>& inputs) const {
  const at::Tensor codes_NL = encode(torch::stack(inputs));
  const int32_t* code = codes_NL.const_data_ptr<int32_t>();
  std::vector<CodedItem> items;
  for (size_t i = 0; i < inputs.size(); ++i, code += codes_per_image())
    items.push_back({.codes = {code, code + codes_per_image()}});
  return items;
}

at::Tensor ImageVq::decode_images(const std::vector<CodedItem>& items) const {
  return decode(codes_of(items));
}

at::Tensor ImageVq::features(const CodedItem& item) const { return vectors(codes_of({item}))[0]; }

OrderedJson ImageVq::roundtrip_figures(const CodedItem& item) const {
  return {{"codes", item.codes.size()},
          {"different_codes", code_use(codes_of({item}), codebook_size()).num_used}};
}

at::Tensor ImageVq::encode(const at::Tensor& images_NCHW) const {
  const int64_t side = config().image_size, num_images = images_NCHW.size(0);
  TORCH_CHECK(images_NCHW.dim() == 4 && images_NCHW.scalar_type() == at::kByte && images_NCHW.size(1) == 3 &&
                  images_NCHW.size(2) == side && images_NCHW.size(3) == side,
              "[ImageVq::encode] expected u8 [N, 3, ", side, ", ", side, "], got ", images_NCHW.scalar_type(),
              " ", images_NCHW.sizes());
  const at::Tensor codes_NL = torch::empty({num_images, codes_per_image()}, at::kInt);
  for_each_alone(num_images, [&](int64_t i) {
    VqNetImpl& net = *state_->net;
    const at::Tensor vectors_LE = net.encode(to_pixels(images_NCHW.slice(0, i, i + 1)));
    codes_NL[i].copy_(nearest_codes(vectors_LE, net.codebook_KE));
  });
  return codes_NL;
}

namespace {

void check_codes(const ImageVq& codec, const at::Tensor& codes_NL) {
  TORCH_CHECK(codes_NL.dim() == 2 && codes_NL.scalar_type() == at::kInt &&
                  codes_NL.size(1) == codec.codes_per_image(),
              "[ImageVq] expected i32 [N, ", codec.codes_per_image(), "], got ", codes_NL.scalar_type(), " ",
              codes_NL.sizes());
  if (codes_NL.numel() > 0 &&
      (codes_NL.min().item<int32_t>() < 0 || codes_NL.max().item<int32_t>() >= codec.codebook_size())) {
    throw InputError({"image codes", "codes from 0 to " + std::to_string(codec.codebook_size() - 1),
                      std::to_string(codes_NL.min().item<int32_t>()) + " to " +
                          std::to_string(codes_NL.max().item<int32_t>()),
                      "decode with the codec that made them"});
  }
}

}  // namespace

at::Tensor ImageVq::decode(const at::Tensor& codes_NL) const {
  const int64_t side = config().image_size, num_images = codes_NL.size(0);
  check_codes(*this, codes_NL);
  const at::Tensor images_NCHW = torch::empty({num_images, 3, side, side}, at::kByte);
  for_each_alone(num_images, [&](int64_t i) {
    VqNetImpl& net = *state_->net;
    images_NCHW[i].copy_(to_bytes(net.decode(net.codebook_KE.index_select(0, codes_NL[i])))[0]);
  });
  return images_NCHW;
}

at::Tensor ImageVq::vectors(const at::Tensor& codes_NL) const {
  check_codes(*this, codes_NL);
  const int64_t side = config().image_size / config().downsample, num_images = codes_NL.size(0);
  return state_->net->codebook_KE.index_select(0, codes_NL.flatten())
      .view({num_images, side, side, config().code_width})
      .permute({0, 3, 1, 2})
      .contiguous();
}

}  // namespace mom::codecs
