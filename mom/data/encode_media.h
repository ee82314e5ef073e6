// The codecs of one encoding, and what they make of a document's segments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/speech_codec.h"
#include "mom/codecs/text_codec.h"
#include "mom/data/shard_writer.h"
#include "mom/modality/vocabulary.h"

namespace mom::data {

class CodecSet {
 public:
  // UserError: two codecs of one modality, a kind that is not known.
  explicit CodecSet(const std::vector<Path>& folders);

  // Modalities with a codec, in the order of the joint vocabulary: text, image, speech.
  const modality::Vocabulary& vocabulary() const { return vocabulary_; }
  const codecs::TextCodec* text() const { return text_.get(); }
  const codecs::SpeechCodec* speech() const { return speech_.get(); }
  int64_t image_side() const;
  int64_t positions_per_image() const;  // codes, or patches of 2 x 2 latent pixels

  // u8 [N, 3, S, S], K views of each of N / K pictures, view by view -> the image segments' latents, or their
  // codes, one part per view.
  void encode_images(const at::Tensor& views_NCHW, int64_t num_views,
                     const std::vector<EncodedSegment*>& segments) const;
  // 16 kHz mono -> the speech segment's codes.
  void encode_speech(std::span<const float> samples, EncodedSegment& segment) const;

  ShardFormat shard_format(int64_t num_variants) const;
  OrderedJson describe(int64_t num_variants) const;  // "codecs" of dataset.json
  void copy_to(const Path& folder) const;            // folder/MODALITY

 private:
  void open(const Path& folder);
  std::unique_ptr<codecs::TextCodec> text_;
  std::unique_ptr<codecs::ImageVae> image_vae_;
  std::unique_ptr<codecs::ImageVq> image_vq_;
  std::unique_ptr<codecs::SpeechCodec> speech_;
  modality::Vocabulary vocabulary_;
  std::map<std::string, Path> folders_;  // by modality
};

}  // namespace mom::data
