#include "tensors.h"

#include <algorithm>
#include <atomic>
#include <sstream>

namespace mom::python {
namespace {

bool is_bf16(const Tensor& tensor) { return tensor.scalar_type() == ScalarType::BFloat16; }

kernels::Element element_of(const Tensor& tensor) {
  return is_bf16(tensor) ? kernels::Element::kBF16 : kernels::Element::kF32;
}

void print_sizes(std::ostream& out, const int64_t* sizes, size_t count) {
  out << "[";
  for (size_t i = 0; i < count; ++i) out << (i == 0 ? "" : ", ") << sizes[i];
  out << "]";
}

// A vector of i64 in host memory.
Tensor check_integers(const char* op, const char* name, const Tensor& tensor) {
  STD_TORCH_CHECK(tensor.is_cpu() && tensor.dim() == 1 && tensor.scalar_type() == ScalarType::Long, "[", op,
                  "] ", name, ": expected a vector of Long on the CPU, got ", describe(tensor));
  return torch::stable::contiguous(tensor);
}

}  // namespace

std::string describe(const Tensor& tensor) {
  std::ostringstream text;
  print_sizes(text, tensor.sizes().data(), tensor.sizes().size());
  text << " " << tensor.scalar_type();
  if (!tensor.is_cpu()) text << " not on the CPU";
  return text.str();
}

void check(const char* op, const char* name, const Tensor& tensor, std::initializer_list<int64_t> sizes) {
  bool fits = tensor.is_cpu() && (is_bf16(tensor) || tensor.scalar_type() == ScalarType::Float) &&
              tensor.dim() == static_cast<int64_t>(sizes.size());
  for (size_t i = 0; fits && i < sizes.size(); ++i) {
    fits = sizes.begin()[i] < 0 || tensor.size(static_cast<int64_t>(i)) == sizes.begin()[i];
  }
  if (fits) return;
  std::ostringstream expected;
  print_sizes(expected, sizes.begin(), sizes.size());
  STD_TORCH_CHECK(false, "[", op, "] ", name, ": expected ", expected.str(),
                  " Float or BFloat16 on the CPU, got ", describe(tensor));
}

void check(const char* op, const char* name, const OptionalTensor& tensor,
           std::initializer_list<int64_t> sizes) {
  if (tensor) check(op, name, *tensor, sizes);
}

Positions::Positions(const char* op, const OptionalTensor& offsets_S1, const OptionalTensor& order_T,
                     int64_t num_tokens)
    : offsets_{0, num_tokens} {
  if (offsets_S1) {
    const Tensor given = check_integers(op, "offsets", *offsets_S1);
    const int64_t* values = given.const_data_ptr<int64_t>();
    offsets_.assign(values, values + given.numel());
    const bool ends_fit = !offsets_.empty() && offsets_.front() == 0 && offsets_.back() == num_tokens;
    STD_TORCH_CHECK(ends_fit && std::is_sorted(offsets_.begin(), offsets_.end()), "[", op,
                    "] offsets: expected to rise from 0 to ", num_tokens, " (the number of rows)");
  }
  if (!order_T) return;
  order_ = check_integers(op, "order", *order_T);
  const int64_t* rows = order();
  std::vector<bool> seen(num_tokens, false);
  STD_TORCH_CHECK(order_->numel() == num_tokens, "[", op, "] order: expected ", num_tokens, " rows, got ",
                  order_->numel());
  for (int64_t t = 0; t < num_tokens; ++t) {
    STD_TORCH_CHECK(rows[t] >= 0 && rows[t] < num_tokens && !seen[rows[t]], "[", op, "] order[", t,
                    "]: expected each row from 0 to ", num_tokens - 1, " once, got ", rows[t]);
    seen[rows[t]] = true;
  }
}

const int64_t* Positions::order() const { return order_ ? order_->const_data_ptr<int64_t>() : nullptr; }

Tensor with_dense_rows(const Tensor& rows) {
  return rows.size(1) <= 1 || rows.stride(1) == 1 ? rows : torch::stable::contiguous(rows);
}
OptionalTensor with_dense_rows(const OptionalTensor& rows) {
  return rows ? OptionalTensor(with_dense_rows(*rows)) : std::nullopt;
}

Tensor as_f32(const Tensor& tensor) {
  return torch::stable::contiguous(torch::stable::to(tensor, std::optional(ScalarType::Float)));
}
OptionalTensor as_f32(const OptionalTensor& tensor) {
  return tensor ? OptionalTensor(as_f32(*tensor)) : std::nullopt;
}

Tensor empty_f32(const Tensor& like, std::vector<int64_t> sizes) {
  return torch::stable::new_empty(like, sizes, std::optional(ScalarType::Float));
}
Tensor empty_as(const Tensor& like) { return torch::stable::new_empty(like, like.sizes()); }
Tensor empty_as(const OptionalTensor& like, const Tensor& where_absent) {
  return like ? empty_as(*like) : torch::stable::new_empty(where_absent, std::vector<int64_t>{0});
}

kernels::Rows rows_of(const Tensor& matrix) {
  return {matrix.const_data_ptr(), matrix.stride(0), element_of(matrix)};
}
kernels::Rows rows_of(const OptionalTensor& matrix) { return matrix ? rows_of(*matrix) : kernels::Rows{}; }
kernels::MutableRows mutable_rows_of(const Tensor& matrix) {
  return {matrix.mutable_data_ptr(), matrix.stride(0), element_of(matrix)};
}
const float* floats_of(const Tensor& tensor) { return tensor.const_data_ptr<float>(); }
const float* floats_of(const OptionalTensor& tensor) { return tensor ? floats_of(*tensor) : nullptr; }
float* mutable_floats_of(const Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile) {
  const auto num_threads = std::min<int64_t>(count, torch::stable::get_num_threads());
  if (num_threads <= 1) return kernels::serial_for(count, tile);
  std::atomic<int64_t> next{0};
  torch::stable::parallel_for(0, num_threads, 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) tile(i);
  });
}

}  // namespace mom::python
