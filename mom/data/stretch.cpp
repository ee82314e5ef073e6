#include "mom/data/stretch.h"

#include <torch/types.h>

#include <algorithm>

namespace mom::data {
namespace {

// What is looked at by position.
struct Positions {
  Positions(const Batch& batch, const std::vector<nn::ItemGrid>& items)
      : grids(items),
        num_tokens(batch.routing.num_tokens()),
        rows(batch.routing.order_T.const_data_ptr<int64_t>()),
        offsets(batch.routing.offsets_S1.const_data_ptr<int64_t>()),
        num_sequences(batch.routing.num_sequences()) {}
  const std::vector<nn::ItemGrid>& grids;
  const int64_t num_tokens;
  const int64_t *rows, *offsets;
  const int64_t num_sequences;

  // The last sequence that begins at or before a position.
  int64_t sequence_of(int64_t position) const {
    return std::upper_bound(offsets, offsets + num_sequences + 1, position) - offsets - 1;
  }
  bool is_patch_of(const nn::ItemGrid& grid, int64_t position) const {
    return rows[position] >= grid.begin && rows[position] < grid.end;
  }
  bool is_patch(int64_t position) const {
    return std::any_of(grids.begin(), grids.end(),
                       [&](const nn::ItemGrid& grid) { return is_patch_of(grid, position); });
  }
  bool may_cut(int64_t position) const {
    return position == num_tokens || offsets[sequence_of(position)] == position || !is_patch(position);
  }
  // Where the first `part` of `parts` equal stretches end, or the nearest place to it.
  int64_t cut(int64_t part, int64_t parts) const {
    const int64_t even = num_tokens * part / parts;
    for (int64_t distance = 0;; ++distance) {
      if (even >= distance && may_cut(even - distance)) return even - distance;
      if (even + distance <= num_tokens && may_cut(even + distance)) return even + distance;
    }
  }
};

// Its sequences, and what the neighbours have of them.
at::Tensor cut_sequences(const Positions& whole, int64_t begin, int64_t end, Batch& stretch) {
  std::vector<int64_t> offsets = {0};
  int64_t sequence = whole.sequence_of(begin);
  stretch.seen = sequence < whole.num_sequences ? begin - whole.offsets[sequence] : 0;
  while (++sequence <= whole.num_sequences && whole.offsets[sequence] < end)
    offsets.push_back(whole.offsets[sequence] - begin);
  offsets.push_back(end - begin);
  const int64_t last = whole.sequence_of(end);
  stretch.goes_on = last < whole.num_sequences && whole.offsets[last] < end;
  return torch::tensor(offsets, torch::kInt64);
}

void cut_targets(const Batch& whole, const std::vector<int64_t>& new_rows, Batch& stretch) {
  std::vector<int64_t> rows, chosen;
  const int64_t* of_whole = whole.target_rows_R.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < whole.target_rows_R.size(0); ++r) {
    const int64_t row = new_rows[static_cast<size_t>(of_whole[r])];
    if (row < 0) continue;
    rows.push_back(row);
    chosen.push_back(r);
  }
  const at::Tensor chosen_R = torch::tensor(chosen, torch::kInt64);
  stretch.target_rows_R = torch::tensor(rows, torch::kInt64);
  stretch.target_ids_R = whole.target_ids_R.index_select(0, chosen_R);
  stretch.target_modalities_R = whole.target_modalities_R.index_select(0, chosen_R);
}

LatentItems cut_items(const LatentItems& whole, const nn::ItemGrid& grid, const Positions& positions,
                      int64_t begin, int64_t end) {
  const int64_t length = grid.rows * grid.columns;
  const auto items_in = [&](int64_t first, int64_t last) {
    int64_t patches = 0;
    for (int64_t t = first; t < last; ++t) patches += positions.is_patch_of(grid, t);
    return patches / length;
  };
  LatentItems items;
  items.before = items_in(0, begin);
  const int64_t own = items_in(begin, end);
  items.behind = whole.count() - items.before - own;
  items.latents_ICHW = whole.latents_ICHW.narrow(0, items.before, own);
  const auto first = whole.image_first_I.begin() + items.before;
  items.image_first_I.assign(first, first + own);
  return items;
}

}  // namespace

Batch stretch_of(const Batch& batch, const std::vector<nn::ItemGrid>& grids, int64_t index, int64_t count) {
  TORCH_CHECK(0 <= index && index < count && batch.seen == 0 && !batch.goes_on,
              "[stretch_of] expected a whole batch and one of ", count, " stretches, got stretch ", index);
  const Positions whole(batch, grids);
  const int64_t begin = whole.cut(index, count), end = whole.cut(index + 1, count);
  const int64_t *groups = batch.routing.group_offsets_M1.const_data_ptr<int64_t>(),
                *tokens = batch.tokens_T.const_data_ptr<int64_t>();
  const int64_t num_modalities = batch.routing.num_modalities();
  Batch stretch;
  stretch.noise_key = batch.noise_key;
  const at::Tensor modality_T = torch::empty({end - begin}, torch::kInt64);
  int64_t* modality = modality_T.mutable_data_ptr<int64_t>();
  for (int64_t t = begin; t < end; ++t)
    modality[t - begin] = std::upper_bound(groups, groups + num_modalities + 1, whole.rows[t]) - groups - 1;
  stretch.routing = nn::make_routing(modality_T, cut_sequences(whole, begin, end, stretch), num_modalities);
  for (int64_t m = 0; m < num_modalities; ++m) stretch.num_tokens.push_back(stretch.routing.group_size(m));
  stretch.tokens_T = torch::empty({end - begin}, torch::kInt64);
  int64_t* own_tokens = stretch.tokens_T.mutable_data_ptr<int64_t>();
  std::vector<int64_t> new_rows(static_cast<size_t>(whole.num_tokens), -1);  // by row of the batch
  const int64_t* rows = stretch.routing.order_T.const_data_ptr<int64_t>();
  for (int64_t t = begin; t < end; ++t) {
    new_rows[static_cast<size_t>(whole.rows[t])] = rows[t - begin];
    own_tokens[rows[t - begin]] = tokens[whole.rows[t]];
  }
  cut_targets(batch, new_rows, stretch);
  for (size_t k = 0; k < batch.items.size(); ++k)
    stretch.items.push_back(cut_items(batch.items[k], grids[k], whole, begin, end));
  return stretch;
}

}  // namespace mom::data
