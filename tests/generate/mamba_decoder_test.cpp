// The decoder against the network it was made from.
#include "mom/generate/mamba_decoder.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/generate/step.h"
#include "mom/kernels/cpu_capability.h"
#include "tests/support/tiny_generation.h"

namespace mom::generate {
namespace {

using kernels::WeightType;
using Tokens = std::vector<std::vector<int32_t>>;  // by step, then sequence

// Text, codes of pictures and of speech in one vocabulary; where norms are adaptive, text and latents.
models::ModelSpec spec_of(const test::Variant& variant) {
  if (variant.adaptive_norm) return test::generation_spec(variant, /*patches=*/true);
  models::ModelSpec spec = test::tiny_backbone(variant);
  spec.vocabulary = test::with_codes(40, 10, 9, 6);
  spec.modalities = spec.vocabulary.names();
  spec.vocab_size = spec.vocabulary.size();
  return spec;
}

// Sequences of all modalities that change on the way.
Tokens tokens_of(const models::ModelSpec& spec, int64_t num_steps, int64_t num_sequences) {
  Tokens tokens(static_cast<size_t>(num_steps));
  for (int64_t t = 0; t < num_steps; ++t)
    for (int64_t s = 0; s < num_sequences; ++s)
      tokens[static_cast<size_t>(t)].push_back(static_cast<int32_t>((t * 37 + s * 11 + 7) % spec.vocab_size));
  return tokens;
}

// Logits [S, T, V] of those sequences alone.
at::Tensor decode(models::Model& model, WeightType type, const Tokens& tokens,
                  const std::vector<size_t>& sequences) {
  const MambaDecoder decoder(model, type, ops::PackedWeights(model->parameters()));
  DecodeState state = initial_state(*model, static_cast<int64_t>(sequences.size()));
  std::vector<at::Tensor> logits;
  for (const auto& step : tokens) {
    std::vector<int32_t> now;
    for (const size_t s : sequences) now.push_back(step[s]);
    logits.push_back(decoder.step(now, state.model));
  }
  return torch::stack(logits, 1);
}

at::Tensor expected_logits(models::Model& model, const Tokens& tokens) {
  DecodeState state = initial_state(*model, static_cast<int64_t>(tokens.front().size()));
  std::vector<at::Tensor> logits;
  for (const auto& now : tokens) {
    std::vector<Feed> feeds;
    for (const int32_t token : now) feeds.push_back({{token}, {}});
    logits.push_back(test::step(*model, state, feeds).logits_SV);
  }
  return torch::stack(logits, 1);
}

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

class MambaDecoderTest : public testing::TestWithParam<test::Variant> {
 protected:
  void TearDown() override { kernels::set_cpu_capability(""); }
  models::Model model_ = test::initialised(spec_of(GetParam()), 3);
  Tokens tokens_ = tokens_of(model_->spec(), 24, 7);
  std::vector<size_t> all_ = {0, 1, 2, 3, 4, 5, 6};
};
INSTANTIATE_TEST_SUITE_P(Backbones, MambaDecoderTest,
                         testing::Values(test::Variant{"mamba"}, test::Variant{"mixture_of_mamba"},
                                         test::Variant{.backbone = "mixture_of_mamba",
                                                       .route = models::kRandomRoute},
                                         test::Variant{.backbone = "mixture_of_mamba",
                                                       .scan = nn::scan_patterns().back(),
                                                       .patch_net = models::kUNetPatches,
                                                       .adaptive_norm = true}),
                         [](const auto& variant) { return variant.param.name(); });

TEST_P(MambaDecoderTest, IsTheNetworkOnEveryInstructionSet) {
  const at::Tensor expected = expected_logits(model_, tokens_);
  for (const std::string& capability : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(capability);
    EXPECT_LE(largest(decode(model_, WeightType::kF32, tokens_, all_) - expected), 2e-5) << capability;
  }
}

// Some bits are lost, not the whole: the error is that of the weights.
TEST_P(MambaDecoderTest, NarrowWeightsAreClose) {
  const at::Tensor expected = expected_logits(model_, tokens_);
  const double spread = expected.std().item<double>();
  const double bf16 = largest(decode(model_, WeightType::kBF16, tokens_, all_) - expected),
               int8 = largest(decode(model_, WeightType::kInt8, tokens_, all_) - expected);
  EXPECT_GT(bf16, 0);
  EXPECT_LE(bf16, 0.05 * spread);
  EXPECT_GT(int8, 0);
  EXPECT_LE(int8, 0.1 * spread);
}

TEST_P(MambaDecoderTest, SameBitsAloneOrBesideOthersAndForAnyThreads) {
  const int threads = at::get_num_threads();
  for (const WeightType type : {WeightType::kF32, WeightType::kBF16, WeightType::kInt8}) {
    at::set_num_threads(1);
    const at::Tensor together = decode(model_, type, tokens_, all_);
    EXPECT_TRUE(torch::equal(decode(model_, type, tokens_, {4}), together.narrow(0, 4, 1)));
    EXPECT_TRUE(torch::equal(decode(model_, type, tokens_, {5, 1, 6}),
                             together.index_select(0, torch::tensor({5, 1, 6}))));
    at::set_num_threads(3);
    EXPECT_TRUE(torch::equal(decode(model_, type, tokens_, all_), together));
  }
  at::set_num_threads(threads);
}

// All that a state holds.
std::vector<at::Tensor> tensors_of(const models::ModelState& state) {
  std::vector<at::Tensor> tensors{state.hidden_SE};
  for (const nn::MixerState& block : state.blocks)
    for (const at::Tensor& tensor : {block.conv_SDK, block.recurrent_SDN, block.normed_SE})
      tensors.push_back(tensor);
  return tensors;
}

void expect_equal(const models::ModelState& state, const models::ModelState& expected) {
  const std::vector<at::Tensor> found = tensors_of(state), wanted = tensors_of(expected);
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_TRUE(wanted[i].defined() ? torch::equal(found[i], wanted[i]) : !found[i].defined()) << i;
  EXPECT_EQ(state.num_tokens_S, expected.num_tokens_S);
}

// Eight and more for each thread: each thread has its own.
TEST_P(MambaDecoderTest, ManySequencesAreDividedAmongThreads) {
  constexpr int64_t kMany = 26;
  const Tokens tokens = tokens_of(model_->spec(), 4, kMany);
  const int threads = at::get_num_threads();
  for (const WeightType type : {WeightType::kF32, WeightType::kBF16, WeightType::kInt8}) {
    const MambaDecoder decoder(model_, type, ops::PackedWeights(model_->parameters()));
    DecodeState together = initial_state(*model_, kMany), divided = together;
    for (const std::vector<int32_t>& now : tokens) {
      at::set_num_threads(1);
      const at::Tensor expected = decoder.step(now, together.model);
      at::set_num_threads(3);
      EXPECT_TRUE(torch::equal(decoder.step(now, divided.model), expected));
    }
    expect_equal(divided.model, together.model);
  }
  at::set_num_threads(threads);
}

// Several tokens of each sequence, in blocks of their own sizes, from the state of the block before: logits and states.
TEST_P(MambaDecoderTest, ReadsWithTheNetworksBits) {
  const ops::PackedWeights panels(model_->parameters());
  const MambaDecoder decoder(model_, WeightType::kF32, panels);
  const int threads = at::get_num_threads();
  for (const std::string& capability : kernels::cpu_capabilities()) {
    kernels::set_cpu_capability(capability);
    at::set_num_threads(capability == kernels::cpu_capabilities().front() ? 3 : threads);
    DecodeState expected = initial_state(*model_, 3), read = initial_state(*model_, 3);
    int32_t token = 5;
    for (const std::vector<size_t>& lengths :
         std::vector<std::vector<size_t>>{{1, 70, 3}, {33, 1, 2}, {1, 1, 1}, {200, 5, 129}}) {
      std::vector<Feed> feeds;
      std::vector<std::vector<int32_t>> tokens;
      for (const size_t length : lengths) {
        Feed feed;
        while (feed.tokens.size() < length)
          feed.append(token = static_cast<int32_t>((token * 29 + 11) % model_->spec().vocab_size));
        feeds.push_back(feed), tokens.push_back(feed.tokens);
      }
      const at::Tensor logits_SV = test::step(*model_, expected, feeds).logits_SV;
      EXPECT_TRUE(torch::equal(decoder.read(tokens, read.model), logits_SV)) << capability;
      expect_equal(read.model, expected.model);
    }
  }
  at::set_num_threads(threads);
}

TEST_P(MambaDecoderTest, LeavesTheStateItStartedFromAlone) {
  const MambaDecoder decoder(model_, WeightType::kF32, ops::PackedWeights(model_->parameters()));
  DecodeState parent = initial_state(*model_, 7);
  decoder.step(tokens_[0], parent.model);
  DecodeState branch = parent;
  const at::Tensor first = decoder.step(tokens_[1], branch.model),
                   second = decoder.step(tokens_[1], parent.model);
  EXPECT_TRUE(torch::equal(first, second));
  EXPECT_EQ(parent.model.num_tokens_S, std::vector<int64_t>(7, 2));
}

TEST(MambaDecoder, OtherBackbonesAreRefused) {
  models::Model model = test::initialised(spec_of(test::Variant{"transformer"}));
  EXPECT_FALSE(MambaDecoder::supports(*model));
  EXPECT_THROW(MambaDecoder(model, WeightType::kF32, ops::PackedWeights({})), UserError);
}

}  // namespace
}  // namespace mom::generate
