#include "mom/generate/codec_set.h"

#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/codecs/pictures.h"
#include "mom/generate/text_stream.h"
#include "mom/modality/special_tokens.h"

namespace mom::generate {

CodecSet::CodecSet(const models::ModelSpec& spec, Path folder, Path model_folder)
    : spec_(spec), folder_(std::move(folder)), model_folder_(std::move(model_folder)) {}

template <class Codec>
Codec& CodecSet::opened(std::unique_ptr<Codec>& codec, const std::string& modality) {
  if (codec) return *codec;
  if (folder_.empty())
    throw InputError({model_folder_.string(), "the " + modality + " codec of this model", "none",
                      "give a run folder, or --codecs DIR with " + modality + "/ in it"});
  codec = std::make_unique<Codec>(folder_ / modality);
  std::map<std::string, std::string> found = spec_.codec_hashes;
  if (found.contains(modality)) found[modality] = codec->info().hash;
  models::check_same_codecs(spec_, found, (folder_ / modality).string());
  return *codec;
}

const modality::Modality& CodecSet::value_of(const std::string& modality) const {
  const modality::Modality* value = spec_.vocabulary.find(modality);
  TORCH_INTERNAL_ASSERT(value, "the request was checked: the model has ", modality);
  return *value;
}

void CodecSet::require(const std::string& modality) {
  if (modality == "text") {
    text();
  } else if (modality == "speech") {
    speech();
  } else if (spec_.latents()) {
    vae();
  } else {
    vq();
  }
}

codecs::SentencePiece* CodecSet::plain_tokenizer() {
  const Path file = model_folder_ / "tokenizer.model";
  if (!plain_ && std::filesystem::exists(file)) plain_ = std::make_unique<codecs::SentencePiece>(file);
  return plain_.get();
}

bool CodecSet::has_text() {
  return spec_.vocabulary.empty() ? plain_tokenizer() != nullptr : !folder_.empty();
}

std::vector<int32_t> CodecSet::encode_text(std::string_view text_in) {
  if (!spec_.vocabulary.empty()) return text().encode(text_in);
  codecs::SentencePiece* tokenizer = plain_tokenizer();
  if (!tokenizer)
    throw InputError({model_folder_.string(), "a SentencePiece tokenizer (tokenizer.model)", "none",
                      "give the prompt as ids: --tokens"});
  std::vector<int32_t> tokens = tokenizer->encode(text_in);
  const Path config = model_folder_ / "tokenizer_config.json";
  const bool adds_bos =
      std::filesystem::exists(config) && read_json(config).value("add_bos_token", Json()) == Json(true);
  if (adds_bos && tokenizer->bos() >= 0) tokens.insert(tokens.begin(), tokenizer->bos());
  return tokens;
}

std::string CodecSet::bytes_of(int32_t token) {
  if (!spec_.vocabulary.empty()) return text().decode({token});
  codecs::SentencePiece* tokenizer = plain_tokenizer();
  // Vocabularies are often padded beyond the tokenizer's pieces.
  return tokenizer && token < tokenizer->size() ? tokenizer->bytes_of(token) : std::string();
}

std::string CodecSet::text_of(const std::vector<int32_t>& tokens) {
  TextStream stream;
  std::string text;
  for (const int32_t token : tokens) text += stream.push(bytes_of(token));
  return text + stream.finish();
}

void CodecSet::append_image(const Path& file, Feed& feed) {
  const bool continuous = value_of("image").is_continuous();
  const int64_t side = continuous ? vae().config().image_size : vq().config().image_size;
  const formats::Image fitted = formats::fit_square(formats::blend_on_white(formats::read_image(file)), side);
  const at::Tensor image_NCHW = codecs::to_tensor(fitted).unsqueeze(0);
  feed.append(modality::special::kBoi);
  if (continuous) {
    feed.append(Picture{vae().encode(image_NCHW)[0], 0});
  } else {
    const at::Tensor codes_L = vq().encode(image_NCHW)[0];
    for (int64_t i = 0; i < codes_L.size(0); ++i)
      feed.append(static_cast<int32_t>(value_of("image").begin) + codes_L.const_data_ptr<int32_t>()[i]);
  }
  feed.append(modality::special::kEoi);
}

void CodecSet::append_speech(const Path& file, Feed& feed) {
  const std::string bytes = read_file(file);
  const codecs::SpeechCodes codes =
      speech().encode(codecs::decode_speech(std::as_bytes(std::span(bytes)), file.string()));
  feed.append(modality::special::kBosSpeech);
  for (const int32_t code : codes.codes) feed.append(static_cast<int32_t>(value_of("speech").begin) + code);
  feed.append(modality::special::kEosSpeech);
}

modality::Vocabulary CodecSet::vocabulary() {
  modality::Vocabulary vocabulary = spec_.vocabulary;
  for (const modality::Modality& modality : spec_.vocabulary.modalities())
    if (modality.positions_per_item() == modality::kUnknownLength && !folder_.empty())
      vocabulary = vocabulary.with_codes_per_item(modality, vq().codes_per_image());
  return vocabulary;
}

std::vector<int32_t> CodecSet::codes_of(const Segment& segment) const {
  std::vector<int32_t> codes = segment.tokens;
  for (int32_t& code : codes) code -= static_cast<int32_t>(value_of(segment.modality).begin);
  return codes;
}

formats::Image CodecSet::picture_of(const Segment& segment) {
  if (segment.picture) return codecs::to_image(vae().decode(segment.picture->latent_CHW.unsqueeze(0))[0]);
  return codecs::to_image(vq().decode(torch::tensor(codes_of(segment), torch::kInt32).unsqueeze(0))[0]);
}

at::Tensor CodecSet::encoding_of(const Segment& segment) {
  if (segment.picture) return segment.picture->latent_CHW;
  return vq().vectors(torch::tensor(codes_of(segment), torch::kInt32).unsqueeze(0))[0];
}

std::vector<float> CodecSet::sound_of(const Segment& segment) {
  return speech().decode({codes_of(segment), {}});
}

}  // namespace mom::generate
