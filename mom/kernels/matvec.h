// Weights times the activations of a few tokens: what a generated token spends its time on. Each weight is
// read from memory once for all of them, so a token costs about the bytes of the weights.
//
//   y_b[r] = s_r * sum_c W[r, c] x_b[c] + bias[r]        s_r = 1 except for kInt8
//
// Weights are f32, bf16, or 8-bit integers with one f32 scale per row. Products and sums are f32, except for
// kInt8: there each token's activations are 16-bit integers with one scale (error: 2^-16 of the largest),
// products and sums integers, which are exact. A row's result has the same bits whatever other rows and
// tokens are computed and however many threads there are.
#pragma once

#include <cstdint>
#include <span>

namespace mom::kernels {

enum class WeightType : uint8_t { kF32, kBF16, kInt8 };

// Where the weight of row r and column c is:
//   kF32, kBF16  in panels: ((r / 16) * num_columns + c) * 16 + r % 16, rows filled up with zeros; 64-byte aligned
//   kInt8        r * stride + c, rows of packed_columns() filled up with zeros
struct WeightMatrix {
  const void* data = nullptr;
  const float* scales = nullptr;                      // [R], kInt8 only
  const float* bias = nullptr;                        // [R] or null
  int64_t num_rows = 0, num_columns = 0, stride = 0;  // stride: kInt8 only
  WeightType type = WeightType::kF32;
};

inline constexpr int64_t kPanelRows = 16;
// Elements of a matrix: kF32 and kBF16 in panels, kInt8 in rows.
int64_t packed_elements(int64_t num_rows, int64_t num_columns, WeightType type);
// The columns a row of kInt8 takes in memory: whole cache lines.
int64_t packed_columns(int64_t num_columns);
// Bytes of one row.
int64_t row_bytes(const WeightMatrix& matrix);

// Rows [begin, end) for every token: x[b] has C elements, y[b] gets element r at r.
void matvec(const WeightMatrix& matrix, int64_t begin, int64_t end, std::span<const float* const> x,
            std::span<float* const> y);

// Rows of f32 weights as kInt8: q = round(w / s), s = max |w| / 127 of the row (0 where all are 0). Rows of
// `quantized` are packed_columns() apart; their ends are filled with zeros.
void quantize_rows(const float* weights, int64_t num_rows, int64_t num_columns, int8_t* quantized,
                   float* scales);
// Rows of f32 weights in panels; as kBF16 to nearest even.
void pack_panels(const float* weights, int64_t num_rows, int64_t num_columns, float* panels);
void pack_panels(const float* weights, int64_t num_rows, int64_t num_columns, uint16_t* panels);
// A row as a packed matrix of `type` holds it.
void round_row(const float* row, int64_t num_columns, WeightType type, float* rounded);

}  // namespace mom::kernels
