#include "mom/nn/scan_order.h"

#include <torch/types.h>

#include <algorithm>
#include <utility>

#include "mom/nn/mixer.h"

namespace mom::nn {
namespace {

const std::vector<std::pair<std::string, std::vector<ScanOrder>>>& patterns() {
  using enum ScanOrder;
  static const std::vector<std::pair<std::string, std::vector<ScanOrder>>> table = {
      {kRasterScan, {kRaster}},
      {"alternate", {kRaster, kReversed}},
      {"four", {kRaster, kReversed, kColumns, kReversedColumns}},
  };
  return table;
}

// The patches of one item in the order they are visited.
std::vector<int64_t> visits(const ItemGrid& grid, ScanOrder order) {
  std::vector<int64_t> patches;
  if (order == ScanOrder::kRaster || order == ScanOrder::kReversed) {
    for (int64_t patch = 0; patch < grid.rows * grid.columns; ++patch) patches.push_back(patch);
  } else {
    for (int64_t column = 0; column < grid.columns; ++column)
      for (int64_t row = 0; row < grid.rows; ++row) patches.push_back(row * grid.columns + column);
  }
  if (order == ScanOrder::kReversed || order == ScanOrder::kReversedColumns)
    std::reverse(patches.begin(), patches.end());
  return patches;
}

}  // namespace

std::vector<std::string> scan_patterns() {
  std::vector<std::string> names;
  for (const auto& [name, orders] : patterns()) names.push_back(name);
  return names;
}

ScanOrder scan_order(const std::string& pattern, int64_t turn) {
  for (const auto& [name, orders] : patterns())
    if (name == pattern) return orders[static_cast<size_t>(turn) % orders.size()];
  TORCH_INTERNAL_ASSERT(false, "no pattern of scans is called ", pattern);
}

namespace {

Routing with_grid_visited(const Routing& routing, const ItemGrid& grid, ScanOrder order) {
  if (grid.begin == grid.end) return routing;
  const std::vector<int64_t> patches = visits(grid, order);
  const auto length = std::ssize(patches);
  Routing visited = routing;
  visited.order_T = routing.order_T.clone();
  const int64_t *rows = routing.order_T.const_data_ptr<int64_t>(),
                *offsets = routing.offsets_S1.const_data_ptr<int64_t>();
  int64_t* order_T = visited.order_T.mutable_data_ptr<int64_t>();
  for (int64_t s = 0; s < routing.num_sequences(); ++s) {
    for (int64_t t = offsets[s]; t < offsets[s + 1];) {
      const int64_t first = rows[t];
      if (first < grid.begin || first >= grid.end) {
        ++t;
        continue;
      }
      // Rows of a modality rise with the position: where the last is in its place, all are.
      TORCH_CHECK((first - grid.begin) % length == 0 && t + length <= offsets[s + 1] &&
                      rows[t + length - 1] == first + length - 1,
                  "[in_scan_order] an item at position ", t, ": expected ", length,
                  " patches in a row in one sequence, got fewer");
      for (const int64_t patch : patches) order_T[t++] = first + patch;
    }
  }
  return visited;
}

}  // namespace

Routing in_scan_order(const Routing& routing, const std::vector<ItemGrid>& grids, ScanOrder order) {
  Routing visited = routing;
  if (order == ScanOrder::kRaster) return visited;
  for (const ItemGrid& grid : grids) visited = with_grid_visited(visited, grid, order);
  return visited;
}

const Routing& BlockContext::routing_in(ScanOrder order) const {
  const auto [found, added] = visited->try_emplace(order);
  if (added) found->second = in_scan_order(routing, grids, order);
  return found->second;
}

}  // namespace mom::nn
