// Weight sets chosen at random: what they depend on, how evenly they are used, and what a projection makes of them.
#include "mom/nn/routing.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/nn/modality_linear.h"

namespace mom::nn {
namespace {

constexpr int64_t kSets = 2;

// Two sequences of both modalities, 5 and 4 positions.
Routing mixed_routing() {
  return make_routing(torch::tensor(std::vector<int64_t>{0, 1, 1, 0, 0, 1, 0, 1, 1}),
                      torch::tensor(std::vector<int64_t>{0, 5, 9}), kSets);
}

// The set of every position, from the routing's own lists.
std::vector<int64_t> sets_by_position(const Routing& routing) {
  std::vector<int64_t> set_of_row(static_cast<size_t>(routing.num_tokens()), -1), sets;
  const int64_t* offsets = routing.set_offsets_M1.const_data_ptr<int64_t>();
  const at::Tensor rows = routing.rows_by_set->sources_N(torch::kCPU);
  for (int64_t set = 0; set < kSets; ++set)
    for (int64_t n = offsets[set]; n < offsets[set + 1]; ++n)
      set_of_row[static_cast<size_t>(rows[n].item<int64_t>())] = set;
  for (int64_t t = 0; t < routing.num_tokens(); ++t)
    sets.push_back(set_of_row[static_cast<size_t>(routing.order_T[t].item<int64_t>())]);
  return sets;
}

TEST(RandomSets, AreOfThePositionInTheSequenceAlone) {
  std::vector<int64_t> expected, later;
  for (const int64_t length : {5, 4})
    for (int64_t position = 0; position < length; ++position) expected.push_back(random_set(position, kSets));
  EXPECT_EQ(sets_by_position(with_random_sets(mixed_routing())), expected);
  for (int64_t position = 0; position < 5; ++position) later.push_back(random_set(100 + position, kSets));
  for (int64_t position = 0; position < 4; ++position) later.push_back(random_set(7 + position, kSets));
  EXPECT_EQ(sets_by_position(with_random_sets(mixed_routing(), {100, 7})), later);
}

// Independent coin tosses deviate from their share by under four standard deviations, and a toss says nothing about
// the next.
TEST(RandomSets, AreUsedAlikeAndInNoOrder) {
  constexpr int64_t kPositions = 4096;
  for (const int64_t num_sets : {2, 3, 5}) {
    const double share = 1.0 / static_cast<double>(num_sets),
                 bound = 4 * std::sqrt(kPositions * share * (1 - share)),
                 pair_bound = 4 * std::sqrt(kPositions * share * share);
    std::vector<int64_t> uses(static_cast<size_t>(num_sets)), pairs(static_cast<size_t>(num_sets * num_sets));
    for (int64_t position = 0; position < kPositions; ++position) {
      const int64_t set = random_set(position, num_sets);
      ++uses[static_cast<size_t>(set)];
      ++pairs[static_cast<size_t>(set * num_sets + random_set(position + 1, num_sets))];
    }
    for (const int64_t count : uses) EXPECT_NEAR(static_cast<double>(count), kPositions * share, bound);
    for (const int64_t count : pairs)
      EXPECT_NEAR(static_cast<double>(count), kPositions * share * share, pair_bound);
  }
}

TEST(RandomSets, AProjectionTakesEveryRowsOwnWeight) {
  const ModalityLinearOptions options{
      .in_features = 3, .out_features = 4, .bias = true, .groups = {"set_0", "set_1"}};
  ModalityLinear linear(options);
  torch::manual_seed(1);
  torch::NoGradGuard no_grad;
  for (at::Tensor& parameter : linear->parameters()) parameter.normal_();
  const at::Tensor x_TI = torch::randn({9, 3});
  const Routing routing = mixed_routing(), random = with_random_sets(routing);
  const at::Tensor y_TO = linear->forward(x_TI, random), by_modality_TO = linear->forward(x_TI, routing);
  const std::vector<int64_t> sets = sets_by_position(random);
  for (int64_t t = 0; t < 9; ++t) {
    const int64_t row = routing.order_T[t].item<int64_t>();
    const auto set = static_cast<size_t>(sets[static_cast<size_t>(t)]);
    const at::Tensor expected = linear->weight(set).mv(x_TI[row]) + linear->bias(set);
    EXPECT_LE((y_TO[row] - expected).abs().max().item<double>(), 1e-5) << t;
  }
  EXPECT_GT((y_TO - by_modality_TO).abs().max().item<double>(), 1e-2);
}

}  // namespace
}  // namespace mom::nn
