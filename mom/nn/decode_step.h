// The fast ways of tokens through one block's mixer without gradients, on plain memory: a few numbers do not pay for
// LibTorch's operators. A mixer that has them gives them from Mixer::decode_step(); mom/generate runs them over all blocks.
//   run    one token of each sequence. Each thread has its share of the rows of every weight matrix, the same for every
//          token, so that a weight is read once and in order.
//   read   any number of tokens of each sequence, by the kernels of Mixer::forward and with its bits (ops/rowwise.h).
//
// Weights are f32, or, for run alone, copies in bf16 or 8 bits; activations, states and sums are f32. A sequence's numbers
// have the same bits whatever other sequences there are beside it, and however many threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "mom/base/rounding.h"
#include "mom/kernels/matvec.h"
#include "mom/ops/huge_pages.h"
#include "mom/ops/packed_weights.h"

namespace mom::nn {

class ModalityLinearImpl;

// What a mixer carries from one call to the next. Each fills in what it needs; all stay undefined or empty where there
// is nothing to carry. S sequences.
struct MixerState {
  MixerState on(c10::Device device) const;

  at::Tensor conv_SDK;                   // [S, D, K - 1], the convolution's last inputs
  at::Tensor recurrent_SDN;              // [S, D, N] f32 (Mamba), complex (ssm)
  std::vector<at::Tensor> keys, values;  // attention, one per sequence: [length, heads, width], keys rotated
  at::Tensor normed_SE = {};             // [S, E] f32, the last token's norm, where norms are adaptive
};

// A weight matrix in its type, with what it points into.
struct PackedMatrix {
  kernels::WeightMatrix matrix;
  at::Tensor data, scales, bias;
  int64_t num_bytes() const { return matrix.num_rows * kernels::row_bytes(matrix); }
};
// One matrix for all tokens, or one per weight set (routing.h).
using PackedProjection = std::vector<PackedMatrix>;

// Makes packed matrices of one type: in `memory`, but f32 ones are those of `weights`.
class WeightPacker {
 public:
  WeightPacker(kernels::WeightType type, ops::HugePages& memory, const ops::PackedWeights& weights)
      : type_(type), memory_(memory), weights_(weights) {}
  PackedMatrix matrix(const at::Tensor& weight_RC, const at::Tensor& bias_R = {});
  PackedProjection projection(const ModalityLinearImpl& linear);
  kernels::WeightType type() const { return type_; }

 private:
  kernels::WeightType type_;
  ops::HugePages& memory_;
  const ops::PackedWeights& weights_;
};

// A step's R tokens, those of a sequence one after another: the modality of each, and which of them use each weight set.
struct DecodeBatch {
  std::vector<int64_t> modality_R, offsets_S1;
  std::vector<size_t> all;
  std::vector<std::vector<size_t>> by_set;
  DecodeBatch(std::vector<int64_t> modality_of_row, const std::vector<int64_t>& set_of_row, int64_t num_sets,
              std::vector<int64_t> offsets_of_sequence);
  size_t num_rows() const { return all.size(); }
  int64_t num_sequences() const { return std::ssize(offsets_S1) - 1; }
  size_t last_row(int64_t sequence) const {
    return static_cast<size_t>(offsets_S1[static_cast<size_t>(sequence) + 1]) - 1;
  }
};

// Floats of as many cache lines: threads that write neighbouring channels of a row would take a line that both have from each
// other for each row.
inline int64_t whole_lines(int64_t num_floats) { return round_up(num_floats, 16); }

// [R, width] floats of somebody else.
struct DecodeRows {
  float* data = nullptr;
  int64_t width = 0;
  float* row(size_t r) const { return data + static_cast<int64_t>(r) * width; }
};

struct RowRange {
  int64_t begin = 0, end = 0;
};
// The share of `count` rows or channels that has this number: a multiple of 16 but for the last.
RowRange share_of(int64_t count, int64_t number, int64_t num_shares);
// Rows `range` of what each token's own matrix makes of its row of `x`, in this thread.
void project(const PackedProjection& projection, const DecodeBatch& batch, RowRange range, DecodeRows x,
             DecodeRows y);
// All rows, on all threads, for any number of tokens; f32 weights.
void project(const PackedProjection& projection, const DecodeBatch& batch, DecodeRows x, DecodeRows y);

// One step's input and output.
struct DecodeArguments {
  const DecodeBatch& batch;
  DecodeRows normed;           // the mixer's input [R, E]
  DecodeRows branch;           // its output [R, E]
  float* scratch;              // scratch_floats(), from a cache line's beginning on
  int64_t first_sequence = 0;  // of the state: the batch's first
};

class DecodeStep {
 public:
  virtual ~DecodeStep() = default;
  virtual int64_t scratch_floats(size_t num_rows) const = 0;
  // Both use all threads that the caller has and advance `state`, whose tensors are dense and nobody else's. run: one row per
  // sequence.
  virtual void run(const DecodeArguments& at, MixerState& state) const = 0;
  virtual void read(const DecodeArguments& at, MixerState& state) const = 0;
  // What one token of one sequence reads and writes: weights in their type, states.
  virtual int64_t bytes_per_token() const = 0;
};

}  // namespace mom::nn
