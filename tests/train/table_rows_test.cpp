// What travels of a row, and which rows of the table of embeddings a step reads.
#include "mom/train/table_rows.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace mom::train {
namespace {

at::Tensor counted(int64_t length) { return torch::arange(1, length + 1, torch::kFloat32); }

// What the other side has of `range`, where it had -1 before.
std::vector<float> travelled(const Transit& transit, const at::Tensor& row, const Range& range) {
  const at::Tensor bytes = transit.pack(row, range), numbers = torch::full({range.length}, -1.0F);
  EXPECT_EQ(bytes.numel(), transit.num_bytes(range));
  transit.unpack(bytes, range, numbers);
  const float* const first = numbers.const_data_ptr<float>();
  return {first, first + range.length};
}

TEST(Transit, SomeNumbersOfATableAndTheRestOfIt) {
  const at::Tensor row = counted(10);
  const Range table{2, 6};  // 3 to 8
  const Transit read = Transit().only(table, {{3, 2}}), rest = Transit().but(table, {{3, 2}});
  EXPECT_EQ(travelled(read, row, {0, 10}), (std::vector<float>{1, 2, -1, 4, 5, -1, -1, -1, 9, 10}));
  EXPECT_EQ(travelled(rest, row, {0, 10}), (std::vector<float>{-1, -1, 3, -1, -1, 6, 7, 8, -1, -1}));
  EXPECT_EQ(travelled(read, row, {4, 3}), (std::vector<float>{5, -1, -1}));
  EXPECT_EQ(read.num_bytes({0, 10}), 6 * 4);
  EXPECT_TRUE(read.packs({0, 10}));
  EXPECT_FALSE(read.packs({8, 2}));
  EXPECT_FALSE(read.packs({3, 2}));
  EXPECT_EQ(rest.num_bytes({8, 2}), 0);
  EXPECT_EQ(travelled(Transit().only(table, {}), row, {2, 6}), std::vector<float>(6, -1));
  EXPECT_FALSE(Transit().only(table, {table}).packs({0, 10}));
}

TEST(Transit, RoundsWhatTravels) {
  at::Tensor row = counted(48) + 1e-3F;
  const at::Tensor rounded = row.to(torch::kBFloat16).to(torch::kFloat32);
  const Transit transit = Transit({{16, 16}}).only({0, 32}, {{8, 16}});
  const std::vector<float> numbers = travelled(transit, row, {0, 48});
  EXPECT_EQ(transit.num_bytes({0, 48}), (8 + 16) * 4 + 8 * 2);
  for (int64_t i = 0; i < 48; ++i) {
    const float whole = row[i].item<float>(), half = rounded[i].item<float>();
    EXPECT_EQ(numbers[static_cast<size_t>(i)], i < 8 || (i >= 24 && i < 32) ? -1
                                               : i < 16 || i >= 32          ? whole
                                                                            : half)
        << i;
  }
}

TEST(TableRows, EveryProcessHearsWhatTheOthersRead) {
  const TableRows rows({16, 40 * 4}, 4);  // 40 rows of 4 numbers
  data::Batch first, second;
  first.tokens_T = torch::tensor({5, 31, 5}, torch::kInt64);
  second.tokens_T = torch::tensor({32, 39}, torch::kInt64);
  EXPECT_EQ(rows.count(), 2U);
  std::vector<std::vector<double>> numbers{{7, 8, 9}, {7, 8, 9}, {7, 8, 9}};  // of something else
  const std::vector<std::vector<double>> read{rows.read_by({first, second}), rows.read_by({second}),
                                              rows.read_by({})};
  for (size_t rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(read[rank].size(), rows.count());
    numbers[rank].insert(numbers[rank].end(), read[rank].begin(), read[rank].end());
  }
  const RowsRead all = rows.read_by_all(numbers, 3);
  const auto begins = [&](size_t rank) {
    std::vector<std::pair<int64_t, int64_t>> ranges;
    for (const Range& range : all.by_rank[rank]) ranges.emplace_back(range.begin, range.length);
    return ranges;
  };
  using Pairs = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(begins(0), (Pairs{{16 + 20, 4}, {16 + 124, 8}, {16 + 156, 4}}));  // rows 31 and 32 are one range
  EXPECT_EQ(begins(1), (Pairs{{16 + 128, 4}, {16 + 156, 4}}));
  EXPECT_EQ(begins(2), Pairs{});
  EXPECT_EQ(all.read(Transit())[1].num_bytes({0, 200}), (200 - 160 + 8) * 4);
  EXPECT_EQ(all.rest(Transit())[1].num_bytes({0, 200}), (160 - 8) * 4);
}

}  // namespace
}  // namespace mom::train
