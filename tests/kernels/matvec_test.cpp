// Weights times activations against sums in double of what the weights are once rounded.
#include "mom/kernels/matvec.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "mom/kernels/cpu_capability.h"

namespace mom::kernels {
namespace {

// Deterministic numbers of about unit size, with a large one now and then.
std::vector<float> numbers(int64_t count, uint64_t seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const float value = static_cast<float>(static_cast<int32_t>(seed >> 33) % 2001 - 1000) / 1000.0f;
    values.push_back(i % 37 == 5 ? 8 * value : value);
  }
  return values;
}

constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBF16, WeightType::kInt8};

// R x C weights of one type.
struct Packed {
  Packed(int64_t rows, int64_t columns, WeightType type)
      : weights(numbers(rows * columns, 3)), bias(numbers(rows, 4)), scales(static_cast<size_t>(rows)) {
    const auto count = static_cast<size_t>(packed_elements(rows, columns, type));
    matrix = {.bias = bias.data(), .num_rows = rows, .num_columns = columns, .type = type};
    if (type == WeightType::kInt8) {
      int8.resize(count);
      quantize_rows(weights.data(), rows, columns, int8.data(), scales.data());
      matrix.data = int8.data();
      matrix.stride = packed_columns(columns);
      matrix.scales = scales.data();
      return;
    }
    if (type == WeightType::kF32) {
      panels.resize(count);
      pack_panels(weights.data(), rows, columns, panels.data());
      matrix.data = panels.data();
    } else {
      bf16.resize(count);
      pack_panels(weights.data(), rows, columns, bf16.data());
      matrix.data = bf16.data();
    }
  }
  // The weight as its type holds it.
  double value(int64_t row, int64_t column) const {
    if (matrix.type == WeightType::kInt8)
      return static_cast<double>(int8[static_cast<size_t>(row * matrix.stride + column)]) *
             scales[static_cast<size_t>(row)];
    const auto in_panel = static_cast<size_t>((row / 16 * matrix.num_columns + column) * 16 + row % 16);
    if (matrix.type == WeightType::kBF16)
      return std::bit_cast<float>(static_cast<uint32_t>(bf16[in_panel]) << 16);
    return panels[in_panel];
  }
  std::vector<float> weights, bias, scales, panels;
  std::vector<uint16_t> bf16;
  std::vector<int8_t> int8;
  WeightMatrix matrix;
};

class Matvec : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_cpu_capability(GetParam()); }
  void TearDown() override { set_cpu_capability(""); }
};
INSTANTIATE_TEST_SUITE_P(Capabilities, Matvec, testing::ValuesIn(cpu_capabilities()),
                         [](const auto& suite) { return suite.param; });

// 16-bit activations are off by half of largest / 32767 each.
double bound(const Packed& packed, int64_t row, const std::vector<float>& x) {
  double products = 0, weights = 0, largest = 0;
  for (size_t c = 0; c < x.size(); ++c) {
    const double weight = std::abs(packed.value(row, static_cast<int64_t>(c)));
    products += weight * std::abs(x[c]);
    weights += weight;
    largest = std::max<double>(largest, std::abs(x[c]));
  }
  return 2e-6 * products + 1e-6 + (packed.matrix.type == WeightType::kInt8 ? weights * largest / 65534 : 0);
}

TEST_P(Matvec, IsTheSumOfProducts) {
  for (const WeightType type : kTypes) {
    for (const int64_t columns : {1, 7, 63, 64, 65, 200, 2100}) {
      for (const int64_t num_tokens : {1, 2, 3, 7, 8, 13, 21}) {
        const Packed packed(9, columns, type);
        std::vector<std::vector<float>> inputs,
            outputs(static_cast<size_t>(num_tokens), std::vector<float>(9, -1));
        std::vector<const float*> x;
        std::vector<float*> y;
        for (int64_t t = 0; t < num_tokens; ++t)
          inputs.push_back(numbers(columns, 10 + static_cast<uint64_t>(t)));
        for (auto& input : inputs) x.push_back(input.data());
        for (auto& output : outputs) y.push_back(output.data());
        matvec(packed.matrix, 1, 8, x, y);
        for (size_t t = 0; t < inputs.size(); ++t) {
          EXPECT_EQ(outputs[t][0], -1);  // outside of the range
          EXPECT_EQ(outputs[t][8], -1);
          for (int64_t r = 1; r < 8; ++r) {
            double expected = packed.bias[static_cast<size_t>(r)];
            for (int64_t c = 0; c < columns; ++c)
              expected += packed.value(r, c) * inputs[t][static_cast<size_t>(c)];
            ASSERT_NEAR(outputs[t][static_cast<size_t>(r)], expected, bound(packed, r, inputs[t]))
                << "type " << static_cast<int>(type) << ", columns " << columns << ", row " << r;
          }
        }
      }
    }
  }
}

// A token's products have the same bits alone and beside others, however the rows are cut.
TEST_P(Matvec, NeighboursChangeNoBit) {
  constexpr int64_t kRows = 37;
  for (const WeightType type : kTypes) {
    for (const int64_t columns : {12, 176, 192, 200, 384, 600}) {
      const Packed packed(kRows, columns, type);
      std::vector<std::vector<float>> inputs, alone;
      for (uint64_t t = 0; t < 37; ++t) {
        inputs.push_back(numbers(columns, 10 + t));
        alone.emplace_back(kRows);
        const float* x[] = {inputs.back().data()};
        float* y[] = {alone.back().data()};
        matvec(packed.matrix, 0, kRows, x, y);
      }
      for (const size_t num_tokens : {2, 4, 5, 8, 9, 12, 16, 23, 37}) {
        std::vector<std::vector<float>> together(num_tokens, std::vector<float>(kRows));
        std::vector<const float*> x;
        std::vector<float*> y;
        for (size_t t = 0; t < num_tokens; ++t)
          x.push_back(inputs[t].data()), y.push_back(together[t].data());
        matvec(packed.matrix, 0, 21, x, y);
        matvec(packed.matrix, 21, kRows, x, y);
        for (size_t t = 0; t < num_tokens; ++t)
          ASSERT_EQ(together[t], alone[t]) << "type " << static_cast<int>(type) << ", columns " << columns
                                           << ", token " << t << " of " << num_tokens;
      }
    }
  }
}

// The most a lane can be asked to add up: every product at its largest, over more columns than 32 bits hold.
TEST_P(Matvec, IntegersDoNotOverflow) {
  const int64_t columns = 20000;
  std::vector<int8_t> weights(static_cast<size_t>(packed_columns(columns)), 0);
  std::fill_n(weights.begin(), columns, int8_t{127});
  const float scale = 1;
  const std::vector<float> input(static_cast<size_t>(columns), 32767);
  const WeightMatrix matrix{.data = weights.data(),
                            .scales = &scale,
                            .bias = nullptr,
                            .num_rows = 1,
                            .num_columns = columns,
                            .stride = static_cast<int64_t>(weights.size()),
                            .type = WeightType::kInt8};
  float output = 0;
  const float* x[] = {input.data()};
  float* y[] = {&output};
  matvec(matrix, 0, 1, x, y);
  EXPECT_NEAR(output / (127.0 * 32767 * columns), 1, 1e-6);
}

// A row by itself is what a packed matrix holds.
TEST(RoundRow, IsTheRowOfAMatrix) {
  for (const WeightType type : kTypes) {
    const Packed packed(20, 70, type);
    std::vector<float> row(70);
    for (const int64_t r : {0, 17}) {
      round_row(packed.weights.data() + r * 70, 70, type, row.data());
      for (int64_t c = 0; c < 70; ++c)
        EXPECT_EQ(row[static_cast<size_t>(c)], static_cast<float>(packed.value(r, c)))
            << "type " << static_cast<int>(type) << ", column " << c;
    }
  }
}

TEST(Quantize, RoundsToTheNearestOfALinearScale) {
  const float weights[] = {0.5f, -1.27f, 0.016f, 0, 0, 0};
  int8_t quantized[2 * 64];
  float scales[2];
  quantize_rows(weights, 2, 3, quantized, scales);
  EXPECT_FLOAT_EQ(scales[0], 0.01f);
  EXPECT_EQ(quantized[0], 50);
  EXPECT_EQ(quantized[1], -127);
  EXPECT_EQ(quantized[2], 2);
  EXPECT_EQ(quantized[3], 0);
  EXPECT_EQ(scales[1], 0);
  EXPECT_EQ(quantized[64], 0);
}

}  // namespace
}  // namespace mom::kernels
