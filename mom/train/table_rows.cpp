#include "mom/train/table_rows.h"

namespace mom::train {

std::vector<double> TableRows::read_by(const std::vector<data::Batch>& batches) const {
  std::vector<uint32_t> bits(count(), 0);
  for (const data::Batch& batch : batches) {
    const int64_t* const tokens = batch.tokens_T.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < batch.tokens_T.numel(); ++i)
      bits.at(static_cast<size_t>(tokens[i] / 32)) |= uint32_t{1} << (tokens[i] % 32);
  }
  return {bits.begin(), bits.end()};
}

RowsRead TableRows::read_by_all(const std::vector<std::vector<double>>& numbers, size_t at) const {
  RowsRead rows{table_, {}};
  for (const std::vector<double>& of_rank : numbers) {
    std::vector<Range>& ranges = rows.by_rank.emplace_back();
    for (int64_t row = 0; row < num_rows(); ++row) {
      const auto bits = static_cast<uint32_t>(of_rank.at(at + static_cast<size_t>(row / 32)));
      if ((bits >> (row % 32) & 1) == 0) continue;
      const int64_t begin = table_.begin + row * width_;
      if (!ranges.empty() && ranges.back().end() == begin)
        ranges.back().length += width_;
      else
        ranges.push_back({begin, width_});
    }
  }
  return rows;
}

std::vector<Transit> RowsRead::read(const Transit& transit) const {
  std::vector<Transit> read;
  for (const std::vector<Range>& rows : by_rank) read.push_back(transit.only(table, rows));
  return read;
}

std::vector<Transit> RowsRead::rest(const Transit& transit) const {
  std::vector<Transit> rest;
  for (const std::vector<Range>& rows : by_rank) rest.push_back(transit.but(table, rows));
  return rest;
}

}  // namespace mom::train
