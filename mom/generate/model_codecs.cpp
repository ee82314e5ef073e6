#include "mom/generate/model_codecs.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/generate/text_stream.h"
#include "mom/modality/special_tokens.h"

namespace mom::generate {

ModelCodecs::ModelCodecs(const models::ModelSpec& spec, Path folder, Path model_folder)
    : spec_(spec),
      model_folder_(std::move(model_folder)),
      set_(std::move(folder), spec.codec_hashes, model_folder_.string()) {}

const modality::Modality& ModelCodecs::value_of(const std::string& modality) const {
  const modality::Modality* value = spec_.vocabulary.find(modality);
  TORCH_INTERNAL_ASSERT(value, "the request was checked: the model has ", modality);
  return *value;
}

modality::Vocabulary ModelCodecs::vocabulary() const {
  modality::Vocabulary vocabulary = spec_.vocabulary;
  for (const modality::Modality& modality : spec_.vocabulary.modalities())
    if (set_.known() && modality.has_fixed_length() && !modality.is_continuous())
      vocabulary = vocabulary.with_codes_per_item(modality, set_.of(modality.name).modality().codes_per_item);
  return vocabulary;
}

const codecs::TextTokenizer* ModelCodecs::plain_tokenizer() const {
  if (looked_for_plain_) return plain_.get();
  looked_for_plain_ = true;
  try {
    plain_ = codecs::open_tokenizer(model_folder_);
  } catch (const InputError& error) {
    plain_fault_ = error.what();
    log_warning(*plain_fault_ + "; prompts and answers are ids only");
  }
  return plain_.get();
}

bool ModelCodecs::has_text() const {
  if (spec_.vocabulary.empty()) return plain_tokenizer() != nullptr;
  const auto [first, end] = spec_.vocabulary.pieces();
  return set_.known() && first < end;
}

std::vector<int32_t> ModelCodecs::encode_text(std::string_view text_in) const {
  if (!spec_.vocabulary.empty()) return text().encode(text_in);
  const codecs::TextTokenizer* tokenizer = plain_tokenizer();
  if (plain_fault_) throw InputError(*plain_fault_ + "; give the prompt as ids: --tokens");
  if (!tokenizer)
    throw InputError({model_folder_.string(), "a tokenizer (tokenizer.model or tokenizer.json)", "none",
                      "give the prompt as ids: --tokens"});
  return tokenizer->encode(text_in);
}

std::optional<int32_t> ModelCodecs::bos() const {
  if (!spec_.vocabulary.empty()) return modality::special::kBos;
  const codecs::TextTokenizer* tokenizer = plain_tokenizer();
  return tokenizer ? codecs::first_token(*tokenizer, model_folder_) : std::nullopt;
}

std::string ModelCodecs::bytes_of(int32_t token) const {
  if (!spec_.vocabulary.empty()) {
    const codecs::TextCodec& codec = text();
    return token < codec.vocabulary() ? codec.bytes_of(token) : "";
  }
  const codecs::TextTokenizer* tokenizer = plain_tokenizer();
  // Vocabularies are often padded beyond the tokenizer's pieces.
  return tokenizer && token < tokenizer->size() ? tokenizer->bytes_of(token) : std::string();
}

std::string ModelCodecs::text_of(const std::vector<int32_t>& tokens) const {
  TextStream stream;
  std::string text;
  for (const int32_t token : tokens) text += stream.push(bytes_of(token));
  return text + stream.finish();
}

const codecs::ExternalCodec* ModelCodecs::external(const std::string& modality) const {
  if (media_kind(modality) != codecs::MediaKind::kArray) return nullptr;
  return dynamic_cast<const codecs::ExternalCodec*>(&set_.of(modality));
}

codecs::MediaKind ModelCodecs::media_kind(const std::string& modality) const {
  const modality::Modality* value = spec_.vocabulary.find(modality);
  return !value || value->is_text() ? codecs::MediaKind::kText : set_.of(modality).media();
}

Feed ModelCodecs::read_part(const PromptPart& part) const {
  Feed feed;
  if (media_kind(part.modality) == codecs::MediaKind::kText) {
    feed.tokens = encode_text(part.content);
    return feed;
  }
  const modality::Modality& value = value_of(part.modality);
  const codecs::MediaCodec& codec = set_.media(part.modality);
  const codecs::CodedItem item =
      codec.encode_items(codec.read(std::as_bytes(std::span(part.content)), part.where, 1, "")).front();
  feed.append(value.brackets->open);
  if (value.is_continuous())
    feed.append(Picture{item.latents_CHW, 0, static_cast<size_t>(spec_.vocabulary.latents_number(value))});
  for (const int32_t code : item.codes) feed.append(static_cast<int32_t>(value.begin) + code);
  feed.append(value.brackets->close);
  return feed;
}

void ModelCodecs::append_part(const PromptPart& part, Feed& feed) const {
  if (parts_.append(part, feed)) return;
  Feed read = read_part(part);
  feed.append(read);
  parts_.put(part, std::move(read));
}

codecs::CodedItem ModelCodecs::item_of(const Segment& segment) const {
  if (segment.picture) return {.latents_CHW = segment.picture->latent_CHW};
  codecs::CodedItem item{.codes = segment.tokens};
  for (int32_t& code : item.codes) code -= static_cast<int32_t>(value_of(segment.modality).begin);
  return item;
}

codecs::Media ModelCodecs::media_of(const Segment& segment) const {
  return set_.media(segment.modality).decode_item(item_of(segment));
}

codecs::Media ModelCodecs::preview_of(Segment segment) const {
  const int64_t num_codes = std::ssize(segment.tokens), all = value_of(segment.modality).codes_per_item;
  if (segment.picture || num_codes >= all) return media_of(segment);
  TORCH_INTERNAL_ASSERT(num_codes > 0);
  segment.tokens.resize(static_cast<size_t>(all), segment.tokens.back());
  codecs::Media media = media_of(segment);
  auto& image = std::get<formats::Image>(media);
  const int64_t side = std::llround(std::sqrt(static_cast<double>(all)));  // codes are a square, row by row
  const auto is_missing = [&](int64_t x, int64_t y) {
    return y * side / image.height * side + x * side / image.width >= num_codes;
  };
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      if (is_missing(x, y))
        std::fill_n(image.pixels.begin() + (y * image.width + x) * image.channels, image.channels,
                    uint8_t{255});
  return media;
}

}  // namespace mom::generate
