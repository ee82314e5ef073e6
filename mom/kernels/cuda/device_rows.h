// How kernels read and write rows: of one element type, or of any mixture. And how a batch of sequences is cut into
// stretches without knowing on the host where sequences end.
#pragma once

#include "mom/base/rounding.h"
#include "mom/kernels/cuda/device.h"

namespace mom::kernels::cuda {

// The row of a position, of a scan's or a convolution's inputs.
template <class Inputs>
MOM_DEVICE int64_t row_of(const Inputs& in, int64_t position) {
  return in.order != nullptr ? in.order[position] : position;
}

struct F32Access {
  static MOM_DEVICE float load(const Rows& rows, int64_t row, int64_t column) {
    return static_cast<const float*>(rows.data)[row * rows.stride + column];
  }
  static MOM_DEVICE void store(float value, const MutableRows& rows, int64_t row, int64_t column) {
    static_cast<float*>(rows.data)[row * rows.stride + column] = value;
  }
};

struct Bf16Access {
  static MOM_DEVICE float load(const Rows& rows, int64_t row, int64_t column) {
    return bf16_to_f32(static_cast<const uint16_t*>(rows.data)[row * rows.stride + column]);
  }
  static MOM_DEVICE void store(float value, const MutableRows& rows, int64_t row, int64_t column) {
    static_cast<uint16_t*>(rows.data)[row * rows.stride + column] = f32_to_bf16(value);
  }
};

struct AnyAccess {
  static MOM_DEVICE float load(const Rows& rows, int64_t row, int64_t column) {
    return rows.type == Element::kF32 ? F32Access::load(rows, row, column)
                                      : Bf16Access::load(rows, row, column);
  }
  static MOM_DEVICE void store(float value, const MutableRows& rows, int64_t row, int64_t column) {
    if (rows.type == Element::kF32) {
      F32Access::store(value, rows, row, column);
    } else {
      Bf16Access::store(value, rows, row, column);
    }
  }
};

// Calls use(access) with the fastest access to these rows, absent ones ignored.
template <class Use, class... EachRows>
void with_access(const Use& use, const EachRows&... rows) {
  if (((rows.data == nullptr || rows.type == Element::kF32) && ...)) return use(F32Access());
  if (((rows.data == nullptr || rows.type == Element::kBF16) && ...)) return use(Bf16Access());
  use(AnyAccess());
}

// Sequences are cut into stretches of `length` positions, the last one shorter, an empty sequence into an empty one.
// The stretches of sequence s have the numbers from offsets[s] / length + s on, so that a stretch is found by a search
// in the offsets, and a grid of num_slots() blocks has one for every stretch. Some numbers are no stretch.
struct Stretch {
  int64_t sequence, begin, end;  // positions in the batch
  bool exists, first, last;      // first and last of its sequence
};

inline int64_t num_slots(int64_t num_tokens, int64_t num_sequences, int64_t length) {
  return num_tokens / length + num_sequences;
}

MOM_DEVICE int64_t first_slot(const int64_t* offsets, int64_t sequence, int64_t length) {
  return offsets[sequence] / length + sequence;
}

MOM_DEVICE Stretch stretch_of_slot(const int64_t* offsets, int64_t num_sequences, int64_t slot,
                                   int64_t length) {
  int64_t low = 0, high = num_sequences;  // the last sequence that begins at or before the slot
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (first_slot(offsets, middle, length) <= slot) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const int64_t start = offsets[low], stop = offsets[low + 1];
  const int64_t index = slot - first_slot(offsets, low, length), begin = start + index * length;
  const int64_t end = begin + length < stop ? begin + length : stop;
  return {low, begin, end, index == 0 || begin < stop, index == 0, end == stop};
}

}  // namespace mom::kernels::cuda
