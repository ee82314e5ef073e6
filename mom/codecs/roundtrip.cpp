#include "mom/codecs/roundtrip.h"

#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/mel.h"
#include "mom/codecs/pictures.h"
#include "mom/codecs/speech_codec.h"
#include "mom/codecs/text_codec.h"
#include "mom/codecs/training_pictures.h"
#include "mom/codecs/vector_quantizer.h"
#include "mom/formats/sound_file.h"
#include "mom/nn/tensor_io.h"

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

// u8 [1, 3, S, S]
at::Tensor read_fitted(const Path& file, int64_t side) {
  return to_tensor(formats::fit_square(formats::blend_on_white(formats::read_image(file)), side))
      .unsqueeze(0);
}

// Publishes what came back and says how far it is from the original, after the figures of the codec itself.
OrderedJson picture_figures(const CodecInfo& info, const at::Tensor& image, const at::Tensor& back,
                            const OrderedJson& own, const Path& out) {
  publish_file(out, formats::encode_png(to_image(back[0])));
  OrderedJson figures = {
      {"kind", info.kind}, {"hash", info.hash}, {"width", image.size(3)}, {"height", image.size(2)}};
  figures.update(own);
  figures["psnr_db"] = psnr_db(image, back).item<double>();
  return figures;
}

OrderedJson roundtrip_vae(const Path& folder, const Path& file, const Path& out) {
  const ImageVae codec(folder);
  const at::Tensor image = read_fitted(file, codec.config().image_size);
  const at::Tensor latents = codec.encode(image);
  return picture_figures(codec.info(), image, codec.decode(latents),
                         {{"latent_shape", latents[0].sizes().vec()}}, out);
}

OrderedJson roundtrip_vq(const Path& folder, const Path& file, const Path& out) {
  const ImageVq codec(folder);
  const at::Tensor image = read_fitted(file, codec.config().image_size);
  const at::Tensor codes = codec.encode(image);
  const OrderedJson own = {{"codes", codes.size(1)},
                           {"different_codes", code_use(codes, codec.codebook_size()).num_used}};
  return picture_figures(codec.info(), image, codec.decode(codes), own, out);
}

OrderedJson roundtrip_speech(const RoundtripOptions& options) {
  const SpeechCodec codec(options.codec);
  const std::string bytes = read_file(options.file);
  const std::vector<float> samples = decode_speech(std::as_bytes(std::span(bytes)), options.file.string());
  const SpeechCodes codes = codec.encode(samples);
  const at::Tensor original_FB = codec.mel_of(samples), decoded_FB = codec.decode_mel(codes);
  publish_file(options.out, formats::encode_wav(codec.decode(codes), kSpeechRateHz));
  if (!options.mel.empty()) {
    publish_with(options.mel, [&](const Path& aside) {
      nn::write_tensors(aside, {{"original", original_FB}, {"decoded", decoded_FB}});
    });
  }
  return {{"kind", "speech"},
          {"hash", codec.info().hash},
          {"seconds", static_cast<double>(samples.size()) / kSpeechRateHz},
          {"codes", codes.codes.size()},
          {"mel_l1", (original_FB - decoded_FB).abs().mean().item<double>()}};
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

OrderedJson roundtrip(const RoundtripOptions& options) {
  const auto& [codec, file, out, mel] = options;
  const std::string kind = read_codec_info(codec).kind;
  if (!mel.empty() && kind != "speech")
    throw UserError({"--mel", "a speech codec", "kind \"" + kind + "\"", ""});
  if (kind == "text") return roundtrip_text(codec, file, out);
  if (kind == "image_vae") return roundtrip_vae(codec, file, out);
  if (kind == "vq_image") return roundtrip_vq(codec, file, out);
  if (kind == "speech") return roundtrip_speech(options);
  throw InputError({codec.string(), "a codec of a kind this program knows", "kind \"" + kind + "\"", ""});
}

}  // namespace mom::codecs
