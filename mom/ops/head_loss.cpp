#include "mom/ops/head_loss.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mom/ops/arguments.h"
#include "mom/ops/backend.h"
#include "mom/ops/compare.h"
#include "mom/ops/device_copies.h"
#include "mom/ops/device_kernels.h"
#include "mom/ops/embedding.h"
#include "mom/ops/gemm.h"
#include "mom/ops/head_loss_reference.h"
#include "mom/ops/kernel_views.h"

namespace mom::ops {
namespace {

constexpr int64_t kPieceElements = 8 << 20,
                  kMinPieceRows = 128;  // outputs of a piece: 32 MiB where rows are short

// One kind of loss: outputs [R, O] of a piece that begins at row `first` -> its sum, an f64 scalar; the gradient of
// scale * sum replaces the outputs, in their own dtype.
using PieceLoss =
    std::function<at::Tensor(at::Tensor& outputs, int64_t first, double scale, bool with_gradient)>;

struct Result {
  at::Tensor sum;                   // f64 scalar
  at::Tensor hidden, weight, bias;  // gradients of scale * sum, where wanted
};

// Factors of the products are rounded to `type`.
Result run(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& rows,
           double scale, at::ScalarType type, const PieceLoss& loss, bool with_gradient) {
  at::NoGradGuard no_grad;
  const int64_t num_rows = rows.size(0), num_outputs = weight.size(0);
  const int64_t piece =
      std::min(num_rows, std::max(kMinPieceRows, kPieceElements / std::max<int64_t>(1, num_outputs)));
  const at::Tensor factor = weight.to(type);
  Result result{at::zeros({}, hidden.options().dtype(at::kDouble)), {}, {}, {}};
  if (with_gradient) {
    result.hidden = at::zeros_like(hidden, at::MemoryFormat::Contiguous);
    result.weight = at::zeros(weight.sizes(), weight.options().dtype(at::kFloat));
    if (bias.defined()) result.bias = at::zeros(bias.sizes(), bias.options().dtype(at::kFloat));
  }
  const at::Tensor outputs_of_piece = at::empty({piece, num_outputs}, hidden.options().dtype(type));
  for (int64_t first = 0; first < num_rows; first += piece) {
    const int64_t count = std::min(piece, num_rows - first);
    const at::Tensor at_rows = rows.narrow(0, first, count),
                     inputs = hidden.index_select(0, at_rows).to(type);
    at::Tensor outputs = outputs_of_piece.narrow(0, 0, count);
    multiply(inputs, factor.t(), outputs, false, bias);
    result.sum.add_(loss(outputs, first, scale, with_gradient));
    if (!with_gradient) continue;
    const at::Tensor of_inputs = at::empty(inputs.sizes(), inputs.options());
    multiply(outputs, factor, of_inputs);
    result.hidden.index_copy_(0, at_rows, of_inputs.to(hidden.scalar_type()));
    multiply(outputs.t(), inputs, result.weight, /*accumulate=*/true);
    if (bias.defined()) result.bias.add_(outputs.sum(0, false, at::kFloat));
  }
  return result;
}

const std::vector<std::string> kHeadNames = {"hidden_TE", "weight_OE", "bias_O"};

// What a head computes, from the tensors of kHeadNames.
struct Head {
  const char* op;
  double scale;
  at::ScalarType type;
  PieceLoss loss;
  TensorFunction reference;
  bool check = false, into_leaf = false;
};

at::Tensor run_checked(const Head& head, const std::vector<at::Tensor>& inputs, const at::Tensor& rows,
                       bool with_gradient, std::vector<at::Tensor>* grads) {
  const Result result =
      run(inputs[0], inputs[1], inputs[2], rows, head.scale, head.type, head.loss, with_gradient);
  const at::Tensor value = (result.sum * head.scale).to(at::kFloat);
  if (with_gradient) *grads = {result.hidden, result.weight, result.bias};
  if (head.check) check_values(head.op, {"loss"}, {value}, head.reference, inputs);
  if (head.check && with_gradient)
    check_gradients(head.op, kHeadNames, *grads, head.reference, inputs, {at::ones_like(value)});
  return value;
}

struct HeadFunction : torch::autograd::Function<HeadFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            const at::Tensor& rows, const Head& head) {
    std::vector<at::Tensor> grads;
    const at::Tensor value = run_checked(head, {hidden, weight, or_undefined(bias)}, rows, true, &grads);
    if (head.into_leaf && weight.is_leaf()) grads.push_back(weight);
    ctx->save_for_backward(grads);
    return value;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list output_grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "[head loss] has no second derivative: use backend reference");
    torch::autograd::variable_list grads = ctx->get_saved_variables();
    // 1 where this is the loss that backward() begins with; a GPU multiplies sooner than it says so.
    const at::Tensor& factor = output_grads[0];
    if (!factor.device().is_cpu() || factor.item<double>() != 1) {
      for (size_t i = 0; i < kHeadNames.size(); ++i)
        if (grads[i].defined()) grads[i] = grads[i] * factor;
    }
    if (grads.size() > kHeadNames.size()) {
      add_to_leaf(grads.back(), grads[1]);
      grads[1] = at::Tensor();
    }
    grads.resize(kHeadNames.size());
    grads.resize(5);  // rows, head
    return grads;
  }
};

// The sum of a piece's nats, z-loss included, f64; nats_P gets each row's nats alone.
at::Tensor cross_entropy_of_piece(at::Tensor& logits, const at::Tensor& targets, double scale,
                                  double z_weight, bool with_gradient, at::Tensor nats_P) {
  at::Tensor wide = logits.to(at::kFloat);  // itself in f32
  const at::Tensor log_sum = z_weight == 0 ? at::Tensor() : at::empty({logits.size(0)}, wide.options());
  kernels_of(wide).softmax_loss(
      mutable_rows_of(wide), wide.size(0), wide.size(1), targets.const_data_ptr<int64_t>(),
      static_cast<float>(scale), static_cast<float>(z_weight),
      {nats_P.mutable_data_ptr<float>(), log_sum.defined() ? log_sum.mutable_data_ptr<float>() : nullptr,
       with_gradient ? mutable_rows_of(logits) : kernels::MutableRows{}});
  at::Tensor sum = nats_P.sum(at::kDouble);
  if (log_sum.defined()) sum = sum + z_weight * log_sum.square().sum(at::kDouble);
  return sum;
}

at::Tensor squared_error_of_piece(at::Tensor& outputs, const at::Tensor& target, double scale,
                                  bool with_gradient) {
  outputs.sub_(target);
  at::Tensor sum = outputs.square().sum(at::kDouble);
  if (with_gradient) outputs.mul_(2 * scale);
  return sum;
}

void check_arguments(const char* op, const at::Tensor& hidden, const at::Tensor& weight,
                     const std::optional<at::Tensor>& bias, const at::Tensor& rows) {
  check_float(op, "hidden_TE", hidden, {-1, -1});
  check_float(op, "weight_OE", weight, {-1, hidden.size(1)});
  check_float(op, "bias_O", bias, {weight.size(0)});
  TORCH_CHECK(rows.dim() == 1 && rows.scalar_type() == at::kLong, "[", op, "] rows_R: expected i64 [R], got ",
              describe(rows));
}

// By the kernels, or by the reference where they cannot run.
at::Tensor apply(Head head, const at::Tensor& hidden, const at::Tensor& weight,
                 const std::optional<at::Tensor>& bias, const at::Tensor& rows) {
  const std::vector<at::Tensor> inputs{hidden, weight, or_undefined(bias)};
  const Backend backend = choose_backend(head.op, inputs);
  if (backend == Backend::kReference) return head.reference(inputs)[0];
  head.check = backend == Backend::kCheck;
  if (any_requires_grad(inputs)) return HeadFunction::apply(hidden, weight, bias, rows, head);
  return run_checked(head, inputs, rows, false, nullptr);
}

}  // namespace

CrossEntropy linear_cross_entropy(const at::Tensor& hidden_TE, const at::Tensor& weight_VE,
                                  const at::Tensor& rows_R, const at::Tensor& targets_R,
                                  const CrossEntropyOptions& options) {
  constexpr const char* kOp = "linear_cross_entropy";
  check_arguments(kOp, hidden_TE, weight_VE, std::nullopt, rows_R);
  TORCH_CHECK(targets_R.sizes() == rows_R.sizes() && targets_R.scalar_type() == at::kLong, "[", kOp,
              "] targets_R: expected i64 as rows_R, got ", describe(targets_R));
  TORCH_CHECK(
      !targets_R.device().is_cpu() || targets_R.numel() == 0 ||
          (targets_R.min().item<int64_t>() >= 0 && targets_R.max().item<int64_t>() < weight_VE.size(0)),
      "[", kOp, "] targets_R: expected below ", weight_VE.size(0));
  const at::Tensor targets = on_device(targets_R, hidden_TE.device()).contiguous(),
                   rows = on_device(rows_R, hidden_TE.device());
  if (choose_backend(kOp, {hidden_TE, weight_VE}) == Backend::kReference)
    return linear_cross_entropy_reference(hidden_TE, weight_VE, rows, targets, options);
  CrossEntropy result;
  result.nats_R = at::zeros({rows_R.size(0)}, hidden_TE.options().dtype(at::kFloat));
  const double z_weight = options.z_weight;
  const PieceLoss loss = [=, nats = result.nats_R](at::Tensor& logits, int64_t first, double factor,
                                                   bool with_gradient) {
    const int64_t count = logits.size(0);
    return cross_entropy_of_piece(logits, targets.narrow(0, first, count), factor, z_weight, with_gradient,
                                  nats.narrow(0, first, count));
  };
  const TensorFunction reference = [=](const std::vector<at::Tensor>& t) {
    return std::vector<at::Tensor>{linear_cross_entropy_reference(t[0], t[1], rows, targets, options).loss};
  };
  result.loss =
      apply({kOp, options.scale, hidden_TE.scalar_type(), loss, reference, false, options.into_leaf},
            hidden_TE, weight_VE, std::nullopt, rows);
  return result;
}

at::Tensor linear_squared_error(const at::Tensor& hidden_TE, const at::Tensor& weight_PE,
                                const std::optional<at::Tensor>& bias_P, const at::Tensor& rows_R,
                                const at::Tensor& target_RP, double scale) {
  constexpr const char* kOp = "linear_squared_error";
  check_arguments(kOp, hidden_TE, weight_PE, bias_P, rows_R);
  check_float(kOp, "target_RP", target_RP, {rows_R.size(0), weight_PE.size(0)});
  const at::Tensor rows = on_device(rows_R, hidden_TE.device()),
                   target = on_device(target_RP, hidden_TE.device());
  const PieceLoss loss = [target](at::Tensor& outputs, int64_t first, double factor, bool with_gradient) {
    return squared_error_of_piece(outputs, target.narrow(0, first, outputs.size(0)), factor, with_gradient);
  };
  const TensorFunction reference = [=](const std::vector<at::Tensor>& t) {
    return std::vector<at::Tensor>{
        linear_squared_error_reference(t[0], t[1], if_defined(t[2]), rows, target, scale)};
  };
  return apply({kOp, scale, at::kFloat, loss, reference}, hidden_TE, weight_PE, bias_P, rows);
}

}  // namespace mom::ops
