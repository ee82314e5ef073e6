// A training step's forward and backward on a device whose memory the host may not touch.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/models/objective.h"
#include "mom/ops/backend.h"
#include "tests/cuda/fake_device.h"
#include "tests/cuda/model_on.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

TEST(FakeDevice, TheHostMayNotTouchItsMemory) {
  const at::Tensor there = torch::arange(4, torch::kFloat32).to(test::fake_device());
  EXPECT_TRUE(torch::equal(there.cpu(), torch::arange(4, torch::kFloat32)));
  EXPECT_EQ(there.sum().item<float>(), 6);
  EXPECT_DEATH((void)*static_cast<const volatile float*>(there.const_data_ptr()), "");
}

TEST(FakeDevice, CountsWhatTheHostWaitsFor) {
  const auto before = test::fake_device_counts();
  const at::Tensor there = torch::ones({3}).to(test::fake_device());
  EXPECT_EQ(test::fake_device_counts().copies_to - before.copies_to, 1);
  EXPECT_EQ(test::fake_device_counts().waits - before.waits, 0);
  const at::Tensor sum = (there + there).sum();  // operators copy for themselves
  EXPECT_EQ(test::fake_device_counts().waits - before.waits, 0);
  EXPECT_EQ(sum.item<float>(), 6);
  EXPECT_EQ(test::fake_device_counts().waits - before.waits, 1);
}

class OnTheDevice : public testing::TestWithParam<test::Variant> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }  // the shapes are tiny
};
INSTANTIATE_TEST_SUITE_P(Backbones, OnTheDevice, testing::ValuesIn(test::all_variants()),
                         [](const auto& variant) { return variant.param.name(); });

double error_of(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor g = got.cpu().to(torch::kFloat64), e = expected.to(torch::kFloat64);
  return ((g - e).square().sum() / e.square().sum().clamp_min(1e-30)).item<double>();
}

TEST_P(OnTheDevice, LossesAndGradientsAreTheCpus) {
  models::Model here = test::initialised(test::tiny_backbone(GetParam()));
  models::Model there = test::model_on(test::fake_device(), here);
  const data::Batch batch = test::small_batch(here->spec());
  const models::Objective objective({}, here->spec().vocabulary);
  const models::LossReport terms = models::count_terms(batch, here->spec());
  const models::BatchLoss expected = objective(*here, batch, terms, models::Timesteps::kUniform);
  expected.total.backward();

  const auto before = test::fake_device_counts();
  const models::BatchLoss got = objective(*there, batch, terms, models::Timesteps::kUniform);
  got.total.backward();
  const int64_t waits = test::fake_device_counts().waits - before.waits;

  EXPECT_EQ(waits, 0);
  EXPECT_GT(test::fake_device_counts().launches, before.launches);
  EXPECT_NEAR(got.total.item<double>(), expected.total.item<double>(), 1e-5);
  const auto report = got.report(), expected_report = expected.report();
  for (size_t m = 0; m < report.size(); ++m) EXPECT_NEAR(report[m].mean(), expected_report[m].mean(), 1e-5);
  const auto parameters = there->named_parameters();
  for (const auto& item : here->named_parameters()) {
    const at::Tensor &gradient = parameters[item.key()].grad(), &wanted = item.value().grad();
    ASSERT_EQ(gradient.defined(), wanted.defined()) << item.key();
    if (!wanted.defined() || wanted.abs().max().item<double>() == 0) continue;
    EXPECT_LE(error_of(gradient, wanted), 1e-8) << item.key();
  }
}

}  // namespace
}  // namespace mom
