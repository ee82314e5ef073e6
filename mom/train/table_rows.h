// Rows of the table of embeddings. A step reads as many as there are different tokens in its microbatches, often a small part:
// only they have a gradient, so only they travel in backward, and the next step's come first when new weights are sent. Both
// are at the edges of a step, where nothing hides what an exchange takes.
//
// Every process tells the others which rows it reads, one step ahead, as a set of bits.
#pragma once

#include <vector>

#include "mom/base/rounding.h"
#include "mom/data/batch.h"
#include "mom/train/transit.h"

namespace mom::train {

// What every process reads.
struct RowsRead {
  Range table;
  std::vector<std::vector<Range>> by_rank;  // parts of the table, in rising order
  // By rank, how numbers travel that otherwise do as `transit` says: without the rows that it does not read ...
  std::vector<Transit> read(const Transit& transit) const;
  std::vector<Transit> rest(const Transit& transit) const;  // ... and these rows alone.
};

class TableRows {
 public:
  // Where the table is, and how many numbers a row has.
  TableRows(const Range& table, int64_t width) : table_(table), width_(width) {}

  // What a process reads, of its microbatches: as many numbers on every process, of 32 rows each.
  std::vector<double> read_by(const std::vector<data::Batch>& batches) const;
  size_t count() const { return static_cast<size_t>(ceil_div(num_rows(), 32)); }  // of these numbers
  // Of each rank, from numbers[rank][at] on.
  RowsRead read_by_all(const std::vector<std::vector<double>>& numbers, size_t at) const;

 private:
  int64_t num_rows() const { return table_.length / width_; }
  Range table_;
  int64_t width_;
};

}  // namespace mom::train
