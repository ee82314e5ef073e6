// Attention over packed sequences with pictures, against its dense reference, and who may look at whom
// against a plain rule.
#include "mom/ops/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "mom/ops/backend.h"
#include "tests/support/gradcheck.h"

namespace mom::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

constexpr int64_t kSpan = 4;  // patches a picture

// Positions of three sequences, 'p' in pictures; rows are in sequence order but patches last.
struct Layout {
  std::string kinds;
  std::vector<int64_t> offsets;
};
const Layout kMixed = {
    "ttppppttt"
    "ppppt"
    "pppppppptt",
    {0, 9, 14, 14, 24}};

at::Tensor order_of(const Layout& layout) {
  std::vector<int64_t> order(layout.kinds.size());
  int64_t next = 0;
  for (const char kind : {'t', 'p'})
    for (size_t t = 0; t < layout.kinds.size(); ++t)
      if (layout.kinds[t] == kind) order[t] = next++;
  return at::tensor(order, at::kLong);
}

AttentionPlanPtr plan_of(const Layout& layout, const std::vector<int64_t>& cached = {}) {
  const auto texts = std::count(layout.kinds.begin(), layout.kinds.end(), 't');
  return make_attention_plan(order_of(layout), at::tensor(layout.offsets, at::kLong), cached,
                             {{texts, static_cast<int64_t>(layout.kinds.size()), kSpan}});
}

// The rule, said plainly: s may look at t when t is not later, or when both are of one picture.
bool looks_at(const Layout& layout, int64_t s, int64_t t, int64_t begin) {
  if (t <= s) return true;
  int64_t run = s;  // the first patch of the run of patches around s
  if (layout.kinds[static_cast<size_t>(s)] != 'p') return false;
  while (run > begin && layout.kinds[static_cast<size_t>(run - 1)] == 'p') --run;
  const int64_t first = run + (s - run) / kSpan * kSpan;
  return t < first + kSpan;
}

TEST(AttentionPlan, PartsAreTheRule) {
  const auto plan = plan_of(kMixed);
  const auto size = static_cast<int64_t>(kMixed.kinds.size());
  at::Tensor found = at::zeros({size, size}, at::kInt), expected = at::zeros({size, size}, at::kInt);
  for (const AttentionPart& part : plan->parts)
    for (int64_t q = part.q_begin; q < part.q_end; ++q)
      for (int64_t k = part.k_begin; k < part.k_end; ++k)
        if (!part.causal || k - part.k_begin <= q - part.q_begin) found[q][k] += 1;
  for (size_t s = 0; s + 1 < kMixed.offsets.size(); ++s)
    for (int64_t q = kMixed.offsets[s]; q < kMixed.offsets[s + 1]; ++q)
      for (int64_t k = kMixed.offsets[s]; k < kMixed.offsets[s + 1]; ++k)
        expected[q][k] = looks_at(kMixed, q, k, kMixed.offsets[s]) ? 1 : 0;
  EXPECT_TRUE(at::equal(found, expected)) << found << expected;
  EXPECT_EQ(plan->num_pairs(), expected.sum().item<double>());
}

TEST(AttentionPlan, CachedKeysComeFirstAndPicturesAreWhole) {
  const Layout next = {"tpppp", {0, 1, 5}};
  const auto plan = plan_of(next, {7, 3});
  EXPECT_EQ(plan->key_offsets_S1, (std::vector<int64_t>{0, 8, 15}));
  EXPECT_EQ(plan->num_cached(0), 7);
  EXPECT_EQ(plan->num_pairs(), 8 + 4 * 7);
  EXPECT_THROW(plan_of({"ppp", {0, 3}}), c10::Error);
}

test::TensorFunction attend(const AttentionPlanPtr& plan) {
  return [plan](const Tensors& t) { return Tensors{attention(t[0], t[1], t[2], plan)}; };
}
test::TensorFunction attend_plainly(const AttentionPlanPtr& plan) {
  return [plan](const Tensors& t) { return Tensors{attention_reference(t[0], t[1], t[2], *plan)}; };
}

void check(const Layout& layout, const std::vector<int64_t>& cached, at::ScalarType type,
           const std::string& what) {
  const auto plan = plan_of(layout, cached);
  at::manual_seed(9);
  const int64_t queries = plan->offsets_S1.back(), keys = plan->key_offsets_S1.back();
  for (int64_t width : {2, 33}) {
    const Tensors inputs{2 * at::randn({queries, 3, width}).to(type), at::randn({keys, 3, width}).to(type),
                         at::randn({keys, 3, width}).to(type)};
    // bf16 rounds the products of scores and of gradients too.
    test::expect_same(attend(plan), attend_plainly(plan), inputs, type == at::kFloat ? test::kF32Nmse : 4e-4,
                      what + " width " + std::to_string(width));
  }
}

TEST(Attention, ValuesAndGradients) {
  Layout many{"", {0}};  // short ones side by side
  for (int i = 0; i < 12; ++i) {
    many.kinds +=
        std::string(static_cast<size_t>(i), 't') + "pppp" + std::string(static_cast<size_t>(12 - i), 't');
    many.offsets.push_back(static_cast<int64_t>(many.kinds.size()));
  }
  const Layout longer{std::string(300, 't') + "pppp" + std::string(70, 't'), {0, 374}};
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const std::string name = type == at::kFloat ? "f32" : "bf16";
    check(kMixed, {}, type, name + " mixed");
    check(many, {}, type, name + " many");
    check(longer, {}, type, name + " long");
    check({"tpppp", {0, 1, 5}}, {7, 3}, type, name + " cached");
    check({"tt", {0, 2}}, {}, type, name + " two");
  }
}

TEST(Attention, ReferenceGradientsAndCheckBackend) {
  at::manual_seed(10);
  const auto f64 = at::TensorOptions(at::kDouble);
  const auto plan = plan_of({"tppppt", {0, 6}});
  test::expect_gradients(attend_plainly(plan),
                         {at::randn({6, 2, 4}, f64), at::randn({6, 2, 4}, f64), at::randn({6, 2, 4}, f64)});
  ScopedBackend both(Backend::kCheck);
  EXPECT_NO_THROW(attend(plan)({at::randn({6, 2, 4}), at::randn({6, 2, 4}), at::randn({6, 2, 4})}));
}

TEST(Attention, NoTokens) {
  const auto plan = plan_of({"", {0, 0}});
  EXPECT_EQ(attention(at::zeros({0, 2, 4}), at::zeros({0, 2, 4}), at::zeros({0, 2, 4}), plan).size(0), 0);
}

TEST(Attention, SameBitsForOneAndTwoThreads) {
  at::manual_seed(10);
  test::expect_same_bits_for_any_threads(
      attend(plan_of(kMixed)), {at::randn({24, 2, 8}), at::randn({24, 2, 8}), at::randn({24, 2, 8})});
}

}  // namespace
}  // namespace mom::ops
