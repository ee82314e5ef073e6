#include "mom/codecs/roundtrip.h"

#include <torch/torch.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/image_vae_train.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/text_codec.h"

namespace mom::codecs {
namespace {

OrderedJson roundtrip_text(const Path& folder, const Path& file, const Path& out) {
  const TextCodec codec(folder);
  const std::string text = read_file(file);
  const std::vector<int32_t> tokens = codec.encode(text);
  const std::string back = codec.decode(tokens);
  publish_file(out, back);
  const double per_byte =
      text.empty() ? 0 : static_cast<double>(tokens.size()) / static_cast<double>(text.size());
  return {{"kind", "text"},          {"hash", codec.info().hash},   {"bytes", text.size()},
          {"tokens", tokens.size()}, {"tokens_per_byte", per_byte}, {"exact", back == text}};
}

OrderedJson roundtrip_image(const Path& folder, const Path& file, const Path& out) {
  const ImageVae codec(folder);
  const formats::Image fitted =
      formats::fit_square(formats::blend_on_white(formats::read_image(file)), codec.config().image_size);
  const at::Tensor image = to_tensor(fitted).unsqueeze(0);
  const at::Tensor latents = codec.encode(image);
  const at::Tensor back = codec.decode(latents);
  publish_file(out, formats::encode_png(to_image(back[0])));
  return {{"kind", "image_vae"},
          {"hash", codec.info().hash},
          {"width", fitted.width},
          {"height", fitted.height},
          {"latent_shape", latents[0].sizes().vec()},
          {"psnr_db", psnr_db(image, back).item<double>()}};
}

}  // namespace

at::Tensor to_tensor(const formats::Image& rgb) {
  TORCH_CHECK(rgb.channels == 3, "[to_tensor] expected 3 channels, got ", rgb.channels);
  return torch::from_blob(const_cast<uint8_t*>(rgb.pixels.data()), {rgb.height, rgb.width, 3}, at::kByte)
      .permute({2, 0, 1})
      .contiguous();
}

formats::Image to_image(const at::Tensor& image_CHW) {
  TORCH_CHECK(image_CHW.dim() == 3 && image_CHW.size(0) == 3 && image_CHW.scalar_type() == at::kByte,
              "[to_image] expected u8 [3, H, W], got ", image_CHW.scalar_type(), " ", image_CHW.sizes());
  const at::Tensor rows = image_CHW.permute({1, 2, 0}).contiguous();
  const uint8_t* pixels = rows.const_data_ptr<uint8_t>();
  return {image_CHW.size(2), image_CHW.size(1), 3, {pixels, pixels + rows.numel()}};
}

OrderedJson roundtrip(const Path& codec, const Path& file, const Path& out) {
  return read_codec_info(codec).kind == "text" ? roundtrip_text(codec, file, out)
                                               : roundtrip_image(codec, file, out);
}

}  // namespace mom::codecs
