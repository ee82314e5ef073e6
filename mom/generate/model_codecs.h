// The codecs around a model, in terms of what it is fed and answers: text and files in, ids and latents out,
// and back. Each is opened when it is first needed, and must be the one the model was trained with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/codecs/codec_set.h"
#include "mom/codecs/external_codec.h"
#include "mom/codecs/text_tokenizer.h"
#include "mom/generate/asked.h"
#include "mom/generate/part_cache.h"
#include "mom/generate/segments.h"

namespace mom::generate {

class ModelCodecs {
 public:
  // `folder`: a codec in a folder for each modality, as encoded data has them; empty: none. Of a plain
  // language model only the tokenizer beside its weights is used.
  ModelCodecs(const models::ModelSpec& spec, Path folder, Path model_folder);

  const codecs::CodecSet& set() const { return set_; }
  // The model's; where its folder does not say how many codes an item has, as the codec says.
  modality::Vocabulary vocabulary() const;

  std::vector<int32_t> encode_text(std::string_view text) const;
  bool has_text() const;  // whether text can be written at all
  // What a document begins with; a plain model's tokenizer says whether anything.
  std::optional<int32_t> bos() const;
  std::string text_of(const std::vector<int32_t>& tokens) const;  // as text_stream.h shows it
  std::string bytes_of(int32_t token) const;

  // The codec from outside that a modality has; null where it has another.
  const codecs::ExternalCodec* external(const std::string& modality) const;
  // What a modality's items are for people; text needs no codec for it.
  codecs::MediaKind media_kind(const std::string& modality) const;
  // A part of a prompt; a file with the tokens around it. Those of the last prompts are kept. InputError: one that cannot
  // be decoded.
  void append_part(const PromptPart& part, Feed& feed) const;
  // A segment as its codec has it, and decoded.
  codecs::CodedItem item_of(const Segment& segment) const;
  codecs::Media media_of(const Segment& segment) const;
  // The same of an image's first codes: white where there are none yet.
  codecs::Media preview_of(Segment segment) const;

 private:
  Feed read_part(const PromptPart& part) const;
  const modality::Modality& value_of(const std::string& modality) const;
  const codecs::TextCodec& text() const { return set_.text(spec_.vocabulary.text()->name); }
  // Null: none, or one that cannot be used, which is said once: a model works without.
  const codecs::TextTokenizer* plain_tokenizer() const;

  const models::ModelSpec spec_;
  const Path model_folder_;
  const codecs::CodecSet set_;
  mutable std::unique_ptr<codecs::TextTokenizer> plain_;
  mutable bool looked_for_plain_ = false;
  mutable std::optional<std::string> plain_fault_;
  mutable PartCache parts_{64 << 20};
};

}  // namespace mom::generate
