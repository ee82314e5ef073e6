#include "mom/data/shard_writer.h"

#include "mom/formats/safetensors.h"

namespace mom::data {
namespace {

using formats::DType;

template <class T>
formats::TensorToWrite entry(const char* name, DType dtype, const std::vector<T>& values,
                             std::vector<int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return {name, {dtype, std::move(shape), std::as_bytes(std::span(values))}};
}

std::string join(const std::vector<int32_t>& ids) {
  std::string text;
  for (int32_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

}  // namespace

void ShardWriter::add(const EncodedDocument& document) {
  for (const EncodedSegment& segment : document.segments) {
    for (const std::vector<int32_t>& part : segment.parts) {
      tokens_.insert(tokens_.end(), part.begin(), part.end());
      part_tokens_.push_back(static_cast<int64_t>(tokens_.size()));
    }
    any_repeats_ |= !segment.repeats.empty();
    repeats_.resize(tokens_.size() - segment.repeats.size(), 1);
    repeats_.insert(repeats_.end(), segment.repeats.begin(), segment.repeats.end());
    segment_parts_.push_back(static_cast<int64_t>(part_tokens_.size()) - 1);
    segment_latent_.push_back(-1);
    if (!segment.latents.empty()) {
      Items& items = latents_[segment.latents_number];
      segment_latent_.back() = items.count++;
      items.values.insert(items.values.end(), segment.latents.begin(), segment.latents.end());
    }
    modality_.push_back(segment.modality);
  }
  document_segments_.push_back(static_cast<int64_t>(modality_.size()));
  free_.push_back(document.free_order ? 1 : 0);
}

uint64_t ShardWriter::num_bytes() const {
  uint64_t bytes = tokens_.size() * sizeof(int32_t);
  for (const Items& items : latents_) bytes += items.values.size() * sizeof(uint16_t);
  return bytes;
}

void ShardWriter::write(const Path& path) const {
  std::vector<formats::TensorToWrite> tensors = {entry("document_segments", DType::kI64, document_segments_),
                                                 entry("document_free", DType::kU8, free_),
                                                 entry("segment_modality", DType::kU8, modality_),
                                                 entry("segment_parts", DType::kI64, segment_parts_),
                                                 entry("segment_latent", DType::kI64, segment_latent_),
                                                 entry("part_tokens", DType::kI64, part_tokens_),
                                                 entry("tokens", DType::kI32, tokens_)};
  if (any_repeats_) tensors.push_back(entry("token_repeats", DType::kI16, repeats_));
  for (size_t k = 0; k < latents_.size(); ++k) {
    const ShardFormat::Latents& of = format_.latents[k];
    std::vector<int64_t> shape = {latents_[k].count, of.num_variants};
    shape.insert(shape.end(), of.shape.begin(), of.shape.end());
    if (latents_[k].count > 0)
      tensors.push_back(entry(of.name.c_str(), DType::kF16, latents_[k].values, shape));
  }
  formats::write_safetensors(path, tensors, {{"colon", join(format_.colon)}, {"comma", join(format_.comma)}});
}

}  // namespace mom::data
