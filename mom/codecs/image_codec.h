// What codecs of images share: the pixels they take, and how a file becomes them.
#pragma once

#include "mom/codecs/codec.h"

namespace mom::codecs {

class ImageCodec : public MediaCodec {
 public:
  virtual int64_t image_size() const = 0;  // pixels per side, S
  // As its encoder sees the item: the latents, or what its codes stand for. f32 [C, H, W].
  virtual at::Tensor features(const CodedItem& item) const = 0;

  MediaKind media() const final { return MediaKind::kImage; }
  // u8 [3, S, S] each, by image_views (pictures.h).
  std::vector<at::Tensor> read(std::span<const std::byte> bytes, std::string_view where, int64_t variants,
                               std::string_view key) const final;
  int64_t num_views(int64_t variants) const final { return variants; }
  bool prefers_batches() const final { return true; }
  std::vector<Media> decode_items(const std::vector<CodedItem>& items) const final;
  OrderedJson describe(int64_t variants) const final;
  OrderedJson roundtrip(const RoundtripOptions& options) const final;

 protected:
  using MediaCodec::MediaCodec;
  virtual at::Tensor decode_images(const std::vector<CodedItem>& items) const = 0;  // u8 [N, 3, S, S]
  virtual OrderedJson roundtrip_figures(const CodedItem& item) const = 0;           // of its own kind
};

}  // namespace mom::codecs
