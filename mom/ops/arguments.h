// Checks and small conversions of op arguments. Messages: "[op] name: expected ..., got ...".
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mom::ops {

// "[64, 512] f32" for a message.
std::string describe(const at::Tensor& tensor);

// Checks sizes (-1 = any) and that the dtype is floating.
void check_float(std::string_view op, std::string_view name, const at::Tensor& tensor, at::IntArrayRef sizes);
void check_float(std::string_view op, std::string_view name, const std::optional<at::Tensor>& tensor,
                 at::IntArrayRef sizes);
// Checks that the tensor, where given, is on this device.
void check_same_device(std::string_view op, std::string_view name, const std::optional<at::Tensor>& tensor,
                       const at::Tensor& like);

// Offsets: i64, first 0, last num_rows, rising. Returns the number of groups or sequences. Numbers are looked at in the host's memory
// only: those on another device are a copy of what was, and reading them would wait for the device.
int64_t check_offsets(std::string_view op, std::string_view name, const std::optional<at::Tensor>& offsets,
                      int64_t num_rows);
// order_T: i64 [num_rows], a permutation of 0 .. num_rows - 1; likewise.
void check_order(std::string_view op, const std::optional<at::Tensor>& order_T, int64_t num_rows);

// The offsets as numbers; absent = {0, num_rows}.
std::vector<int64_t> offsets_or_whole(const std::optional<at::Tensor>& offsets, int64_t num_rows);
// The same as a contiguous i64 tensor on a device.
at::Tensor offsets_on(const std::optional<at::Tensor>& offsets, int64_t num_rows, c10::Device device);
// The order, where there is one, as a contiguous tensor on a device; else undefined.
at::Tensor order_on(const std::optional<at::Tensor>& order_T, c10::Device device);

// An absent tensor as an undefined one, and back: what autograd functions and save_for_backward take.
at::Tensor or_undefined(const std::optional<at::Tensor>& tensor);
std::optional<at::Tensor> if_defined(const at::Tensor& tensor);

// Rows with last stride 1 as they are, anything else copied.
at::Tensor with_dense_rows(const at::Tensor& rows);

// True where autograd is on and any of the tensors wants a gradient.
bool any_requires_grad(at::ArrayRef<at::Tensor> tensors);

}  // namespace mom::ops
