#include "mom/codecs/vector_quantizer.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "mom/base/random.h"

namespace mom::codecs {
namespace {

constexpr int64_t kRowsAtOnce = 4096;  // so that [N, K] stays small
constexpr int kKMeansRounds = 8;

void check_vectors(const char* function, const at::Tensor& vectors_NC, int64_t width) {
  TORCH_CHECK(vectors_NC.dim() == 2 && vectors_NC.size(1) == width && vectors_NC.scalar_type() == at::kFloat,
              "[", function, "] vectors_NC: expected f32 [N, ", width, "], got ", vectors_NC.scalar_type(),
              " ", vectors_NC.sizes());
}

at::Tensor squared_distance_to(const at::Tensor& vectors_NC, const at::Tensor& other_NC) {
  return (vectors_NC - other_NC).square().sum(-1);
}

// What chose each code: [K] counts and [K, C] sums.
std::pair<at::Tensor, at::Tensor> count_and_sum(const at::Tensor& vectors_NC, const at::Tensor& codes_N,
                                                int64_t num_codes) {
  const at::Tensor counts_K = torch::bincount(codes_N, {}, num_codes).to(at::kFloat);
  const at::Tensor sums_KC = torch::zeros({num_codes, vectors_NC.size(1)}).index_add_(0, codes_N, vectors_NC);
  return {counts_K, sums_KC};
}

// Lowers each vector's squared distance to that from `centre` where that is less; returns their sum.
double lower_distances(const float* vectors_NC, const float* centre_C, int64_t width,
                       std::vector<float>& distance_N) {
  double total = 0;
  for (size_t n = 0; n < distance_N.size(); ++n, vectors_NC += width) {
    float squared = 0;
    for (int64_t c = 0; c < width; ++c) {
      const float difference = vectors_NC[c] - centre_C[c];
      squared += difference * difference;
    }
    distance_N[n] = std::min(distance_N[n], squared);
    total += distance_N[n];
  }
  return total;
}

// The first whose share of the total reaches `drawn`, counted from the beginning; never one of weight zero.
size_t drawn_by_weight(const std::vector<float>& weights_N, double drawn) {
  size_t last = 0;
  for (size_t n = 0; n < weights_N.size(); ++n) {
    if (weights_N[n] == 0) continue;
    last = n;
    drawn -= weights_N[n];
    if (drawn < 0) break;
  }
  return last;
}

// k-means++: each next centre is a vector drawn in proportion to its squared distance from the nearest one.
// Plain loops: as tensor operations these would be thousands too small for threads.
at::Tensor drawn_centres(const at::Tensor& vectors_NC, int64_t count, RandomStream random) {
  const at::Tensor vectors = vectors_NC.contiguous();
  const int64_t width = vectors.size(1);
  const auto num_vectors = static_cast<size_t>(vectors.size(0));
  const float* values = vectors.const_data_ptr<float>();
  std::vector<float> distance_N(num_vectors, INFINITY);
  std::vector<int64_t> chosen = {static_cast<int64_t>(random.below(num_vectors))};
  while (static_cast<int64_t>(chosen.size()) < count) {
    const double total = lower_distances(values, values + chosen.back() * width, width, distance_N);
    const size_t next =
        total > 0 ? drawn_by_weight(distance_N, random.uniform() * total) : random.below(num_vectors);
    chosen.push_back(static_cast<int64_t>(next));
  }
  return vectors.index_select(0, torch::tensor(chosen, at::kLong));
}

// Up to `count` different rows drawn in proportion to their weights; rows of weight zero never.
std::vector<int64_t> drawn_rows(const at::Tensor& weights_N, int64_t count, RandomStream random) {
  const at::Tensor weights = weights_N.contiguous();
  const float* weight = weights.const_data_ptr<float>();
  std::vector<std::pair<double, int64_t>> waits;  // exponential waiting times: the shortest are the draw
  for (int64_t row = 0; row < weights.numel(); ++row) {
    const double wait = -std::log(1 - random.uniform());
    if (weight[row] > 0) waits.emplace_back(wait / weight[row], row);
  }
  std::sort(waits.begin(), waits.end());
  std::vector<int64_t> rows;
  for (const auto& [wait, row] : waits) {
    if (static_cast<int64_t>(rows.size()) == count) break;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

at::Tensor nearest_codes(const at::Tensor& vectors_NC, const at::Tensor& codes_KC) {
  check_vectors("nearest_codes", vectors_NC, codes_KC.size(1));
  torch::NoGradGuard no_grad;
  // |v - c|^2 without |v|^2, which is the same for all codes.
  const at::Tensor norms_K = codes_KC.square().sum(1), codes_CK = codes_KC.t();
  at::Tensor nearest_N = torch::empty({vectors_NC.size(0)}, at::kLong);
  for (int64_t begin = 0; begin < vectors_NC.size(0); begin += kRowsAtOnce) {
    const int64_t end = std::min(begin + kRowsAtOnce, vectors_NC.size(0));
    nearest_N.slice(0, begin, end)
        .copy_(torch::addmm(norms_K, vectors_NC.slice(0, begin, end), codes_CK, 1, -2).argmin(1));
  }
  return nearest_N;
}

at::Tensor straight_through(const at::Tensor& vectors_NC, const at::Tensor& chosen_NC) {
  return vectors_NC + (chosen_NC - vectors_NC).detach();
}

CodeUse code_use(const at::Tensor& codes, int64_t num_codes) {
  const at::Tensor counts_K = torch::bincount(codes.reshape(-1).to(at::kLong), {}, num_codes).to(at::kDouble);
  TORCH_CHECK(counts_K.numel() == num_codes, "[code_use] codes: expected below ", num_codes, ", got ",
              counts_K.numel() - 1);
  CodeUse use;
  use.num_used = counts_K.gt(0).sum().item<int64_t>();
  use.share_used = static_cast<double>(use.num_used) / static_cast<double>(num_codes);
  const at::Tensor shares_K = counts_K / counts_K.sum().clamp_min(1);
  use.perplexity = std::exp(-torch::xlogy(shares_K, shares_K).sum().item<double>());
  return use;
}

VectorQuantizer::VectorQuantizer(const QuantizerOptions& options)
    : options_(options),
      shares_K_(torch::zeros({options.num_codes})),
      sums_KC_(torch::zeros({options.num_codes, options.width})),
      codes_KC_(torch::zeros({options.num_codes, options.width})) {}

void VectorQuantizer::start_from(const at::Tensor& vectors_NC) {
  check_vectors("VectorQuantizer::start_from", vectors_NC, options_.width);
  TORCH_CHECK(vectors_NC.size(0) > 0, "[VectorQuantizer::start_from] expected vectors, got none");
  torch::NoGradGuard no_grad;
  const at::Tensor vectors = vectors_NC.detach();
  const RandomStream random(stream_key({options_.seed, fnv1a64("first codes")}));
  codes_KC_ = drawn_centres(vectors, options_.num_codes, random);
  for (int round = 0; round < kKMeansRounds; ++round) {
    const auto [counts_K, sums_KC] =
        count_and_sum(vectors, nearest_codes(vectors, codes_KC_), options_.num_codes);
    const at::Tensor counts_K1 = counts_K.unsqueeze(1);
    codes_KC_ = torch::where(counts_K1 > 0, sums_KC / counts_K1.clamp_min(1), codes_KC_);
    shares_K_ = counts_K / static_cast<double>(vectors.size(0));
  }
  sums_KC_ = codes_KC_ * shares_K_.unsqueeze(1);
  started_ = true;
}

Quantized VectorQuantizer::quantize(const at::Tensor& vectors_NC) const {
  const at::Tensor codes_N = nearest_codes(vectors_NC, codes_KC_);
  const at::Tensor chosen_NC = codes_KC_.index_select(0, codes_N);
  return {codes_N, straight_through(vectors_NC, chosen_NC), (vectors_NC - chosen_NC).square().mean()};
}

int64_t VectorQuantizer::learn(const at::Tensor& vectors_NC, const at::Tensor& codes_N) {
  check_vectors("VectorQuantizer::learn", vectors_NC, options_.width);
  if (vectors_NC.size(0) == 0) return 0;
  torch::NoGradGuard no_grad;
  const at::Tensor vectors = vectors_NC.detach();
  const auto [counts_K, sums_KC] = count_and_sum(vectors, codes_N, options_.num_codes);
  const auto num_vectors = static_cast<double>(vectors.size(0));
  shares_K_ = options_.decay * shares_K_ + (1 - options_.decay) / num_vectors * counts_K;
  sums_KC_ = options_.decay * sums_KC_ + (1 - options_.decay) / num_vectors * sums_KC;
  const double smoothing = options_.smoothing / num_vectors;
  const at::Tensor total = shares_K_.sum();
  const at::Tensor smooth_K =
      (shares_K_ + smoothing) * (total / (total + static_cast<double>(options_.num_codes) * smoothing));
  codes_KC_ = sums_KC_ / smooth_K.unsqueeze(1);
  ++step_;
  return revive(vectors);
}

int64_t VectorQuantizer::revive(const at::Tensor& vectors_NC) {
  const double mean_share = shares_K_.mean().item<double>();
  const at::Tensor dead = torch::nonzero(shares_K_ < options_.dead_share * mean_share).flatten();
  if (dead.numel() == 0) return 0;
  const at::Tensor own_NC = codes_KC_.index_select(0, nearest_codes(vectors_NC, codes_KC_));
  const std::vector<int64_t> rows =
      drawn_rows(squared_distance_to(vectors_NC, own_NC), dead.numel(),
                 RandomStream(stream_key({options_.seed, fnv1a64("revived codes"), step_})));
  if (rows.empty()) return 0;
  const auto count = static_cast<int64_t>(rows.size());
  const at::Tensor revived = dead.slice(0, 0, count);
  const at::Tensor from_NC = vectors_NC.index_select(0, torch::tensor(rows, at::kLong));
  codes_KC_.index_copy_(0, revived, from_NC);
  shares_K_.index_fill_(0, revived, mean_share);  // time to be found before it counts as dead again
  sums_KC_.index_copy_(0, revived, from_NC * mean_share);
  return count;
}

void BatchCodes::add(size_t piece, const at::Tensor& vectors_NC, const at::Tensor& codes_N) {
  const std::lock_guard lock(mutex_);
  pieces_[piece] = {vectors_NC.detach(), codes_N};
}

void BatchCodes::teach(VectorQuantizer& quantizer) {
  std::vector<at::Tensor> vectors, codes;
  for (const auto& [piece, chosen] : pieces_) {
    vectors.push_back(chosen.first);
    codes.push_back(chosen.second);
  }
  pieces_.clear();
  quantizer.learn(torch::cat(vectors), torch::cat(codes));
}

}  // namespace mom::codecs
