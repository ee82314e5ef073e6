#include "mom/data/packer.h"

#include <torch/torch.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"

namespace mom::data {
namespace {

using codecs::special::kBoi;
using codecs::special::kBos;
using codecs::special::kEoi;
using codecs::special::kEos;

constexpr double kKeepKeyword = 0.7;  // each keyword's chance to be in a caption

void append_part(const Shard& shard, int64_t part, uint8_t modality, std::vector<Position>& out) {
  for (int64_t i = shard.part_tokens[part]; i < shard.part_tokens[part + 1]; ++i)
    out.push_back({shard.tokens[i], modality});
}

void append_text(const Shard& shard, int64_t segment, const LayOutOptions& options, RandomStream& random,
                 std::vector<Position>& out) {
  const uint8_t text = static_cast<uint8_t>(options.text_modality);
  const int64_t first = shard.segment_parts[segment], last = shard.segment_parts[segment + 1];
  if (first == last) return;
  append_part(shard, first, text, out);
  std::vector<int64_t> keywords;
  for (int64_t part = first + 1; part < last; ++part)
    if (!options.augment || random.uniform() < kKeepKeyword) keywords.push_back(part);
  if (options.augment) random.shuffle(keywords);
  for (size_t i = 0; i < keywords.size(); ++i) {
    for (int32_t token : i == 0 ? shard.colon : shard.comma) out.push_back({token, text});
    append_part(shard, keywords[i], text, out);
  }
}

void append_picture(const Shard& shard, int64_t segment, const LayOutOptions& options, RandomStream& random,
                    LaidOut& out) {
  const uint8_t text = static_cast<uint8_t>(options.text_modality),
                image = static_cast<uint8_t>(options.image_modality);
  const int32_t index = static_cast<int32_t>(out.pictures.size());
  out.positions.push_back({kBoi, text});
  for (int64_t i = 0; i < options.patches_per_image; ++i) out.positions.push_back({-1 - index, image});
  out.positions.push_back({kEoi, text});
  const int64_t variant =
      options.augment ? static_cast<int64_t>(random.below(static_cast<uint64_t>(shard.num_variants))) : 0;
  out.pictures.push_back({&shard, shard.segment_latent[segment], variant});
}

}  // namespace

LaidOut lay_out(const Shard& shard, int64_t document, const LayOutOptions& options, RandomStream random) {
  std::vector<int64_t> segments(
      static_cast<size_t>(shard.document_segments[document + 1] - shard.document_segments[document]));
  std::iota(segments.begin(), segments.end(), shard.document_segments[document]);
  auto is_picture = [&](int64_t segment) { return shard.segment_latent[segment] >= 0; };
  if (shard.document_free[document]) {
    const bool text_first = random.uniform() < options.caption_first;
    std::stable_partition(segments.begin(), segments.end(),
                          [&](int64_t s) { return is_picture(s) != text_first; });
  }
  LaidOut out;
  const uint8_t text = static_cast<uint8_t>(options.text_modality);
  out.positions.push_back({kBos, text});
  for (int64_t segment : segments) {
    if (is_picture(segment)) {
      append_picture(shard, segment, options, random, out);
    } else {
      append_text(shard, segment, options, random, out.positions);
    }
  }
  out.positions.push_back({kEos, text});
  return out;
}

BatchBuilder::BatchBuilder(const LayOutOptions& options, int64_t num_modalities,
                           std::vector<int64_t> latent_shape, bool reset_state)
    : options_(options),
      num_modalities_(num_modalities),
      latent_shape_(std::move(latent_shape)),
      reset_state_(reset_state) {}

void BatchBuilder::add(const LaidOut& document, int64_t begin, int64_t end) {
  if (begin == end) return;
  for (int64_t i = begin; i < end; ++i) {
    positions_.push_back(document.positions[i]);
    continues_.push_back(i + 1 < end);
  }
  pictures_.insert(pictures_.end(), document.pictures.begin(), document.pictures.end());
  if (reset_state_) offsets_.push_back(num_tokens());
}

void BatchBuilder::end_sequence() {
  if (offsets_.back() != num_tokens()) offsets_.push_back(num_tokens());
}

Batch BatchBuilder::finish(uint64_t noise_key) {
  end_sequence();
  const int64_t num_positions = num_tokens();
  at::Tensor modality_T = torch::empty({num_positions}, torch::kInt64);
  for (int64_t t = 0; t < num_positions; ++t)
    modality_T.mutable_data_ptr<int64_t>()[t] = positions_[t].modality;
  Batch batch;
  batch.noise_key = noise_key;
  batch.routing = nn::make_routing(modality_T, torch::tensor(offsets_, torch::kInt64), num_modalities_);
  for (int64_t m = 0; m < num_modalities_; ++m) batch.num_tokens.push_back(batch.routing.group_size(m));
  batch.tokens_T = torch::zeros({num_positions}, torch::kInt64);
  int64_t* tokens = batch.tokens_T.mutable_data_ptr<int64_t>();
  const int64_t* row = batch.routing.order_T.const_data_ptr<int64_t>();
  std::vector<int64_t> target_rows, target_ids;
  for (int64_t t = 0; t < num_positions; ++t) {
    if (positions_[t].token < 0) continue;
    tokens[row[t]] = positions_[t].token;
    // No loss at <boi>, on pictures, or from one document to the next.
    if (continues_[t] && positions_[t].token != kBoi && positions_[t + 1].token >= 0) {
      target_rows.push_back(row[t]);
      target_ids.push_back(positions_[t + 1].token);
    }
  }
  batch.target_rows_R = torch::tensor(target_rows, torch::kInt64);
  batch.target_ids_R = torch::tensor(target_ids, torch::kInt64);
  if (!latent_shape_.empty()) {
    const int64_t size = latent_shape_[0] * latent_shape_[1] * latent_shape_[2];
    at::Tensor half = torch::empty(
        {static_cast<int64_t>(pictures_.size()), latent_shape_[0], latent_shape_[1], latent_shape_[2]},
        torch::kFloat16);
    auto* out = reinterpret_cast<uint16_t*>(half.mutable_data_ptr());
    for (const PictureRef& picture : pictures_) {
      const auto source = picture.shard->latents.subspan(
          static_cast<size_t>((picture.row * picture.shard->num_variants + picture.variant) * size),
          static_cast<size_t>(size));
      out = std::copy(source.begin(), source.end(), out);
    }
    batch.latents_ICHW = half.to(torch::kFloat32);
  }
  positions_.clear();
  continues_.clear();
  pictures_.clear();
  offsets_ = {0};
  return batch;
}

}  // namespace mom::data
