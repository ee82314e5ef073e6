// Experts against a plain loop, capacity, balance loss by hand, gradients by central differences.
#include "mom/nn/experts.h"

#include <gtest/gtest.h>
#include <torch/special.h>

#include "mom/base/error.h"
#include "tests/support/gradcheck.h"

namespace mom::nn {
namespace {

ExpertsConfig config_of(const std::string& router = "token_choice", int64_t per_token = 1) {
  ExpertsConfig config;
  config.feed_forward = 5;
  config.experts = 3;
  config.experts_per_token = per_token;
  config.router = router;
  return config;
}

std::shared_ptr<ExpertsMixerImpl> experts_of(const ExpertsConfig& config) {
  Trunk trunk;
  trunk.d_model = 6;
  trunk.modalities = {"text", "image"};
  auto mixer = std::make_shared<ExpertsMixerImpl>(config, trunk);
  torch::NoGradGuard no_grad;
  at::manual_seed(21);
  for (auto& parameter : mixer->parameters()) parameter.normal_(0, 0.5);
  return mixer;
}

// Positions alternate between two modalities, so that rows and positions differ.
BlockContext context_of(int64_t num_tokens, bool training) {
  BlockContext context;
  context.routing = make_routing(at::arange(num_tokens) % 2, at::tensor({int64_t{0}, num_tokens}), 2);
  context.training = training;
  context.experts = std::make_shared<ExpertReport>();
  return context;
}

at::Tensor expert_of(ExpertsMixerImpl& mixer, int64_t e, const at::Tensor& x) {
  auto p = mixer.named_parameters();
  auto weight = [&](const char* name) { return p[std::string(name) + "." + std::to_string(e) + ".weight"]; };
  return torch::matmul(
      torch::silu(torch::matmul(x, weight("gate_proj").t())) * torch::matmul(x, weight("up_proj").t()),
      weight("down_proj").t());
}

// Token by token, as the header says it, with a place count for each expert.
at::Tensor plain_token_choice(ExpertsMixerImpl& mixer, const at::Tensor& x, const Routing& routing, int64_t k,
                              int64_t capacity) {
  const at::Tensor p = torch::matmul(x, mixer.named_parameters()["router.weight"].t()).softmax(1);
  at::Tensor y = torch::zeros_like(x);
  std::vector<int64_t> taken(static_cast<size_t>(p.size(1)), 0);
  for (int64_t choice = 0; choice < k; ++choice) {
    for (int64_t t = 0; t < x.size(0); ++t) {
      const int64_t row = routing.order_T[t].item<int64_t>();
      auto [best, which] = p[row].topk(k);
      const int64_t e = which[choice].item<int64_t>();
      if (capacity > 0 && taken[static_cast<size_t>(e)]++ >= capacity) continue;
      const at::Tensor gate = k == 1 ? best[0] : best[choice] / best.sum();
      y = y.index_add(0, torch::tensor({row}), (gate * expert_of(mixer, e, x[row])).unsqueeze(0));
    }
  }
  return y;
}

TEST(Experts, TokenChoiceIsAPlainLoop) {
  for (const int64_t k : {1, 2}) {
    for (const bool training : {false, true}) {
      auto mixer = experts_of(config_of("token_choice", k));
      const BlockContext context = context_of(23, training);
      const at::Tensor x = at::randn({23, 6});
      const int64_t capacity = training ? (23 * k + 2) / 3 : 0;
      const at::Tensor expected = plain_token_choice(*mixer, x, context.routing, k, capacity);
      EXPECT_LE((mixer->forward(x, context, nullptr) - expected).abs().max().item<double>(), 1e-5)
          << k << training;
      const ExpertLoad& load = context.experts->at(0);
      EXPECT_EQ(load.num_choices, 23 * k);
      EXPECT_EQ(load.choices_ME.sum().item<int64_t>(), 23 * k);
      EXPECT_EQ(load.choices_ME.size(0), 2);
      EXPECT_EQ(training || load.num_dropped() == 0, true);
    }
  }
}

// The router sends everything to one expert: a third of the tokens finds a place, the first in order of
// positions; the others pass through the residual alone.
TEST(Experts, OverflowIsDroppedInOrderOfPositions) {
  auto mixer = experts_of(config_of());
  {
    torch::NoGradGuard no_grad;
    at::Tensor router = mixer->named_parameters()["router.weight"];
    router.zero_();
    router[1].fill_(1);
  }
  const BlockContext context = context_of(12, true);
  const at::Tensor x = at::rand({12, 6}) + 0.1;
  const at::Tensor y = mixer->forward(x, context, nullptr).index_select(0, context.routing.order_T);
  EXPECT_EQ(context.experts->at(0).num_dropped(), 8);
  EXPECT_GT(y.narrow(0, 0, 4).abs().sum(1).min().item<double>(), 0);
  EXPECT_EQ(y.narrow(0, 4, 8).abs().max().item<double>(), 0);
  // All on one of three: f = (0, 1, 0), so the loss is 3 times that expert's mean probability.
  const at::Tensor p = torch::matmul(x, mixer->named_parameters()["router.weight"].t()).softmax(1);
  EXPECT_NEAR(context.experts->at(0).balance() / 12, 3 * p.mean(0)[1].item<double>(), 1e-5);
  EXPECT_NEAR(context.experts->at(0).entropy_nats(), torch::special::entr(p).sum().item<double>(), 1e-4);
}

TEST(Experts, EvenRoutingHasBalanceOne) {
  auto mixer = experts_of(config_of());
  {
    torch::NoGradGuard no_grad;
    mixer->named_parameters()["router.weight"].zero_();  // all probabilities are 1 / 3
  }
  const BlockContext context = context_of(12, true);
  mixer->forward(at::randn({12, 6}), context, nullptr);
  EXPECT_NEAR(context.experts->at(0).balance() / 12, 1, 1e-6);
  EXPECT_NEAR(context.experts->at(0).entropy_nats() / 12, std::log(3.0), 1e-6);
}

TEST(Experts, ExpertChoiceIsAPlainLoop) {
  auto mixer = experts_of(config_of("expert_choice"));
  const BlockContext context = context_of(12, true);
  const at::Tensor x = at::randn({12, 6});
  const at::Tensor p = torch::matmul(x, mixer->named_parameters()["router.weight"].t()).softmax(1);
  at::Tensor expected = torch::zeros_like(x);
  for (int64_t e = 0; e < 3; ++e) {
    auto [gate, rows] = p.select(1, e).topk(4);
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t row = rows[i].item<int64_t>();
      expected[row] += gate[i] * expert_of(*mixer, e, x[row]);
    }
  }
  EXPECT_LE((mixer->forward(x, context, nullptr) - expected).abs().max().item<double>(), 1e-5);
  MixerState state;
  EXPECT_THROW(mixer->forward(x, context, &state), UserError);
}

// What flows back through experts, gates and balance loss, by central differences over the f32 network: steps
// are large, so the limit is wide; the choices themselves must not change within a step.
TEST(Experts, GradientsByCentralDifferences) {
  for (const std::string router : {"token_choice", "expert_choice"}) {
    auto mixer = experts_of(config_of(router, 2));
    BlockContext context = context_of(9, true);
    context.balance_weight = 0.7;
    at::manual_seed(22);
    const at::Tensor x = at::randn({9, 6}), weights = at::randn({9, 6});
    auto loss = [&] {
      const at::Tensor y = (mixer->forward(x, context, nullptr) * weights).sum();
      return y.item<double>() + 0.7 * context.experts->at(0).balance() / 9;
    };
    (mixer->forward(x, context, nullptr) * weights).sum().backward();
    for (auto& item : mixer->named_parameters()) {
      torch::NoGradGuard no_grad;
      const at::Tensor grad = item.value().grad();
      ASSERT_TRUE(grad.defined()) << item.key();
      at::Tensor values = item.value().view(-1);
      for (int64_t i = 0; i < values.numel(); i += 4) {
        const float value = values[i].item<float>();
        constexpr float kStep = 2e-3f;
        values[i] = value + kStep;
        const double above = loss();
        values[i] = value - kStep;
        const double below = loss();
        values[i] = value;
        EXPECT_NEAR(grad.view(-1)[i].item<double>(), (above - below) / (2 * kStep), 4e-3)
            << router << " " << item.key() << " " << i;
      }
    }
  }
}

std::vector<int64_t> list_of(const at::Tensor& values) {
  const at::Tensor dense = values.contiguous();
  return {dense.const_data_ptr<int64_t>(), dense.const_data_ptr<int64_t>() + dense.numel()};
}

TEST(Dispatch, BlocksAreFilledUp) {
  const at::Tensor choices_Tk = at::tensor({1L, 0L, 1L, 1L}).view({4, 1}),
                   order_T = at::tensor({3L, 0L, 1L, 2L});
  std::vector<int64_t> offsets{0, 4, 8, 8}, rows{1, -1, -1, -1, 3, 0, -1, -1}, gates{1, 4, 4, 4, 3, 0, 4, 4};
  for (const auto dispatch_how : {dispatch_token_choice, dispatch_to_capacity}) {
    const Dispatch dispatch = dispatch_how(choices_Tk, order_T, 3, 2, 4);
    EXPECT_EQ(dispatch.offsets_E1, offsets);
    EXPECT_EQ(list_of(dispatch.rows->sources_N(at::kCPU)), rows);
    EXPECT_EQ(list_of(dispatch.gate_index_N), gates);
    EXPECT_EQ(dispatch.num_dropped.item<int64_t>(), 1);
    offsets.back() = 12;  // the third has places, too
    rows.resize(12, -1), gates.resize(12, 4);
  }
}

// Which slots a row has, as it is found from the rows of the slots.
void expect_both_ways(const ops::RowMap& map) {
  const ops::RowMapPtr expected = ops::make_row_map(map.sources_N(at::kCPU), map.num_sources());
  const at::Tensor slots = map.slots(at::kCPU);
  EXPECT_EQ(list_of(slots.masked_select(slots.ge(0))), list_of(expected->slots(at::kCPU)));
  for (int64_t t = 0; t < map.num_sources(); ++t) {
    const auto count = [&](const ops::RowMap& of) {
      const std::vector<int64_t> first = list_of(of.first_T1(at::kCPU)), all = list_of(of.slots(at::kCPU));
      return std::count_if(all.begin() + first[static_cast<size_t>(t)],
                           all.begin() + first[static_cast<size_t>(t) + 1],
                           [](int64_t slot) { return slot >= 0; });
    };
    EXPECT_EQ(count(map), count(*expected)) << t;
  }
}

TEST(Dispatch, RowsAndSlotsAgree) {
  at::manual_seed(23);
  for (const int64_t k : {1, 2}) {
    const at::Tensor choices_Tk = at::rand({37, 5}).argsort(int64_t{1}).narrow(1, 0, k);
    expect_both_ways(*dispatch_to_capacity(choices_Tk, at::randperm(37), 5, 6, 4).rows);
  }
  expect_both_ways(*dispatch_expert_choice(at::rand({5, 37}).argsort(int64_t{1}).narrow(1, 0, 9), 37).rows);
}

// Empty places change nothing.
TEST(Dispatch, FilledUpToCapacityIsTheSame) {
  at::manual_seed(24);
  const at::Tensor choices_Tk = at::rand({37, 5}).argsort(int64_t{1}).narrow(1, 0, 2);
  const at::Tensor order_T = at::randperm(37), x = at::randn({37, 6});
  std::vector<at::Tensor> results;
  for (const auto dispatch_how : {dispatch_token_choice, dispatch_to_capacity}) {
    const Dispatch dispatch = dispatch_how(choices_Tk, order_T, 5, 11, 1);
    at::Tensor taken = ops::take_rows(x, dispatch.rows);
    for (size_t e = 0; e < 5; ++e)
      taken.slice(0, dispatch.offsets_E1[e], dispatch.offsets_E1[e + 1]) *= static_cast<double>(e + 1);
    const at::Tensor gates = at::arange(75, at::kFloat).index_select(0, dispatch.gate_index_N);
    results.push_back(ops::add_rows(taken, gates, dispatch.rows));
  }
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

}  // namespace
}  // namespace mom::nn
