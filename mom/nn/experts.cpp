#include "mom/nn/experts.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/special.h>

#include <algorithm>
#include <cmath>

#include "mom/base/error.h"
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

// How often each expert was chosen by rows of each modality. chosen_TK i64 [T, K] of experts.
at::Tensor count_choices(const at::Tensor& chosen_TK, const Routing& routing, int64_t num_experts) {
  std::vector<at::Tensor> counts;
  for (int64_t m = 0; m < routing.num_modalities(); ++m)
    counts.push_back(chosen_TK.narrow(0, routing.group_begin(m), routing.group_size(m))
                         .reshape(-1)
                         .bincount({}, num_experts));
  return torch::stack(counts);
}

// Experts that took each row, as counts by modality.
at::Tensor count_taken(const at::Tensor& rows_EC, const Routing& routing) {
  at::Tensor counts = torch::empty({routing.num_modalities(), rows_EC.size(0)}, torch::kInt64);
  for (int64_t m = 0; m < routing.num_modalities(); ++m) {
    const int64_t begin = routing.group_begin(m), end = begin + routing.group_size(m);
    counts[m].copy_(rows_EC.ge(begin).logical_and(rows_EC.lt(end)).sum(1));
  }
  return counts;
}

// Of the routers' distributions, in nats, summed over the rows; 0 where no report wants it.
at::Tensor entropy_of(const at::Tensor& probabilities_TE, const BlockContext& context) {
  if (!context.experts) return torch::zeros({}, probabilities_TE.options());
  return torch::special::entr(probabilities_TE.detach()).sum();
}

}  // namespace

void ExpertLoad::add(const ExpertLoad& other) {
  choices_ME = choices_ME.defined() ? choices_ME + other.choices_ME : other.choices_ME;
  num_tokens += other.num_tokens, num_choices += other.num_choices, num_dropped += other.num_dropped;
  entropy_nats += other.entropy_nats, balance += other.balance;
}

Dispatch dispatch_token_choice(const at::Tensor& choices_Tk, const at::Tensor& order_T, int64_t num_experts,
                               int64_t capacity, int64_t multiple) {
  const at::Tensor dense = choices_Tk.contiguous();
  const int64_t *choice = dense.const_data_ptr<int64_t>(), *order = order_T.const_data_ptr<int64_t>();
  const int64_t num_tokens = dense.size(0), k = dense.size(1);
  struct Taken {
    std::vector<int64_t> rows, gates;
  };
  std::vector<Taken> taken(static_cast<size_t>(num_experts));
  Dispatch dispatch;
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t t = 0; t < num_tokens; ++t) {
      const int64_t at = order[t] * k + j;
      Taken& expert = taken[static_cast<size_t>(choice[at])];
      if (capacity > 0 && static_cast<int64_t>(expert.rows.size()) >= capacity) {
        ++dispatch.num_dropped;
        continue;
      }
      expert.rows.push_back(order[t]);
      expert.gates.push_back(at);
    }
  }
  dispatch.offsets_E1.push_back(0);
  for (Taken& expert : taken) {
    const auto size = static_cast<int64_t>(expert.rows.size());
    const auto padded = static_cast<size_t>((size + multiple - 1) / multiple * multiple);
    expert.rows.resize(padded, -1);
    expert.gates.resize(padded, num_tokens * k);
    dispatch.rows_N.insert(dispatch.rows_N.end(), expert.rows.begin(), expert.rows.end());
    dispatch.gate_index_N.insert(dispatch.gate_index_N.end(), expert.gates.begin(), expert.gates.end());
    dispatch.offsets_E1.push_back(static_cast<int64_t>(dispatch.rows_N.size()));
  }
  return dispatch;
}

Dispatch dispatch_expert_choice(const at::Tensor& rows_EC, int64_t num_tokens) {
  const at::Tensor dense = rows_EC.contiguous();
  const int64_t* rows = dense.const_data_ptr<int64_t>();
  Dispatch dispatch;
  dispatch.rows_N.assign(rows, rows + dense.numel());
  for (int64_t i = 0; i < dense.numel(); ++i) dispatch.gate_index_N.push_back(i);
  for (int64_t e = 0; e <= dense.size(0); ++e) dispatch.offsets_E1.push_back(e * dense.size(1));
  std::vector<bool> has_expert(static_cast<size_t>(num_tokens), false);
  for (const int64_t row : dispatch.rows_N) has_expert[static_cast<size_t>(row)] = true;
  dispatch.num_dropped = std::count(has_expert.begin(), has_expert.end(), false);
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
  auto [chosen_Tk, experts_on_device_Tk] = probabilities_TE.topk(k, 1);
  const at::Tensor mean_E = probabilities_TE.mean(0);
  // How many rows an expert takes, the host must know: a block's one wait.
  const std::vector<at::Tensor> here =
      ops::on_host({experts_on_device_Tk, mean_E.detach(), entropy_of(probabilities_TE, context)});
  const at::Tensor& experts_Tk = here[0];
  const at::Tensor gates_Tk = k == 1 ? chosen_Tk : chosen_Tk / chosen_Tk.sum(1, true);
  const double share = static_cast<double>(k * num_tokens) / static_cast<double>(config_.experts);
  const int64_t capacity = context.training ? ceil_of(config_.capacity_factor * share) : 0;
  Choice choice;
  choice.dispatch = dispatch_token_choice(experts_Tk, context.routing.order_T, config_.experts, capacity,
                                          block_multiple(num_tokens));
  choice.gates = gates_Tk.reshape(-1);
  choice.load.choices_ME = count_choices(experts_Tk, context.routing, config_.experts);
  choice.load.entropy_nats = here[2].item<double>();
  if (num_tokens == 0) return choice;
  const at::Tensor fraction_E =
      choice.load.choices_ME.sum(0).to(torch::kFloat32) / static_cast<double>(k * num_tokens);
  const auto balance = [&](const at::Tensor& f_E, const at::Tensor& p_E) {
    return static_cast<double>(config_.experts) * (f_E * p_E).sum();
  };
  choice.balance = balance(ops::on_device(fraction_E, mean_E.device()), mean_E);
  choice.load.balance = balance(fraction_E, here[1]).item<double>() * static_cast<double>(num_tokens);
  return choice;
}

ExpertsMixerImpl::Choice ExpertsMixerImpl::choose_experts(const at::Tensor& probabilities_TE,
                                                          const BlockContext& context) const {
  const int64_t num_tokens = probabilities_TE.size(0);
  const double factor = config_.capacity_factor > 0 ? config_.capacity_factor : 1;
  const int64_t take = std::min(
      num_tokens, ceil_of(factor * static_cast<double>(num_tokens) / static_cast<double>(config_.experts)));
  auto [gates_EC, rows_on_device_EC] = probabilities_TE.t().topk(take, 1);
  const std::vector<at::Tensor> here =
      ops::on_host({rows_on_device_EC, entropy_of(probabilities_TE, context)});
  const at::Tensor& rows_EC = here[0];
  Choice choice;
  choice.dispatch = dispatch_expert_choice(rows_EC, num_tokens);
  choice.gates = gates_EC.reshape(-1);
  choice.load.choices_ME = count_taken(rows_EC, context.routing);
  choice.load.entropy_nats = here[1].item<double>();
  return choice;
}

at::Tensor ExpertsMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context, MixerState* state) {
  const bool expert_choice = config_.router == "expert_choice";
  if (state && expert_choice)
    throw UserError({"model.router = \"expert_choice\"", "token_choice for generation",
                     "experts that choose among all tokens, later ones too",
                     "train with model.router = \"token_choice\" to generate"});
  const at::Tensor all = torch::tensor({int64_t{0}, x_TE.size(0)}, torch::kInt64);
  const at::Tensor probabilities_TE =
      ops::modality_linear_of_parameters(x_TE.to(torch::kFloat32), {router_}, {}, all).softmax(1);
  Choice choice =
      expert_choice ? choose_experts(probabilities_TE, context) : choose_tokens(probabilities_TE, context);
  if (context.experts) {
    ExpertLoad& load = choice.load;
    load.num_tokens = x_TE.size(0);
    load.num_choices = expert_choice ? x_TE.size(0) : x_TE.size(0) * config_.experts_per_token;
    load.num_dropped = choice.dispatch.num_dropped;
    (*context.experts)[context.block] = load;
  }
  const ops::RowMapPtr map = ops::make_row_map(choice.dispatch.rows_N, x_TE.size(0));
  Routing groups;
  groups.group_offsets_M1 = torch::tensor(choice.dispatch.offsets_E1, torch::kInt64);
  const at::Tensor out_NE = experts_.forward(ops::take_rows(x_TE, map), groups);
  const at::Tensor gates_N =
      torch::cat({choice.gates, torch::zeros({1}, choice.gates.options())})
          .index_select(
              0, ops::on_device(torch::tensor(choice.dispatch.gate_index_N, torch::kInt64), x_TE.device()));
  const at::Tensor y_TE = ops::add_rows(out_NE, gates_N, map);
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
