// The CUDA kernels that move rows, rotate them, or multiply by an activation, in the emulator against f64 references.
#include "mom/kernels/cuda/gather_rows.h"
#include "mom/kernels/cuda/rotary.h"
#include "mom/kernels/cuda/swiglu.h"
#include "tests/kernels/cuda/support.h"

namespace mom::kernels::cuda::test {
namespace {

constexpr Element kBothTypes[] = {Element::kF32, Element::kBF16};
double limit_of(Element type) { return type == Element::kF32 ? kF32Nmse : kBf16Nmse; }

void fill(RowBuffer& rows, uint64_t seed) {
  Random random(seed);
  rows.fill([&] { return random.normal() + 1; });
}

// Output rows of no, one and several sources, some of them negative.
TEST(CudaGatherRows, SumsOfRows) {
  for (const Element type : kBothTypes) {
    for (const int64_t width : {1, 31, 33, 100}) {
      for (const bool weighted : {false, true}) {
        const std::vector<int64_t> offsets{0, 0, 1, 4, 4, 9}, sources{3, 0, -1, 6, 6, 2, -1, -1, 5};
        const Integers device_offsets(offsets), device_sources(sources);
        RowBuffer in(7, width, type, 2), weights(1, 9);
        fill(in, 1), fill(weights, 2);
        std::vector<double> expected(static_cast<size_t>(5 * width));
        for (int64_t row = 0; row < 5; ++row)
          for (auto j = static_cast<size_t>(offsets[static_cast<size_t>(row)]);
               j < static_cast<size_t>(offsets[static_cast<size_t>(row) + 1]); ++j)
            for (int64_t e = 0; e < width && sources[j] >= 0; ++e)
              expected[static_cast<size_t>(row * width + e)] +=
                  (weighted ? weights.get(static_cast<int64_t>(j)) : 1) * in.get(sources[j], e);
        auto run = [&]() -> Results {
          RowBuffer out(5, width, type, 3);
          gather_rows(
              {5, width, device_offsets.data(), device_sources.data(), weighted ? weights.floats() : nullptr},
              in.rows(), out.mutable_rows(), nullptr);
          machine_finish();
          return {{"sums", out.values()}};
        };
        expect_results(run, {{"sums", expected}}, limit_of(type), "width " + std::to_string(width));
      }
    }
  }
}

TEST(CudaGatherRows, OneSourceForEachRow) {
  const std::vector<int64_t> sources{3, -1, 0, 3, 2};
  const Integers device_sources(sources);
  RowBuffer in(4, 40, Element::kBF16);
  fill(in, 1);
  std::vector<double> expected;
  for (const int64_t source : sources)
    for (int64_t e = 0; e < 40; ++e) expected.push_back(source < 0 ? 0 : in.get(source, e));
  auto run = [&]() -> Results {
    RowBuffer out(5, 40);
    gather_rows({5, 40, nullptr, device_sources.data(), nullptr}, in.rows(), out.mutable_rows(), nullptr);
    machine_finish();
    return {{"rows", out.values()}};
  };
  expect_results(run, {{"rows", expected}}, 0, "bf16 to f32");
}

TEST(CudaGatherRows, Dots) {
  for (const Element type : kBothTypes) {
    for (const int64_t width : {1, 33, 100}) {
      const std::vector<int64_t> rows{2, -1, 0, 2, 1, 1};
      const Integers device_rows(rows);
      RowBuffer left(3, width, type, 1), right(6, width, type);
      fill(left, 1), fill(right, 2);
      std::vector<double> expected(6);
      for (size_t j = 0; j < 6; ++j)
        for (int64_t e = 0; e < width && rows[j] >= 0; ++e)
          expected[j] += left.get(rows[j], e) * right.get(static_cast<int64_t>(j), e);
      auto run = [&]() -> Results {
        RowBuffer dots(1, 6);
        row_dots(6, width, device_rows.data(), left.rows(), right.rows(), dots.floats(), nullptr);
        machine_finish();
        return {{"dots", dots.values()}};
      };
      expect_results(run, {{"dots", expected}}, kF32Nmse, "width " + std::to_string(width));
    }
  }
}

TEST(CudaRotary, ThereAndBack) {
  for (const Element type : kBothTypes) {
    for (const auto& [T, heads, width] :
         {std::array<int64_t, 3>{0, 2, 4}, {1, 1, 2}, {9, 3, 6}, {40, 2, 64}}) {
      const std::vector<int64_t> order = Random(8).permutation(T);
      const Integers device_order(order);
      RowBuffer in(T, heads * width, type, 4), table(T, width);
      fill(in, 1);
      Random random(2);
      for (int64_t t = 0; t < T; ++t)
        for (int64_t i = 0; i < width / 2; ++i) {
          const double angle = random.uniform(-4, 4);
          table.set(t * width + i, std::cos(angle)), table.set(t * width + width / 2 + i, std::sin(angle));
        }
      std::vector<double> rotated(static_cast<size_t>(in.size())), back(rotated.size());
      for (int64_t t = 0; t < T; ++t)
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t i = 0; i < width / 2; ++i) {
            const int64_t row = order[static_cast<size_t>(t)], x0 = h * width + i, x1 = x0 + width / 2;
            const double c = table.get(t, i), s = table.get(t, width / 2 + i);
            auto at = [&](int64_t r, int64_t column) {
              return static_cast<size_t>(r * heads * width + column);
            };
            rotated[at(t, x0)] = in.get(row, x0) * c - in.get(row, x1) * s;
            rotated[at(t, x1)] = in.get(row, x1) * c + in.get(row, x0) * s;
            back[at(row, x0)] = in.get(t, x0) * c + in.get(t, x1) * s;
            back[at(row, x1)] = in.get(t, x1) * c - in.get(t, x0) * s;
          }
      auto run = [&, T = T, heads = heads, width = width]() -> Results {
        RowBuffer there(T, heads * width, type), here(T, heads * width, type, 1);
        const RotaryPlan plan{T, heads, width, device_order.data(), table.floats()};
        rotate(plan, in.rows(), there.mutable_rows(), nullptr);
        rotate_back(plan, in.rows(), here.mutable_rows(), nullptr);
        machine_finish();
        return {{"rotated", there.values()}, {"rotated back", here.values()}};
      };
      expect_results(run, {{"rotated", rotated}, {"rotated back", back}}, limit_of(type),
                     "T " + std::to_string(T));
    }
  }
}

TEST(CudaSwiglu, ValuesAndGradients) {
  for (const Element type : kBothTypes) {
    for (const auto& [rows, width] : {std::array<int64_t, 2>{0, 3}, {1, 1}, {7, 33}, {20, 100}}) {
      RowBuffer gate(rows, width, type, 2), up(rows, width, type), dy(rows, width, type, 1);
      Random random(3);
      gate.fill([&] { return 30 * random.normal(); });  // both ends of the activation
      fill(up, 2), fill(dy, 4);
      std::vector<double> y, dgate, dup;
      for (int64_t i = 0; i < gate.size(); ++i) {
        const double g = gate.get(i), s = 1 / (1 + std::exp(-g));
        y.push_back(g * s * up.get(i));
        dup.push_back(dy.get(i) * g * s);
        dgate.push_back(dy.get(i) * up.get(i) * s * (1 + g * (1 - s)));
      }
      auto run = [&, rows = rows, width = width]() -> Results {
        RowBuffer to_y(rows, width, type), to_dgate(rows, width, type, 3), to_dup(rows, width, type);
        const SwigluInputs in{rows, width, gate.rows(), up.rows()};
        swiglu_forward(in, to_y.mutable_rows(), nullptr);
        swiglu_backward(in, dy.rows(), to_dgate.mutable_rows(), to_dup.mutable_rows(), nullptr);
        machine_finish();
        return {{"y", to_y.values()}, {"dgate", to_dgate.values()}, {"dup", to_dup.values()}};
      };
      expect_results(run, {{"y", y}, {"dgate", dgate}, {"dup", dup}}, limit_of(type),
                     std::to_string(rows) + " rows");
    }
  }
}

}  // namespace
}  // namespace mom::kernels::cuda::test
