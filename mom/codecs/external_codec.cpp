#include "mom/codecs/external_codec.h"

#include <torch/types.h>

#include <numeric>

#include "mom/base/error.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/decode_command.h"
#include "mom/codecs/roundtrip.h"
#include "mom/config/schema.h"
#include "mom/nn/tensor_io.h"

namespace mom::codecs {
namespace {

constexpr const char *kCodeItems = "codes", *kLatentItems = "latents", *kScaleFile = "model.safetensors";
constexpr double kLargestHalf = 65504;  // of f16, in which encoded data keeps latents

std::string shape_words(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

int64_t num_in(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// [C, T] is an image of one row.
std::vector<int64_t> as_latents(std::vector<int64_t> shape) {
  if (shape.size() == 2) shape.insert(shape.begin() + 1, 1);
  return shape;
}

template <class T>
std::vector<T> values_of(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.contiguous();
  return {plain.const_data_ptr<T>(), plain.const_data_ptr<T>() + plain.numel()};
}

}  // namespace

void ExternalCodecConfig::describe(config::Table& table) {
  table.field("representation", representation, "what an item's numbers are")
      .one_of({kCodeItems, kLatentItems});
  table.field("codebook_size", codebook_size, "codes: their number; they are 0 to this less 1")
      .range(0, 1 << 24);
  table.field("codes_per_item", codes_per_item, "codes: how many an item has; 0: any number")
      .range(0, 1 << 24);
  table.field("shape", shape, "of an item's array; empty: a list of codes of any number");
  table.field("rate_hz", rate_hz, "codes per second; 0: not in time, or unknown").range(0, 1e9);
  table.field("note", note, "where the decoder is, for people");
  table.field("decode", decode,
              "command that decodes an .npy file: its words, with {in} and {out} as the files");
  table.field("decodes_to", decodes_to, "ending of the file that it writes").one_of({"", "png", "wav"});
}

void ExternalCodecConfig::check() const {
  const auto fail = [](const char* key, const std::string& expected, const std::string& found) {
    throw UserError({std::string("external codec: ") + key, expected, found, ""});
  };
  for (const int64_t size : shape)
    if (size < 1 || size > 1 << 16) fail("shape", "sizes from 1 to 65536", shape_words(shape));
  if (representation == kLatentItems) {
    if (shape.size() != 2 && shape.size() != 3)
      fail("shape", "[C, H, W] or [C, T] of latents", shape_words(shape));
    if (codebook_size != 0 || codes_per_item != 0)
      fail("codebook_size", "none of latents", std::to_string(codebook_size));
  } else {
    if (codebook_size < 1) fail("codebook_size", "1 or more", std::to_string(codebook_size));
    if (shape.size() > 3) fail("shape", "up to three sizes", shape_words(shape));
    if (!shape.empty() && num_in(shape) != codes_per_item)
      fail("shape", "sizes of " + std::to_string(codes_per_item) + " codes in all", shape_words(shape));
  }
  if (decode.empty() != decodes_to.empty())
    fail("decodes_to", decode.empty() ? "none without a command" : "png or wav, which the command writes",
         decode.empty() ? decodes_to : "none");
  if (!decode.empty()) words_of_command(decode, "in", "out");
}

ExternalCodec::ExternalCodec(CodecInfo codec_info) : MediaCodec(std::move(codec_info), kKind) {
  config_ = config_of<ExternalCodecConfig>(info());
  if (config_.representation != kLatentItems) return;
  const Path file = info().folder / kScaleFile;
  const nn::NamedTensors tensors = nn::load_tensors(file);
  const auto of_channels = [&](const char* name) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.sizes() != at::IntArrayRef{config_.shape[0]} ||
        found->second.scalar_type() != at::kFloat || !found->second.isfinite().all().item<bool>())
      throw InputError({file.string(),
                        std::string("\"") + name + "\" of " + std::to_string(config_.shape[0]) +
                            " finite f32, one a channel",
                        "none or another", "describe the codec again"});
    return found->second.view({-1, 1, 1});
  };
  mean_C11_ = of_channels("latent_mean");
  std_C11_ = of_channels("latent_std");
  if (!std_C11_.gt(0).all().item<bool>())
    throw InputError({file.string(), "\"latent_std\" above 0", "another", "describe the codec again"});
}

modality::Modality ExternalCodec::modality() const {
  modality::Modality modality =
      config_.representation == kLatentItems
          ? modality::Modality::latents(info().modality, {}, as_latents(config_.shape), /*patch_size=*/1)
          : modality::Modality::codes(info().modality, {}, config_.codes_per_item);
  modality.brackets.reset();  // no tokenizer knows them: the vocabulary gives them ids
  return modality;
}

OrderedJson ExternalCodec::describe(int64_t variants) const {
  OrderedJson json = {{"variants", num_views(variants)}};
  if (config_.rate_hz > 0) json["code_rate_hz"] = config_.rate_hz;
  return json;
}

std::vector<at::Tensor> ExternalCodec::read(std::span<const std::byte> bytes, std::string_view where, int64_t,
                                            std::string_view) const {
  const formats::Npy array = formats::read_npy(bytes, where);
  const auto fail = [&](const std::string& expected, const std::string& found) {
    throw InputError(
        {std::string(where), expected + ", as the codec of " + info().modality + " says", found, ""});
  };
  const bool latents = config_.representation == kLatentItems;
  if (array.is_integer() == latents)
    fail(latents ? "latents (floats)" : "codes (integers)", array.is_integer() ? "integers" : "floats");
  if (latents) {
    if (array.shape != config_.shape) fail("shape " + shape_words(config_.shape), shape_words(array.shape));
    return {torch::tensor(array.reals()).view(as_latents(array.shape))};
  }
  const std::vector<int64_t>& codes = array.integers();
  // Codes that are stored flat may be given a grid; a grid of others is another item.
  if (array.shape.size() > 1 && !config_.shape.empty() && array.shape != config_.shape)
    fail("shape " + shape_words(config_.shape), shape_words(array.shape));
  if (config_.codes_per_item > 0 && std::ssize(codes) != config_.codes_per_item)
    fail(std::to_string(config_.codes_per_item) + " codes", std::to_string(codes.size()));
  if (codes.empty()) fail("at least one code", "none");
  for (size_t i = 0; i < codes.size(); ++i)
    if (codes[i] < 0 || codes[i] >= config_.codebook_size)
      fail("codes from 0 to " + std::to_string(config_.codebook_size - 1),
           std::to_string(codes[i]) + " at entry " + std::to_string(i));
  return {torch::tensor(codes, torch::kInt64)};
}

std::vector<CodedItem> ExternalCodec::encode_items(const std::vector<at::Tensor>& inputs) const {
  std::vector<CodedItem> items;
  for (const at::Tensor& input : inputs) {
    if (config_.representation == kCodeItems) {
      items.push_back({.codes = values_of<int32_t>(input.to(torch::kInt32))});
      continue;
    }
    const at::Tensor scaled_CHW = (input - mean_C11_) / std_C11_;
    if (const double most = scaled_CHW.abs().max().item<double>(); !(most <= kLargestHalf))
      throw InputError({info().modality, "latents within 65504 standard deviations of their channel's mean",
                        std::to_string(most), "describe the codec on data like these"});
    items.push_back({.latents_CHW = scaled_CHW});
  }
  return items;
}

std::vector<Media> ExternalCodec::decode_items(const std::vector<CodedItem>& items) const {
  std::vector<Media> arrays;
  for (const CodedItem& item : items) {
    if (config_.representation == kLatentItems) {
      arrays.emplace_back(formats::Npy{
          config_.shape, values_of<float>(item.latents_CHW.to(torch::kFloat32) * std_C11_ + mean_C11_)});
      continue;
    }
    const auto count = std::ssize(item.codes);
    const bool whole = !config_.shape.empty() && count == config_.codes_per_item;
    arrays.emplace_back(formats::Npy{whole ? config_.shape : std::vector<int64_t>{count},
                                     std::vector<int64_t>(item.codes.begin(), item.codes.end())});
  }
  return arrays;
}

OrderedJson ExternalCodec::roundtrip(const RoundtripOptions& options) const {
  const std::string bytes = read_file(options.file);
  const std::vector<at::Tensor> input = read(std::as_bytes(std::span(bytes)), options.file.string(), 1, "");
  const CodedItem item = encode_items(input).front();
  const Media back = decode_item(item);
  publish_file(options.out, to_file(back));
  OrderedJson figures = {{"kind", info().kind}, {"hash", info().hash}};
  if (config_.representation == kCodeItems) {
    figures["codes"] = item.codes.size();
  } else {
    figures["latent_shape"] = item.latents_CHW.sizes().vec();
    // Encoded data keeps them in f16.
    const at::Tensor kept = item.latents_CHW.to(torch::kHalf).to(torch::kFloat32) * std_C11_ + mean_C11_;
    figures["largest_error"] = (kept - input.front()).abs().max().item<double>();
  }
  return figures;
}

void write_external_codec(const Path& folder, bool replace, const std::string& modality,
                          const ExternalCodecConfig& config, const at::Tensor& mean_C,
                          const at::Tensor& std_C, const Json& report) {
  config.check();
  FolderPublisher publisher(folder, replace);
  if (config.representation == kLatentItems)
    nn::write_tensors(
        publisher.path() / kScaleFile,
        {{"latent_mean", mean_C.to(torch::kFloat32)}, {"latent_std", std_C.to(torch::kFloat32)}},
        {{"format", "pt"}});
  write_codec_info(publisher.path(), ExternalCodec::kKind, modality, config_json(config), report);
  publisher.commit();
}

}  // namespace mom::codecs
