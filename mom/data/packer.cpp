#include "mom/data/packer.h"

#include <torch/types.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"

namespace mom::data {
namespace {

using modality::special::kBos;
using modality::special::kEos;

constexpr double kKeepKeyword = 0.7;  // each keyword's chance to be in a caption

void append_part(const Shard& shard, int64_t part, std::vector<int32_t>& out) {
  const auto tokens =
      shard.tokens.subspan(static_cast<size_t>(shard.part_tokens[part]),
                           static_cast<size_t>(shard.part_tokens[part + 1] - shard.part_tokens[part]));
  out.insert(out.end(), tokens.begin(), tokens.end());
}

void append_text(const Shard& shard, int64_t segment, const LayOutOptions& options, RandomStream& random,
                 std::vector<int32_t>& out) {
  const int64_t first = shard.segment_parts[segment], last = shard.segment_parts[segment + 1];
  if (first == last) return;
  append_part(shard, first, out);
  std::vector<int64_t> keywords;
  for (int64_t part = first + 1; part < last; ++part)
    if (!options.augment || random.uniform() < kKeepKeyword) keywords.push_back(part);
  if (options.augment) random.shuffle(keywords);
  for (size_t i = 0; i < keywords.size(); ++i) {
    const std::vector<int32_t>& mark = i == 0 ? shard.colon : shard.comma;
    out.insert(out.end(), mark.begin(), mark.end());
    append_part(shard, keywords[i], out);
  }
}

// A segment of another modality than text: one of its variants between its specials.
void append_media(const Shard& shard, int64_t segment, const LayOutOptions& options, RandomStream& random,
                  LaidOut& out) {
  const modality::Modality& modality = options.vocabulary.modalities()[shard.segment_modality[segment]];
  const bool continuous = modality.is_continuous();
  const int64_t first = shard.segment_parts[segment];
  const auto number = static_cast<size_t>(continuous ? options.vocabulary.latents_number(modality) : 0);
  const int64_t num_variants =
      continuous ? shard.latents[number].num_variants : shard.segment_parts[segment + 1] - first;
  const int64_t variant =
      options.augment ? static_cast<int64_t>(random.below(static_cast<uint64_t>(num_variants))) : 0;
  out.positions.push_back(modality.brackets->open);
  if (continuous) {
    out.positions.insert(out.positions.end(), static_cast<size_t>(modality.positions_per_item()),
                         -1 - static_cast<int32_t>(shard.segment_modality[segment]));
    out.pictures.push_back({&shard, number, shard.segment_latent[segment], variant});
  } else {
    append_part(shard, first + variant, out.positions);
  }
  out.positions.push_back(modality.brackets->close);
  if (modality.has_fixed_length()) out.divisible = false;
}

// With `chance`, leaves out the text before the first item of fixed length: what guidance needs as the image
// without a condition (Ho and Salimans 2022, section 3.2).
template <class ModalityOf>
void drop_condition(std::vector<int64_t>& segments, const ModalityOf& modality_of, double chance,
                    RandomStream& random) {
  const auto is_text = [&](int64_t segment) { return modality_of(segment).is_text(); };
  const auto item = std::find_if(segments.begin(), segments.end(),
                                 [&](int64_t segment) { return modality_of(segment).has_fixed_length(); });
  if (chance == 0 || item == segments.end() || std::none_of(segments.begin(), item, is_text)) return;
  if (random.uniform() < chance) segments.erase(std::remove_if(segments.begin(), item, is_text), item);
}

}  // namespace

int64_t LayOutOptions::modality_of(int32_t position) const {
  return position >= 0 ? vocabulary.modality_of(position) : -1 - position;
}

LaidOut lay_out(const Shard& shard, int64_t document, const LayOutOptions& options, RandomStream random) {
  std::vector<int64_t> segments(
      static_cast<size_t>(shard.document_segments[document + 1] - shard.document_segments[document]));
  std::iota(segments.begin(), segments.end(), shard.document_segments[document]);
  const auto modality_of = [&](int64_t segment) -> const modality::Modality& {
    return options.vocabulary.modalities()[shard.segment_modality[segment]];
  };
  const auto is_text = [&](int64_t segment) { return modality_of(segment).is_text(); };
  const auto is_whole = [&](int64_t segment) { return modality_of(segment).has_fixed_length(); };
  if (shard.document_free[document] && segments.size() == 2 &&
      std::any_of(segments.begin(), segments.end(), is_text) &&
      std::any_of(segments.begin(), segments.end(), is_whole)) {
    const bool text_first = random.uniform() < options.caption_first;
    std::stable_partition(segments.begin(), segments.end(),
                          [&](int64_t segment) { return is_text(segment) == text_first; });
  } else if (shard.document_free[document]) {
    random.shuffle(segments);
  }
  drop_condition(segments, modality_of, options.condition_drop, random);
  LaidOut out;
  out.positions.push_back(kBos);
  bool any_text = false;
  for (int64_t segment : segments) {
    if (is_text(segment)) {
      for (PictureRef& picture : out.pictures) picture.image_first |= !any_text;
      any_text = true;
      append_text(shard, segment, options, random, out.positions);
    } else {
      append_media(shard, segment, options, random, out);
    }
  }
  out.positions.push_back(kEos);
  return out;
}

at::Tensor latents_of(const std::vector<PictureRef>& pictures, const std::vector<int64_t>& latent_shape) {
  const int64_t size = latent_shape[0] * latent_shape[1] * latent_shape[2];
  at::Tensor half =
      torch::empty({static_cast<int64_t>(pictures.size()), latent_shape[0], latent_shape[1], latent_shape[2]},
                   torch::kFloat16);
  auto* out = reinterpret_cast<uint16_t*>(half.mutable_data_ptr());
  for (const PictureRef& picture : pictures) {
    const auto& [values, num_variants] = picture.shard->latents[picture.latents];
    const auto source =
        values.subspan(static_cast<size_t>((picture.row * num_variants + picture.variant) * size),
                       static_cast<size_t>(size));
    out = std::copy(source.begin(), source.end(), out);
  }
  return half.to(torch::kFloat32);
}

BatchBuilder::BatchBuilder(const LayOutOptions& options, bool reset_state)
    : options_(options), reset_state_(reset_state) {}

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

// No next token to predict before and on patches, or from one document to the next.
bool BatchBuilder::predicts(int64_t t) const {
  return positions_[t] >= 0 && continues_[t] && positions_[t + 1] >= 0;
}

BatchCounts BatchBuilder::counts() const {
  const size_t num_modalities = options_.vocabulary.modalities().size();
  BatchCounts counts{std::vector<int64_t>(num_modalities), std::vector<int64_t>(num_modalities), {}};
  for (int64_t t = 0; t < num_tokens(); ++t) {
    ++counts.num_tokens[static_cast<size_t>(options_.modality_of(positions_[t]))];
    if (predicts(t)) ++counts.num_targets[static_cast<size_t>(options_.modality_of(positions_[t + 1]))];
  }
  for (const modality::Modality* latents : options_.vocabulary.continuous()) {
    const size_t number = counts.latent_elements.size();
    int64_t elements = std::count_if(pictures_.begin(), pictures_.end(),
                                     [&](const PictureRef& picture) { return picture.latents == number; });
    for (const int64_t size : latents->latent_shape) elements *= size;
    counts.latent_elements.push_back(elements);
  }
  return counts;
}

void BatchBuilder::clear() {
  positions_.clear();
  continues_.clear();
  pictures_.clear();
  offsets_ = {0};
}

Batch BatchBuilder::finish(uint64_t noise_key) {
  end_sequence();
  const int64_t num_positions = num_tokens();
  const int64_t num_modalities = static_cast<int64_t>(options_.vocabulary.modalities().size());
  at::Tensor modality_T = torch::empty({num_positions}, torch::kInt64);
  int64_t* modality = modality_T.mutable_data_ptr<int64_t>();
  for (int64_t t = 0; t < num_positions; ++t) modality[t] = options_.modality_of(positions_[t]);
  Batch batch;
  batch.noise_key = noise_key;
  batch.routing = nn::make_routing(modality_T, torch::tensor(offsets_, torch::kInt64), num_modalities);
  for (int64_t m = 0; m < num_modalities; ++m) batch.num_tokens.push_back(batch.routing.group_size(m));
  batch.tokens_T = torch::zeros({num_positions}, torch::kInt64);
  int64_t* tokens = batch.tokens_T.mutable_data_ptr<int64_t>();
  const int64_t* row = batch.routing.order_T.const_data_ptr<int64_t>();
  std::vector<int64_t> target_rows, target_ids, target_modalities;
  for (int64_t t = 0; t < num_positions; ++t) {
    if (positions_[t] < 0) continue;
    tokens[row[t]] = positions_[t];
    if (predicts(t)) {
      target_rows.push_back(row[t]);
      target_ids.push_back(positions_[t + 1]);
      target_modalities.push_back(modality[t + 1]);
    }
  }
  batch.target_rows_R = torch::tensor(target_rows, torch::kInt64);
  batch.target_ids_R = torch::tensor(target_ids, torch::kInt64);
  batch.target_modalities_R = torch::tensor(target_modalities, torch::kInt64);
  for (const modality::Modality* latents : options_.vocabulary.continuous()) {
    std::vector<PictureRef> own;
    LatentItems items;
    for (const PictureRef& picture : pictures_) {
      if (picture.latents != batch.items.size()) continue;
      own.push_back(picture);
      items.image_first_I.push_back(picture.image_first);
    }
    items.latents_ICHW = latents_of(own, latents->latent_shape);
    batch.items.push_back(std::move(items));
  }
  clear();
  return batch;
}

}  // namespace mom::data
