// Vector quantisation: every vector is replaced by the nearest of K learned ones, and stored as that one's number.
// N vectors, C their width, K codes.
//
// The codebook follows the encoder by moving averages instead of a gradient; the gradient of what is made of the codes
// goes straight through to the encoder, and the commitment keeps the encoder near its codes. Codes that hardly anything
// chooses are dead: they move to vectors of the present batch that are badly served.
//
// Precision: f32.   The same input, seed and number of threads: the same bits.
// Source: van den Oord et al. 2017 (arXiv 1711.00937), section 3 and appendix A.1 (moving averages).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace mom::codecs {

// The nearest code of each vector by squared distance, the lowest number among equals: f32 [N, C], [K, C] -> i64 [N].
at::Tensor nearest_codes(const at::Tensor& vectors_NC, const at::Tensor& codes_KC);

// The value of `chosen`, whose gradient goes to `vectors` unchanged.
at::Tensor straight_through(const at::Tensor& vectors_NC, const at::Tensor& chosen_NC);

// How evenly codes are used. `codes` may have any shape; all below num_codes.
struct CodeUse {
  int64_t num_used = 0;   // different codes
  double share_used = 0;  // of the codebook
  double perplexity = 1;  // exp of the entropy in nats: K when all are used alike
};
CodeUse code_use(const at::Tensor& codes, int64_t num_codes);

struct QuantizerOptions {
  int64_t num_codes = 1024;
  int64_t width = 16;
  double decay = 0.99;       // of the moving averages, per step
  double smoothing = 1e-5;   // added to the counts (Laplace), so that no code is divided by nothing
  double dead_share = 0.05;  // dead: used less than this share of the mean code's use
  uint64_t seed = 1;
};

struct Quantized {
  at::Tensor codes_N;     // i64
  at::Tensor vectors_NC;  // the codes' vectors; their gradient goes straight to the input
  at::Tensor commitment;  // mean squared distance, differentiable in the input only
};

class VectorQuantizer {
 public:
  explicit VectorQuantizer(const QuantizerOptions& options);

  // The first codebook, from the encoder's outputs: k-means++ and a few rounds of k-means.
  void start_from(const at::Tensor& vectors_NC);
  bool started() const { return started_; }

  Quantized quantize(const at::Tensor& vectors_NC) const;
  // Moves the codebook after a step and revives dead codes; returns how many.
  int64_t learn(const at::Tensor& vectors_NC, const at::Tensor& codes_N);

  const at::Tensor& codes_KC() const { return codes_KC_; }

 private:
  int64_t revive(const at::Tensor& vectors_NC);

  QuantizerOptions options_;
  bool started_ = false;
  uint64_t step_ = 0;
  // Moving averages per vector: the share that chose each code, and the sum of those vectors.
  at::Tensor shares_K_, sums_KC_;
  at::Tensor codes_KC_;
};

// What the pieces of a batch chose, until the codebook learns from all of them.
class BatchCodes {
 public:
  // From any thread, each piece once.
  void add(size_t piece, const at::Tensor& vectors_NC, const at::Tensor& codes_N);
  // Teaches `quantizer` the whole batch, in the order of its pieces, and forgets it.
  void teach(VectorQuantizer& quantizer);

 private:
  std::mutex mutex_;
  std::map<size_t, std::pair<at::Tensor, at::Tensor>> pieces_;  // vectors and codes
};

}  // namespace mom::codecs
