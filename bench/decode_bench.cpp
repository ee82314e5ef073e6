// A generated token at the 130M shape, one sequence: bytes are those of the weights and states it reads, so
// that "of roof" is the part of the memory's rate. And prefill, the whole network on 512 tokens.
#include <torch/torch.h>

#include "bench/bench.h"
#include "mom/generate/mamba_decoder.h"
#include "mom/generate/step.h"

namespace mom::bench {
namespace {

using kernels::WeightType;

models::ModelSpec spec_130m() {
  models::ModelConfig config;
  config.backbone = "mamba";
  config.d_model = 768;
  config.layers = 12;
  config.tie_word_embeddings = true;
  models::ModelSpec spec = models::network_spec(config);
  spec.vocab_size = 50280;
  return spec;
}

models::Model initialised_130m() {
  models::Model model(spec_130m());
  models::initialise(*model, 1);
  return model;
}

generate::Feed some_tokens(int64_t count) {
  generate::Feed feed;
  for (int64_t t = 0; t < count; ++t) feed.append(static_cast<int32_t>((t * 7919 + 11) % 50280));
  return feed;
}

// What is kept between two tokens.
struct Decoding {
  models::Model model;
  generate::MambaDecoder decoder;
  generate::DecodeState state;
  int32_t token = 11;

  explicit Decoding(WeightType type)
      : model(initialised_130m()), decoder(model, type), state(generate::initial_state(*model, 1)) {}
  at::Tensor run() {
    at::Tensor logits_SV = decoder.step({token}, state.model);
    token = (token * 31 + 7) % 50280;
    return logits_SV;
  }
};

// The narrow types differ from the network by the rounding of their weights.
void check(Decoding& decoding, double tolerance) {
  torch::NoGradGuard no_grad;
  generate::DecodeState state = generate::initial_state(*decoding.model, 1),
                        slow = generate::initial_state(*decoding.model, 1);
  for (const int32_t token : some_tokens(8).tokens) {
    const at::Tensor found = decoding.decoder.step({token}, state.model),
                     expected = generate::step(*decoding.model, slow, {{{token}, {}}}).logits_SV;
    const double error = (found - expected).abs().max().item<double>(),
                 spread = expected.std().item<double>();
    TORCH_CHECK(error <= tolerance * spread, "logits differ by ", error, ", their spread is ", spread);
  }
}

void add_decode(const std::string& name, const std::string& words, WeightType type, double tolerance) {
  Register(name, "a token of the 130M shape from " + words + " weights", [=] {
    auto decoding = std::make_shared<Decoding>(type);
    Bench bench;
    bench.name = name;
    bench.shape = "d 768, 24 blocks, " + words;
    bench.work.tokens = 1;
    bench.work.bytes = static_cast<double>(decoding->decoder.bytes_per_token());
    bench.check = [=] { check(*decoding, tolerance); };
    bench.run = [=] { decoding->run(); };
    return bench;
  });
}

}  // namespace

void register_decode_benches() {
  add_decode("decode_130m", "f32", WeightType::kF32, 1e-4);
  add_decode("decode_130m_bf16", "bf16", WeightType::kBF16, 0.1);
  add_decode("decode_130m_int8", "8-bit", WeightType::kInt8, 0.2);
  Register("prefill_130m", "512 tokens of the 130M shape at once, the last one's logits", [] {
    auto model = std::make_shared<models::Model>(initialised_130m());
    const generate::Feed feed = some_tokens(512);
    Bench bench;
    bench.name = "prefill_130m";
    bench.shape = "d 768, 24 blocks, 512 tokens, f32";
    bench.work.tokens = 512;
    bench.run = [=] {
      generate::DecodeState state = generate::initial_state(**model, 1);
      generate::step(**model, state, {feed});
    };
    return bench;
  });
}

}  // namespace mom::bench
