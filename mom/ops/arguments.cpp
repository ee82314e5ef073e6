#include "mom/ops/arguments.h"

#include <ATen/ATen.h>

#include <sstream>

#include "mom/ops/device_copies.h"

namespace mom::ops {

std::string describe(const at::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes() << " " << tensor.scalar_type();
  if (!tensor.device().is_cpu()) text << " on " << tensor.device();
  return text.str();
}

void check_float(std::string_view op, std::string_view name, const at::Tensor& tensor,
                 at::IntArrayRef sizes) {
  bool fits =
      tensor.defined() && tensor.dim() == static_cast<int64_t>(sizes.size()) && tensor.is_floating_point();
  for (size_t i = 0; fits && i < sizes.size(); ++i) fits = sizes[i] < 0 || tensor.size(i) == sizes[i];
  TORCH_CHECK(fits, "[", op, "] ", name, ": expected ", sizes, " float, got ",
              tensor.defined() ? describe(tensor) : "an undefined tensor");
}

void check_float(std::string_view op, std::string_view name, const std::optional<at::Tensor>& tensor,
                 at::IntArrayRef sizes) {
  if (tensor) check_float(op, name, *tensor, sizes);
}

void check_same_device(std::string_view op, std::string_view name, const std::optional<at::Tensor>& tensor,
                       const at::Tensor& like) {
  TORCH_CHECK(!tensor || tensor->device() == like.device(), "[", op, "] ", name, ": expected a tensor on ",
              like.device(), ", got ", describe(*tensor));
}

int64_t check_offsets(std::string_view op, std::string_view name, const std::optional<at::Tensor>& offsets,
                      int64_t num_rows) {
  if (!offsets) return 1;
  TORCH_CHECK(offsets->defined() && offsets->dim() == 1 && offsets->scalar_type() == at::kLong &&
                  offsets->numel() >= 1,
              "[", op, "] ", name, ": expected [groups + 1] i64, got ",
              offsets->defined() ? describe(*offsets) : "an undefined tensor");
  if (!offsets->device().is_cpu()) return offsets->numel() - 1;
  const std::vector<int64_t> values = offsets_or_whole(offsets, num_rows);
  TORCH_CHECK(values.front() == 0 && values.back() == num_rows, "[", op, "] ", name,
              ": expected first 0 and last ", num_rows, " (the number of rows), got ", values.front(),
              " and ", values.back());
  for (size_t i = 1; i < values.size(); ++i) {
    TORCH_CHECK(values[i] >= values[i - 1], "[", op, "] ", name, "[", i, "]: expected at least ",
                values[i - 1], ", got ", values[i]);
  }
  return static_cast<int64_t>(values.size()) - 1;
}

void check_order(std::string_view op, const std::optional<at::Tensor>& order_T, int64_t num_rows) {
  if (!order_T) return;
  TORCH_CHECK(order_T->defined() && order_T->dim() == 1 && order_T->scalar_type() == at::kLong &&
                  order_T->numel() == num_rows,
              "[", op, "] order_T: expected [", num_rows, "] i64, got ",
              order_T->defined() ? describe(*order_T) : "an undefined tensor");
  if (!order_T->device().is_cpu()) return;
  const at::Tensor order = order_T->contiguous();
  const int64_t* rows = order.const_data_ptr<int64_t>();
  std::vector<bool> seen(num_rows, false);
  for (int64_t t = 0; t < num_rows; ++t) {
    TORCH_CHECK(rows[t] >= 0 && rows[t] < num_rows && !seen[rows[t]], "[", op, "] order_T[", t,
                "]: expected each row from 0 to ", num_rows - 1, " once, got ", rows[t]);
    seen[rows[t]] = true;
  }
}

std::vector<int64_t> offsets_or_whole(const std::optional<at::Tensor>& offsets, int64_t num_rows) {
  if (!offsets) return {0, num_rows};
  const at::Tensor host = offsets->cpu().contiguous();
  const int64_t* values = host.const_data_ptr<int64_t>();
  return {values, values + host.numel()};
}

at::Tensor offsets_on(const std::optional<at::Tensor>& offsets, int64_t num_rows, c10::Device device) {
  const at::Tensor given = offsets ? *offsets : at::tensor({int64_t{0}, num_rows}, at::kLong);
  return on_device(given, device).contiguous();
}

at::Tensor order_on(const std::optional<at::Tensor>& order_T, c10::Device device) {
  return order_T ? on_device(*order_T, device).contiguous() : at::Tensor();
}

at::Tensor or_undefined(const std::optional<at::Tensor>& tensor) { return tensor ? *tensor : at::Tensor(); }

std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

at::Tensor with_dense_rows(const at::Tensor& rows) {
  if (!rows.defined() || rows.size(-1) <= 1 || rows.stride(-1) == 1) return rows;
  return rows.contiguous();
}

bool any_requires_grad(at::ArrayRef<at::Tensor> tensors) {
  if (!at::GradMode::is_enabled()) return false;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

}  // namespace mom::ops
