// The codecs around a model: text and files in, ids and latents out, and back. Each is opened when it is
// first needed, and must be the one the model was trained with.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/codecs/image_vae.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/sentence_piece.h"
#include "mom/codecs/speech_codec.h"
#include "mom/codecs/text_codec.h"
#include "mom/formats/image_file.h"
#include "mom/generate/segments.h"

namespace mom::generate {

class CodecSet {
 public:
  // `folder`: a codec in each of text/, image/ and speech/, as encoded data has them; empty: none. Of a plain
  // language model only the SentencePiece tokenizer beside its weights is used.
  CodecSet(const models::ModelSpec& spec, Path folder, Path model_folder);

  // All throw InputError where the codec is missing, damaged or not the model's.
  void require(const std::string& modality);
  std::vector<int32_t> encode_text(std::string_view text);  // a plain model's <bos> comes with it
  bool has_text();                                          // whether text can be written at all
  std::string text_of(const std::vector<int32_t>& tokens);  // as text_stream.h shows it
  std::string bytes_of(int32_t token);
  // A picture or sound file with the specials around it. InputError: a file that cannot be decoded.
  void append_image(const Path& file, Feed& feed);
  void append_speech(const Path& file, Feed& feed);
  // The model's; where its folder does not say how many codes an item has, as the codec says.
  modality::Vocabulary vocabulary();
  formats::Image picture_of(const Segment& segment);
  std::vector<float> sound_of(const Segment& segment);  // 16 kHz
  // A picture as its codec's encoder sees it: the latent, or what its codes stand for. f32 [C, H, W].
  at::Tensor encoding_of(const Segment& segment);

 private:
  template <class Codec>
  Codec& opened(std::unique_ptr<Codec>& codec, const std::string& modality);
  const modality::Modality& value_of(const std::string& modality) const;
  std::vector<int32_t> codes_of(const Segment& segment) const;
  codecs::TextCodec& text() { return opened(text_, "text"); }
  codecs::ImageVae& vae() { return opened(vae_, "image"); }
  codecs::ImageVq& vq() { return opened(vq_, "image"); }
  codecs::SpeechCodec& speech() { return opened(speech_, "speech"); }
  codecs::SentencePiece* plain_tokenizer();

  const models::ModelSpec spec_;
  const Path folder_, model_folder_;
  std::unique_ptr<codecs::TextCodec> text_;
  std::unique_ptr<codecs::SentencePiece> plain_;
  std::unique_ptr<codecs::ImageVae> vae_;
  std::unique_ptr<codecs::ImageVq> vq_;
  std::unique_ptr<codecs::SpeechCodec> speech_;
};

}  // namespace mom::generate
