#include "mom/codecs/vector_quantizer.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <latch>
#include <thread>
#include <vector>

#include "mom/base/parallel.h"
#include "mom/codecs/each_alone.h"

namespace mom::codecs {
namespace {

// The distance in f64 and by loops: what nearest_codes has to agree with.
double distance(const at::Tensor& a_C, const at::Tensor& b_C) {
  double sum = 0;
  for (int64_t c = 0; c < a_C.size(0); ++c) {
    const double difference = a_C[c].item<double>() - b_C[c].item<double>();
    sum += difference * difference;
  }
  return sum;
}

int64_t nearest_by_loop(const at::Tensor& vector_C, const at::Tensor& codes_KC) {
  int64_t best = 0;
  for (int64_t k = 1; k < codes_KC.size(0); ++k) {
    if (distance(vector_C, codes_KC[k]) < distance(vector_C, codes_KC[best])) best = k;
  }
  return best;
}

QuantizerOptions options(int64_t num_codes, int64_t width) {
  QuantizerOptions result;
  result.num_codes = num_codes;
  result.width = width;
  return result;
}

// `count` vectors around each of `num_centres` far-off centres.
at::Tensor clusters(int64_t num_centres, int64_t count, int64_t width) {
  const at::Tensor centres = 20 * torch::randn({num_centres, 1, width});
  return (centres + 0.1 * torch::randn({num_centres, count, width})).view({-1, width});
}

TEST(NearestCodes, AgreesWithPlainLoops) {
  torch::manual_seed(1);
  for (int64_t width : {1, 3, 16}) {
    for (int64_t num_codes : {1, 2, 33}) {
      const at::Tensor vectors = torch::randn({31, width}), codes = torch::randn({num_codes, width});
      const at::Tensor nearest = nearest_codes(vectors, codes);
      for (int64_t n = 0; n < 31; ++n) {
        const int64_t expected = nearest_by_loop(vectors[n], codes), got = nearest[n].item<int64_t>();
        // Other than the loops only where two codes are equally near up to rounding.
        if (got == expected) continue;
        EXPECT_NEAR(distance(vectors[n], codes[got]), distance(vectors[n], codes[expected]), 1e-5);
      }
    }
  }
  EXPECT_EQ(nearest_codes(torch::zeros({0, 4}), torch::randn({3, 4})).sizes(), at::IntArrayRef({0}));
}

TEST(NearestCodes, ManyRowsAreTheSameAsFew) {
  torch::manual_seed(2);
  const at::Tensor vectors = torch::randint(-8, 9, {9001, 4}).to(at::kFloat);  // exact sums: no rounding
  const at::Tensor codes = torch::randint(-8, 9, {65, 4}).to(at::kFloat);
  const at::Tensor whole = nearest_codes(vectors, codes);
  for (const int64_t begin : {0, 4090, 8990}) {
    EXPECT_TRUE(
        nearest_codes(vectors.slice(0, begin, begin + 11), codes).equal(whole.slice(0, begin, begin + 11)));
  }
}

TEST(NearestCodes, TiesGoToTheLowestNumber) {
  const at::Tensor codes = torch::tensor({{1.f, 0.f}, {0.f, 1.f}, {1.f, 0.f}, {0.f, 1.f}});
  const at::Tensor nearest = nearest_codes(torch::tensor({{0.f, 2.f}, {2.f, 0.f}, {1.f, 1.f}}), codes);
  EXPECT_TRUE(nearest.equal(torch::tensor({1, 0, 0}, at::kLong)));
}

TEST(NearestCodes, RefusesOtherShapes) {
  EXPECT_THROW(nearest_codes(torch::zeros({3, 5}), torch::zeros({2, 4})), c10::Error);
  EXPECT_THROW(nearest_codes(torch::zeros({3, 4}, at::kDouble), torch::zeros({2, 4})), c10::Error);
}

TEST(VectorQuantizer, GradientGoesStraightThroughAndCommitmentPullsToTheCode) {
  torch::manual_seed(3);
  VectorQuantizer quantizer(options(5, 4));
  quantizer.start_from(torch::randn({40, 4}));
  const at::Tensor vectors = torch::randn({7, 4}).requires_grad_(true), weights = torch::randn({7, 4});
  const Quantized quantized = quantizer.quantize(vectors);
  const at::Tensor chosen = quantizer.codes_KC().index_select(0, quantized.codes_N);
  EXPECT_TRUE(quantized.vectors_NC.allclose(chosen, 1e-6, 1e-6));
  const at::Tensor straight = torch::autograd::grad({(quantized.vectors_NC * weights).sum()}, {vectors})[0];
  EXPECT_TRUE(straight.equal(weights));
  const at::Tensor pull = torch::autograd::grad({quantized.commitment}, {vectors})[0];
  EXPECT_TRUE(pull.allclose(2 * (vectors - chosen).detach() / 28, 1e-5, 1e-7));
}

TEST(VectorQuantizer, MovingAveragesAreThoseOfPlainLoops) {
  torch::manual_seed(4);
  const int64_t K = 3, C = 2, N = 48;
  QuantizerOptions o = options(K, C);
  o.decay = 0.9;
  o.smoothing = 0.01;
  o.dead_share = 0;  // nothing is revived here
  VectorQuantizer quantizer(o);
  const at::Tensor first = clusters(K, N / K, C);
  quantizer.start_from(first);
  std::vector<double> counts(K, 0);
  std::vector<std::vector<double>> sums(K, std::vector<double>(C, 0));
  auto average = [&](const at::Tensor& vectors, const at::Tensor& codes, double decay) {
    for (int64_t k = 0; k < K; ++k) {
      counts[k] *= decay;
      for (double& sum : sums[k]) sum *= decay;
    }
    for (int64_t n = 0; n < N; ++n) {
      const int64_t k = codes[n].item<int64_t>();
      counts[k] += 1 - decay;
      for (int64_t c = 0; c < C; ++c) sums[k][c] += (1 - decay) * vectors[n][c].item<double>();
    }
  };
  average(first, nearest_codes(first, quantizer.codes_KC()), 0);  // k-means has settled
  for (int step = 0; step < 5; ++step) {
    const at::Tensor vectors = torch::randn({N, C}), codes = quantizer.quantize(vectors).codes_N;
    average(vectors, codes, o.decay);
    EXPECT_EQ(quantizer.learn(vectors, codes), 0);
    for (int64_t k = 0; k < K; ++k) {
      const double count = (counts[k] + o.smoothing) * N / (N + K * o.smoothing);
      for (int64_t c = 0; c < C; ++c)
        EXPECT_NEAR(quantizer.codes_KC()[k][c].item<double>(), sums[k][c] / count, 1e-4);
    }
  }
}

TEST(VectorQuantizer, FirstCodesAreOneInEachCluster) {
  torch::manual_seed(5);
  const at::Tensor vectors = clusters(32, 20, 8);
  VectorQuantizer quantizer(options(32, 8));
  EXPECT_FALSE(quantizer.started());
  quantizer.start_from(vectors);
  EXPECT_TRUE(quantizer.started());
  const Quantized quantized = quantizer.quantize(vectors);
  EXPECT_EQ(code_use(quantized.codes_N, 32).num_used, 32);
  EXPECT_LT(quantized.commitment.item<double>(), 0.05);
}

TEST(VectorQuantizer, FewerVectorsThanCodesStillGiveFiniteCodes) {
  VectorQuantizer quantizer(options(16, 2));
  const at::Tensor vectors = torch::tensor({{1.f, 2.f}, {1.f, 2.f}, {3.f, 4.f}});
  quantizer.start_from(vectors);
  for (int step = 0; step < 300; ++step) quantizer.learn(vectors, quantizer.quantize(vectors).codes_N);
  EXPECT_TRUE(torch::isfinite(quantizer.codes_KC()).all().item<bool>());
  EXPECT_LT(quantizer.quantize(vectors).commitment.item<double>(), 1e-9);
}

TEST(VectorQuantizer, DeadCodesMoveToWhatIsServedBadly) {
  torch::manual_seed(6);
  QuantizerOptions o = options(8, 4);
  o.decay = 0.8;
  VectorQuantizer quantizer(o);
  quantizer.start_from(clusters(1, 64, 4));  // all eight codes in one cluster
  const at::Tensor vectors = clusters(8, 16, 4);
  const double before = quantizer.quantize(vectors).commitment.item<double>();
  int64_t revived = 0;
  for (int step = 0; step < 60; ++step)
    revived += quantizer.learn(vectors, quantizer.quantize(vectors).codes_N);
  EXPECT_GT(revived, 0);
  const Quantized quantized = quantizer.quantize(vectors);
  EXPECT_EQ(code_use(quantized.codes_N, 8).num_used, 8);
  EXPECT_LT(quantized.commitment.item<double>(), before / 100);
}

TEST(VectorQuantizer, SameSeedSameCodesOtherSeedOthers) {
  torch::manual_seed(7);
  const at::Tensor vectors = torch::randn({200, 4}), next = 3 + torch::randn({200, 4});
  auto trained = [&](uint64_t seed) {
    QuantizerOptions o = options(32, 4);
    o.seed = seed;
    o.decay = 0.5;
    VectorQuantizer quantizer(o);
    quantizer.start_from(vectors);
    for (int step = 0; step < 10; ++step) quantizer.learn(next, quantizer.quantize(next).codes_N);
    return quantizer.codes_KC().clone();
  };
  EXPECT_TRUE(trained(1).equal(trained(1)));
  EXPECT_FALSE(trained(1).equal(trained(2)));
}

TEST(BatchCodes, LearnsFromTheWholeBatchInTheOrderOfPieces) {
  torch::manual_seed(1);
  const at::Tensor vectors = torch::randn({60, 4});
  VectorQuantizer whole({.num_codes = 16, .width = 4}), pieces({.num_codes = 16, .width = 4});
  BatchCodes batch;
  whole.start_from(vectors);
  pieces.start_from(vectors);
  for (int step = 0; step < 20; ++step) {
    const at::Tensor seen = vectors + 0.3 * step + 0.5 * torch::randn({60, 4});
    whole.learn(seen, whole.quantize(seen).codes_N);
    const std::vector<at::Tensor> parts = seen.split_with_sizes({10, 30, 20});
    for (const size_t i : {2, 0, 1}) batch.add(i, parts[i], pieces.quantize(parts[i]).codes_N);
    batch.teach(pieces);
    ASSERT_TRUE(torch::equal(pieces.codes_KC(), whole.codes_KC())) << step;  // codes revived, too
  }
}

TEST(CodeUse, CountsAndPerplexity) {
  const CodeUse even = code_use(torch::tensor({0, 1, 2, 3, 0, 1, 2, 3}, at::kInt).view({2, 4}), 8);
  EXPECT_EQ(even.num_used, 4);
  EXPECT_DOUBLE_EQ(even.share_used, 0.5);
  EXPECT_NEAR(even.perplexity, 4, 1e-12);
  const CodeUse uneven = code_use(torch::tensor({5, 5, 5, 2}, at::kLong), 6);
  EXPECT_NEAR(uneven.perplexity, std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), 1e-12);
  EXPECT_EQ(code_use(torch::empty({0}, at::kLong), 6).num_used, 0);
  EXPECT_THROW(code_use(torch::tensor({6}, at::kLong), 6), c10::Error);
}

TEST(ForEachAlone, OneThreadInsideAndTheOldNumberAfter) {
  for (int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    std::vector<int> inside(20, 0);
    for_each_alone(20, [&](int64_t i) {
      inside[static_cast<size_t>(i)] = at::GradMode::is_enabled() ? -1 : at::get_num_threads();
    });
    EXPECT_EQ(inside, std::vector<int>(20, 1));
    EXPECT_EQ(at::get_num_threads(), threads);
    EXPECT_THROW(for_each_alone(3, [](int64_t) { throw std::runtime_error("no"); }), std::runtime_error);
    EXPECT_EQ(at::get_num_threads(), threads);
  }
  at::set_num_threads(1);
}

// As data is encoded: two threads, each with long sounds in pieces.
TEST(ForEachAlone, CallersOnSeveralThreadsDoNotDisturbEachOther) {
  std::atomic<int> disturbed = 0;
  std::latch both(2);
  parallel_for(2, 2, [&](int64_t caller) {
    at::set_num_threads(2);
    both.arrive_and_wait();
    for (int64_t call = 0; call < 200; ++call) {
      for_each_alone(3, [&](int64_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(20 * (caller + call % 3)));
        disturbed += at::get_num_threads() != 1;
      });
      disturbed += at::get_num_threads() != 2;
    }
  });
  EXPECT_EQ(disturbed, 0);
  at::set_num_threads(1);
}

}  // namespace
}  // namespace mom::codecs
