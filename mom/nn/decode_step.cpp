#include "mom/nn/decode_step.h"

#include <torch/types.h>

#include <algorithm>
#include <span>

#include "mom/base/rounding.h"
#include "mom/nn/modality_linear.h"
#include "mom/ops/device_copies.h"
#include "mom/ops/rowwise.h"

namespace mom::nn {

MixerState MixerState::on(c10::Device device) const {
  const auto move = [&](const at::Tensor& tensor) { return ops::on_device(tensor, device); };
  MixerState state{move(conv_SDK), move(recurrent_SDN), {}, {}, move(normed_SE)};
  for (const at::Tensor& tensor : keys) state.keys.push_back(move(tensor));
  for (const at::Tensor& tensor : values) state.values.push_back(move(tensor));
  return state;
}

using kernels::WeightType;

PackedMatrix WeightPacker::matrix(const at::Tensor& weight_RC, const at::Tensor& bias_R) {
  PackedMatrix packed;
  const at::Tensor weight = weight_RC.detach().contiguous();
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const float* from = weight.const_data_ptr<float>();
  if (bias_R.defined()) packed.bias = bias_R.detach();
  const int64_t count = kernels::packed_elements(rows, columns, type_);
  if (type_ == WeightType::kF32) {
    packed.data = weights_.panels(weight_RC);
  } else if (type_ == WeightType::kBF16) {
    packed.data = memory_.take({count}, at::kBFloat16);
    kernels::pack_panels(from, rows, columns, static_cast<uint16_t*>(packed.data.mutable_data_ptr()));
  } else {
    packed.data = memory_.take({count}, at::kChar);
    packed.scales = torch::empty({rows});
    kernels::quantize_rows(from, rows, columns, static_cast<int8_t*>(packed.data.mutable_data_ptr()),
                           packed.scales.mutable_data_ptr<float>());
  }
  packed.matrix = {.data = packed.data.const_data_ptr(),
                   .scales = packed.scales.defined() ? packed.scales.const_data_ptr<float>() : nullptr,
                   .bias = packed.bias.defined() ? packed.bias.const_data_ptr<float>() : nullptr,
                   .num_rows = rows,
                   .num_columns = columns,
                   .stride = kernels::packed_columns(columns),
                   .type = type_};
  return packed;
}

PackedProjection WeightPacker::projection(const ModalityLinearImpl& linear) {
  PackedProjection projection;
  for (size_t m = 0; m < linear.num_weights(); ++m)
    projection.push_back(matrix(linear.weight(m), linear.has_bias() ? linear.bias(m) : at::Tensor()));
  return projection;
}

DecodeBatch::DecodeBatch(std::vector<int64_t> modality_of_row, const std::vector<int64_t>& set_of_row,
                         int64_t num_sets, std::vector<int64_t> offsets_of_sequence)
    : modality_R(std::move(modality_of_row)),
      offsets_S1(std::move(offsets_of_sequence)),
      by_set(static_cast<size_t>(num_sets)) {
  for (size_t r = 0; r < modality_R.size(); ++r) {
    all.push_back(r);
    by_set[static_cast<size_t>(set_of_row[r])].push_back(r);
  }
}

RowRange share_of(int64_t count, int64_t number, int64_t num_shares) {
  constexpr int64_t kRowGroup = 16;
  const int64_t groups = ceil_div(count, kRowGroup);
  return {std::min(count, groups * number / num_shares * kRowGroup),
          std::min(count, groups * (number + 1) / num_shares * kRowGroup)};
}

namespace {

// product(matrix, inputs, outputs) of each matrix that has rows.
template <class Product>
void each_product(const PackedProjection& projection, const DecodeBatch& batch, DecodeRows x, DecodeRows y,
                  const Product& product) {
  for (size_t m = 0; m < projection.size(); ++m) {
    const std::vector<size_t>& group = projection.size() == 1 ? batch.all : batch.by_set[m];
    if (group.empty()) continue;
    thread_local std::vector<const float*> inputs;  // a token asks for some thirty products
    thread_local std::vector<float*> outputs;
    inputs.clear(), outputs.clear();
    for (const size_t r : group) inputs.push_back(x.row(r)), outputs.push_back(y.row(r));
    product(projection[m].matrix, std::span<const float* const>(inputs), std::span<float* const>(outputs));
  }
}

}  // namespace

void project(const PackedProjection& projection, const DecodeBatch& batch, RowRange range, DecodeRows x,
             DecodeRows y) {
  each_product(projection, batch, x, y, [&](const kernels::WeightMatrix& matrix, auto inputs, auto outputs) {
    kernels::matvec(matrix, range.begin, range.end, inputs, outputs);
  });
}

void project(const PackedProjection& projection, const DecodeBatch& batch, DecodeRows x, DecodeRows y) {
  each_product(projection, batch, x, y, [](const kernels::WeightMatrix& matrix, auto inputs, auto outputs) {
    ops::multiply_rowwise(matrix, inputs, outputs);
  });
}

}  // namespace mom::nn
