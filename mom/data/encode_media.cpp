#include "mom/data/encode_media.h"

#include <ATen/ATen.h>

#include <limits>

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"

namespace mom::data {
namespace {

std::array<int64_t, 3> latent_shape_of(const codecs::ImageVae& codec) {
  const codecs::ImageVaeConfig& config = codec.config();
  const int64_t side = config.image_size / config.downsample;
  return {config.latent_channels, side, side};
}

OrderedJson named(const codecs::CodecInfo& info) { return {{"hash", info.hash}, {"kind", info.kind}}; }

}  // namespace

CodecSet::CodecSet(const std::vector<Path>& folders) {
  for (const Path& folder : folders) open(folder);
  using namespace modality::special;
  using modality::Modality;
  if (text_) vocabulary_.add(Modality::tokens("text"), text_->vocabulary());
  if (image_vae_) {
    const auto [c, h, w] = latent_shape_of(*image_vae_);
    vocabulary_.add(Modality::latents("image", {kBoi, kEoi}, {c, h, w}), 0);
  }
  if (image_vq_)
    vocabulary_.add(Modality::codes("image", {kBoi, kEoi}, image_vq_->codes_per_image()),
                    image_vq_->codebook_size());
  if (speech_)
    vocabulary_.add(Modality::codes("speech", {kBosSpeech, kEosSpeech}, 0), speech_->codebook_size());
}

void CodecSet::open(const Path& folder) {
  const codecs::CodecInfo info = codecs::read_codec_info(folder);
  if (!folders_.emplace(info.modality, folder).second)
    throw UserError(
        {"--codecs " + folder.string(), "one codec a modality", "a second one for " + info.modality, ""});
  if (info.kind == "text") {
    text_ = std::make_unique<codecs::TextCodec>(folder);
  } else if (info.kind == "image_vae") {
    image_vae_ = std::make_unique<codecs::ImageVae>(folder);
  } else if (info.kind == "vq_image") {
    image_vq_ = std::make_unique<codecs::ImageVq>(folder);
  } else if (info.kind == "speech") {
    speech_ = std::make_unique<codecs::SpeechCodec>(folder);
  } else {
    throw UserError({"--codecs " + folder.string(), "a codec of kind text, image_vae, vq_image or speech",
                     "kind \"" + info.kind + "\"", ""});
  }
}

int64_t CodecSet::image_side() const {
  return image_vae_ ? image_vae_->config().image_size : image_vq_->config().image_size;
}

int64_t CodecSet::positions_per_image() const {
  if (image_vq_) return image_vq_->codes_per_image();
  const auto [channels, height, width] = latent_shape_of(*image_vae_);
  return height * width / 4;
}

void CodecSet::encode_images(const at::Tensor& views_NCHW, int64_t num_views,
                             const std::vector<EncodedSegment*>& segments) const {
  if (image_vae_) {
    const at::Tensor latents = image_vae_->encode(views_NCHW).to(at::kHalf).contiguous();
    const auto* bits = reinterpret_cast<const uint16_t*>(latents.const_data_ptr());
    const int64_t per_picture = latents.numel() / static_cast<int64_t>(segments.size());
    for (EncodedSegment* segment : segments) {
      segment->latents.assign(bits, bits + per_picture);
      bits += per_picture;
    }
    return;
  }
  const int64_t begin = vocabulary_.find("image")->begin, length = image_vq_->codes_per_image();
  const at::Tensor codes = image_vq_->encode(views_NCHW).add(begin).contiguous();
  const int32_t* code = codes.const_data_ptr<int32_t>();
  for (EncodedSegment* segment : segments) {
    for (int64_t view = 0; view < num_views; ++view, code += length)
      segment->parts.emplace_back(code, code + length);
  }
}

void CodecSet::encode_speech(std::span<const float> samples, EncodedSegment& segment) const {
  constexpr int32_t kMost = std::numeric_limits<int16_t>::max();
  const codecs::SpeechCodes encoded = speech_->encode(samples);
  const bool merged = speech_->config().deduplicate;
  const auto begin = static_cast<int32_t>(vocabulary_.find("speech")->begin);
  std::vector<int32_t>& tokens = segment.parts.emplace_back();
  for (size_t i = 0; i < encoded.codes.size(); ++i) {
    // A run longer than the shard can say (22 minutes of one code) is written as several.
    for (int32_t left = merged ? encoded.counts[i] : 1; left > 0; left -= kMost) {
      tokens.push_back(begin + encoded.codes[i]);
      if (merged) segment.repeats.push_back(static_cast<int16_t>(std::min(left, kMost)));
    }
  }
}

ShardFormat CodecSet::shard_format(int64_t num_variants) const {
  ShardFormat format;
  if (text_) {
    format.colon = text_->encode(":");
    format.comma = text_->encode(",");
  }
  if (image_vae_) {
    format.num_variants = num_variants;
    format.latent_shape = latent_shape_of(*image_vae_);
  }
  return format;
}

OrderedJson CodecSet::describe(int64_t num_variants) const {
  OrderedJson described = OrderedJson::object();
  if (text_) described["text"] = named(text_->info());
  if (image_vae_) {
    described["image"] = named(image_vae_->info());
    described["image"]["variants"] = num_variants;
  }
  if (image_vq_) {
    described["image"] = named(image_vq_->info());
    described["image"]["variants"] = num_variants;
  }
  if (speech_) {
    described["speech"] = named(speech_->info());
    described["speech"]["code_rate_hz"] = speech_->config().code_rate_hz;
    described["speech"]["deduplicated"] = speech_->config().deduplicate;
  }
  return described;
}

void CodecSet::copy_to(const Path& folder) const {
  std::filesystem::create_directory(folder);
  for (const auto& [modality, codec] : folders_)
    std::filesystem::copy(codec, folder / modality, std::filesystem::copy_options::recursive);
}

}  // namespace mom::data
