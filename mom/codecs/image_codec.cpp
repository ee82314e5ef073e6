#include "mom/codecs/image_codec.h"

#include <ATen/core/Tensor.h>

#include "mom/codecs/pictures.h"
#include "mom/codecs/roundtrip.h"
#include "mom/codecs/training_pictures.h"

namespace mom::codecs {

std::vector<at::Tensor> ImageCodec::read(std::span<const std::byte> bytes, std::string_view where,
                                         int64_t variants, std::string_view key) const {
  std::vector<at::Tensor> inputs;
  for (const formats::Image& view :
       image_views(formats::decode_image(bytes, where), image_size(), variants, key))
    inputs.push_back(to_tensor(view));
  return inputs;
}

std::vector<Media> ImageCodec::decode_items(const std::vector<CodedItem>& items) const {
  const at::Tensor images_NCHW = decode_images(items);
  std::vector<Media> decoded;
  for (int64_t i = 0; i < images_NCHW.size(0); ++i) decoded.emplace_back(to_image(images_NCHW[i]));
  return decoded;
}

OrderedJson ImageCodec::describe(int64_t variants) const { return {{"variants", variants}}; }

OrderedJson ImageCodec::roundtrip(const RoundtripOptions& options) const {
  const std::string bytes = read_file(options.file);
  const std::vector<at::Tensor> input = read(std::as_bytes(std::span(bytes)), options.file.string(), 1, "");
  const std::vector<CodedItem> items = encode_items(input);
  const at::Tensor image = input[0].unsqueeze(0), back = decode_images(items);
  publish_file(options.out, formats::encode_png(to_image(back[0])));
  OrderedJson figures = {
      {"kind", info().kind}, {"hash", info().hash}, {"width", image.size(3)}, {"height", image.size(2)}};
  figures.update(roundtrip_figures(items[0]));
  figures["psnr_db"] = psnr_db(image, back).item<double>();
  return figures;
}

}  // namespace mom::codecs
