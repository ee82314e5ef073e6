// The order in which a recurrent mixer visits the patches of an item of latents. A noised patch is predicted at its own
// position, so no order gives an answer away; codes predict their successor and are always read as they stand.
//
// An item keeps its place among the tokens, and only order_T changes: the state that enters it is that of the text
// before it, the state that leaves it has seen every patch, and nothing before it changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/nn/routing.h"

namespace mom::nn {

enum class ScanOrder {
  kRaster,           // row by row, as patches are laid out
  kReversed,         // the same backwards
  kColumns,          // column by column
  kReversedColumns,  // the same backwards
};

// Values of the key image_scan: which orders a network's recurrent blocks take in turn.
//   raster: the first alone; alternate: the first two; four: all
inline constexpr const char* kScanKey = "image_scan";
inline constexpr const char* kRasterScan = "raster";
std::vector<std::string> scan_patterns();
// The order of the recurrent block before which there are `turn` others.
ScanOrder scan_order(const std::string& pattern, int64_t turn);

// Rows [begin, end) are items of rows x columns patches each, row by row; none: begin = end.
struct ItemGrid {
  int64_t num_items() const { return (end - begin) / (rows * columns); }
  int64_t begin = 0, end = 0, rows = 1, columns = 1;
};

// `routing` with every item's patches visited in `order`. Errors: an item that is not whole in one sequence, unless the
// order is kRaster.
Routing in_scan_order(const Routing& routing, const std::vector<ItemGrid>& grids, ScanOrder order);

}  // namespace mom::nn
