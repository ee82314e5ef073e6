#include "mom/nn/experts.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/special.h>

#include <algorithm>
#include <cmath>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/config/schema.h"
#include "mom/ops/device_copies.h"
#include "mom/ops/modality_linear.h"
#include "mom/ops/row_map.h"

namespace mom::nn {
namespace {

using torch::autograd::variable_list;

// The options of one of the experts' projections: a weight per expert, named by its number.
ModalityLinearOptions of_experts(const ExpertsConfig& config, ModalityLinearOptions options) {
  options.groups.clear();
  for (int64_t e = 0; e < config.experts; ++e) options.groups.push_back(std::to_string(e));
  options.groups_are_modalities = false;
  options.weight.share = config.share();
  return options;
}

// y, whose backward also sends the gradient of `auxiliary` (a scalar) as if it were part of the loss: a block
// has no other way out for it.
struct AuxiliaryLoss : torch::autograd::Function<AuxiliaryLoss> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& y, const at::Tensor&) {
    return y.view_as(y);
  }
  static variable_list backward(torch::autograd::AutogradContext*, const variable_list& grads) {
    return {grads[0], torch::ones({}, grads[0].options().dtype(torch::kFloat32))};
  }
};

int64_t ceil_of(double x) { return static_cast<int64_t>(std::ceil(x - 1e-9)); }

// oneDNN makes new code for each number of rows: blocks come in few sizes.
int64_t block_multiple(int64_t num_tokens) { return num_tokens >= 1024 ? 64 : num_tokens >= 128 ? 16 : 1; }

// A sum over the rows of each modality: [T, E] -> i64 [M, E].
at::Tensor sum_by_modality(const at::Tensor& counts_TE, const Routing& routing) {
  std::vector<at::Tensor> sums;
  for (int64_t m = 0; m < routing.num_modalities(); ++m)
    sums.push_back(counts_TE.narrow(0, routing.group_begin(m), routing.group_size(m)).sum(0));
  return torch::stack(sums);
}

// Which of the experts each choice is for: bool, with a dimension more.
at::Tensor is_for_expert(const at::Tensor& choices, int64_t num_experts) {
  return choices.unsqueeze(-1).eq(torch::arange(num_experts, choices.options()));
}

}  // namespace

void ExpertLoad::add(const ExpertLoad& other) {
  num_tokens += other.num_tokens, num_choices += other.num_choices;
  choices_ME = choices_ME.defined() ? choices_ME + other.choices_ME : other.choices_ME;
  sums_3 = sums_3.defined() ? sums_3 + other.sums_3 : other.sums_3;
}

Dispatch dispatch_token_choice(const at::Tensor& choices_Tk, const at::Tensor& order_T, int64_t num_experts,
                               int64_t capacity, int64_t multiple) {
  const std::vector<at::Tensor> here = ops::on_host({choices_Tk.contiguous(), order_T});
  const int64_t *choice = here[0].const_data_ptr<int64_t>(), *order = here[1].const_data_ptr<int64_t>();
  const int64_t num_tokens = choices_Tk.size(0), k = choices_Tk.size(1);
  int64_t num_dropped = 0;
  std::vector<std::vector<int64_t>> gates_E(static_cast<size_t>(num_experts));  // of the flat ones
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t t = 0; t < num_tokens; ++t) {
      const int64_t gate = order[t] * k + j;
      std::vector<int64_t>& taken = gates_E[static_cast<size_t>(choice[gate])];
      if (capacity > 0 && std::ssize(taken) >= capacity)
        ++num_dropped;
      else
        taken.push_back(gate);
    }
  }
  Dispatch dispatch;
  dispatch.offsets_E1.push_back(0);
  std::vector<int64_t> rows_N, gates_N;
  for (const std::vector<int64_t>& taken : gates_E) {
    const int64_t end = dispatch.offsets_E1.back() + round_up(std::ssize(taken), multiple);
    for (const int64_t gate : taken) rows_N.push_back(gate / k);
    gates_N.insert(gates_N.end(), taken.begin(), taken.end());
    rows_N.resize(static_cast<size_t>(end), -1);
    gates_N.resize(static_cast<size_t>(end), num_tokens * k);
    dispatch.offsets_E1.push_back(end);
  }
  const c10::Device device = choices_Tk.device();
  dispatch.rows = ops::make_row_map(rows_N, num_tokens);
  dispatch.gate_index_N = ops::on_device(torch::tensor(gates_N, torch::kInt64), device);
  dispatch.num_dropped = torch::full({}, num_dropped, choices_Tk.options());
  return dispatch;
}

Dispatch dispatch_to_capacity(const at::Tensor& choices_Tk, const at::Tensor& order_T, int64_t num_experts,
                              int64_t capacity, int64_t multiple) {
  const int64_t num_tokens = choices_Tk.size(0), k = choices_Tk.size(1), num_choices = num_tokens * k;
  const int64_t block = round_up(capacity, multiple), num_slots = num_experts * block;
  // Choices in the order in which they are served, where each stands among the flat gates, and its place with its expert.
  const at::Tensor served_C = choices_Tk.index_select(0, order_T).t().reshape(-1);
  const at::Tensor gate_C = (order_T.unsqueeze(1) * k + torch::arange(k, order_T.options())).t().reshape(-1);
  const at::Tensor place_C =
      is_for_expert(served_C, num_experts).cumsum(0).gather(1, served_C.unsqueeze(1)).squeeze(1) - 1;
  // What is dropped goes to a slot behind the last, which is cut off.
  const at::Tensor dropped_C = place_C.ge(capacity);
  const at::Tensor slot_C = (served_C * block + place_C).masked_fill(dropped_C, num_slots);
  Dispatch dispatch;
  dispatch.num_dropped = dropped_C.sum();
  for (int64_t e = 0; e <= num_experts; ++e) dispatch.offsets_E1.push_back(e * block);
  dispatch.gate_index_N = torch::full({num_slots + 1}, num_choices, choices_Tk.options())
                              .scatter(0, slot_C, gate_C)
                              .narrow(0, 0, num_slots);
  const at::Tensor rows_N =
      dispatch.gate_index_N.floor_divide(k).masked_fill(dispatch.gate_index_N.eq(num_choices), -1);
  const at::Tensor slots_Tk = torch::full({num_choices}, -1, choices_Tk.options())
                                  .scatter(0, gate_C, slot_C.masked_fill(dropped_C, -1))
                                  .view({num_tokens, k});
  dispatch.rows = ops::make_row_map(rows_N, std::get<0>(slots_Tk.sort(1)));
  return dispatch;
}

Dispatch dispatch_expert_choice(const at::Tensor& rows_EC, int64_t num_tokens) {
  const int64_t num_experts = rows_EC.size(0), capacity = rows_EC.size(1);
  Dispatch dispatch;
  dispatch.gate_index_N = torch::arange(rows_EC.numel(), rows_EC.options());
  for (int64_t e = 0; e <= num_experts; ++e) dispatch.offsets_E1.push_back(e * capacity);
  const at::Tensor slots_TE =
      torch::full({num_tokens, num_experts}, -1, rows_EC.options())
          .scatter(0, rows_EC.t(), dispatch.gate_index_N.view({num_experts, capacity}).t());
  dispatch.rows = ops::make_row_map(rows_EC.reshape(-1), slots_TE);
  dispatch.num_dropped = slots_TE.lt(0).all(1).sum();
  return dispatch;
}

void ExpertsConfig::describe(config::Table& table) {
  describe_width(table);
  table.field("experts", experts, "experts in a block (moe_transformer, moe_mamba)")
      .range(1, 4096)
      .stored_as("num_experts")
      .required_in_files();
  table.field("experts_per_token", experts_per_token, "experts a token chooses (token_choice)").range(1, 2);
  table
      .field("router", router,
             "tokens choose experts, or experts choose tokens (which looks ahead: not for generation)")
      .one_of({"token_choice", "expert_choice"});
  table
      .field("capacity_factor", capacity_factor,
             "places in an expert over its even share, while training (token_choice: 0 = no limit)")
      .range(0, 1024);
}

std::string ExpertsConfig::problem(int64_t) const {
  if (experts_per_token <= experts) return "";
  return "experts_per_token: expected at most experts = " + std::to_string(experts) + ", found " +
         std::to_string(experts_per_token);
}

double ExpertsConfig::share() const {
  const double places =
      router == "expert_choice" ? std::max(1.0, capacity_factor) : static_cast<double>(experts_per_token);
  return std::min(1.0, places / static_cast<double>(experts));
}

ExpertsMixerImpl::ExpertsMixerImpl(const ExpertsConfig& config, const Trunk& trunk)
    : config_(config),
      d_model_(trunk.d_model),
      // A tenth of the usual variance keeps the first choices close to even (Switch, arXiv 2101.03961).
      router_(register_module("router", NameScope())
                  ->add_parameter("weight", {config.experts, d_model_},
                                  {.init = init_normal(std::sqrt(0.1 / static_cast<double>(d_model_)))})),
      experts_(*this,
               of_experts(config, projection_options(trunk, "gate_proj", d_model_, config.feed_forward)),
               of_experts(config, projection_options(trunk, "up_proj", d_model_, config.feed_forward)),
               of_experts(config, residual_options(trunk, "down_proj", config.feed_forward, d_model_))) {}

ExpertsMixerImpl::Choice ExpertsMixerImpl::choose_tokens(const at::Tensor& probabilities_TE,
                                                         const BlockContext& context) const {
  const int64_t num_tokens = probabilities_TE.size(0), k = config_.experts_per_token;
  auto [chosen_Tk, experts_Tk] = probabilities_TE.topk(k, 1);
  const at::Tensor gates_Tk = k == 1 ? chosen_Tk : chosen_Tk / chosen_Tk.sum(1, true);
  const double share = static_cast<double>(k * num_tokens) / static_cast<double>(config_.experts);
  const int64_t capacity = context.training ? ceil_of(config_.capacity_factor * share) : 0;
  const c10::Device device = probabilities_TE.device();
  const auto dispatch = capacity > 0 && !device.is_cpu() ? dispatch_to_capacity : dispatch_token_choice;
  Choice choice;
  choice.dispatch = dispatch(experts_Tk, context.routing.order_on(device), config_.experts, capacity,
                             block_multiple(num_tokens));
  choice.gates = gates_Tk.reshape(-1);
  if (!context.experts && !context.training) return choice;
  choice.choices_ME = sum_by_modality(is_for_expert(experts_Tk, config_.experts).sum(1), context.routing);
  if (num_tokens == 0) return choice;
  const at::Tensor fraction_E =
      choice.choices_ME.sum(0).to(torch::kFloat32) / static_cast<double>(k * num_tokens);
  choice.balance = static_cast<double>(config_.experts) * (fraction_E * probabilities_TE.mean(0)).sum();
  return choice;
}

ExpertsMixerImpl::Choice ExpertsMixerImpl::choose_experts(const at::Tensor& probabilities_TE,
                                                          const BlockContext& context) const {
  const int64_t num_tokens = probabilities_TE.size(0);
  const double factor = config_.capacity_factor > 0 ? config_.capacity_factor : 1;
  const int64_t take = std::min(
      num_tokens, ceil_of(factor * static_cast<double>(num_tokens) / static_cast<double>(config_.experts)));
  auto [gates_EC, rows_EC] = probabilities_TE.t().topk(take, 1);
  Choice choice;
  choice.dispatch = dispatch_expert_choice(rows_EC, num_tokens);
  choice.gates = gates_EC.reshape(-1);
  if (context.experts)
    choice.choices_ME = sum_by_modality(
        torch::zeros({num_tokens, config_.experts}, rows_EC.options()).scatter(0, rows_EC.t(), 1),
        context.routing);
  return choice;
}

at::Tensor ExpertsMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const bool expert_choice = config_.router == "expert_choice";
  if (state && expert_choice)
    throw UserError({"model.router = \"expert_choice\"", "token_choice for generation",
                     "experts that choose among all tokens, later ones too",
                     "train with model.router = \"token_choice\" to generate"});
  const int64_t num_tokens = x_TE.size(0);
  const at::Tensor all = torch::tensor({int64_t{0}, num_tokens}, torch::kInt64);
  const at::Tensor probabilities_TE =
      ops::modality_linear_of_parameters(x_TE.to(torch::kFloat32), {router_}, {}, all).softmax(1);
  const Choice choice =
      expert_choice ? choose_experts(probabilities_TE, context) : choose_tokens(probabilities_TE, context);
  const Dispatch& dispatch = choice.dispatch;
  if (context.experts) {
    const auto f64 = probabilities_TE.options().dtype(torch::kFloat64);
    const at::Tensor balance =
        choice.balance.defined() ? choice.balance.detach().to(f64) * num_tokens : torch::zeros({}, f64);
    ExpertLoad& load = (*context.experts)[context.block];
    load.num_tokens = num_tokens;
    load.num_choices = expert_choice ? num_tokens : num_tokens * config_.experts_per_token;
    load.choices_ME = choice.choices_ME;
    load.sums_3 = torch::stack({dispatch.num_dropped.to(f64),
                                torch::special::entr(probabilities_TE.detach()).sum().to(f64), balance});
  }
  Routing groups;
  groups.group_offsets_M1 = torch::tensor(dispatch.offsets_E1, torch::kInt64);
  const at::Tensor out_NE = experts_.forward(ops::take_rows(x_TE, dispatch.rows), groups);
  const at::Tensor gates_N = torch::cat({choice.gates, torch::zeros({1}, choice.gates.options())})
                                 .index_select(0, dispatch.gate_index_N);
  const at::Tensor y_TE = ops::add_rows(out_NE, gates_N, dispatch.rows);
  if (!context.training || context.balance_weight == 0 || !choice.balance.defined()) return y_TE;
  return AuxiliaryLoss::apply(y_TE, choice.balance * context.balance_weight);
}

MixerCosts ExpertsMixerImpl::costs() const {
  const double e = static_cast<double>(d_model_), f = static_cast<double>(config_.feed_forward),
               experts = static_cast<double>(config_.experts);
  const double passes = config_.router == "expert_choice" ? std::max(config_.capacity_factor, 0.0)
                                                          : static_cast<double>(config_.experts_per_token);
  MixerCosts costs;
  costs.gemm = passes * 2 * 3 * e * f;
  costs.router = 2 * e * experts;
  costs.kept = passes * (3 * f + 2 * e);
  costs.kept_f32 = e + 4 * experts;
  costs.passing = passes * (3 * f + 2 * e);
  costs.passing_f32 = e;
  return costs;
}

}  // namespace mom::nn
