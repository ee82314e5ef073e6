// A generated token at the 130M shape, one sequence: bytes are those of the weights and states it reads, so that
// "of roof" is the fraction of the memory bandwidth. Prefill: the whole network on 512 tokens. And whether a token
// costs the same however many came before it.
#include <ATen/ATen.h>
#include <torch/utils.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "bench/bench.h"
#include "mom/generate/mamba_decoder.h"
#include "mom/generate/network.h"
#include "mom/ops/huge_pages.h"

namespace mom::bench {
namespace {

using kernels::WeightType;

models::ModelSpec spec_130m() {
  models::ModelSpec config;
  config.backbone = "mamba";
  config.d_model = 768;
  config.layers = 12;
  config.tie_word_embeddings = true;
  models::ModelSpec spec = config.resolved();
  spec.vocab_size = 50280;
  return spec;
}

models::Model initialised_130m() {
  models::Model model(spec_130m());
  models::initialise(*model, 1);
  return model;
}

generate::Feed some_tokens(int64_t count, int64_t vocabulary = 50280) {
  generate::Feed feed;
  for (int64_t t = 0; t < count; ++t) feed.append(static_cast<int32_t>((t * 7919 + 11) % vocabulary));
  return feed;
}

// What is kept between two tokens.
struct Decoding {
  models::Model model;
  ops::PackedWeights weights;
  generate::MambaDecoder decoder;
  generate::DecodeState state;
  std::vector<int32_t> tokens_S;

  Decoding(WeightType type, int64_t num_sequences)
      : model(initialised_130m()),
        weights(model->parameters()),
        decoder(model, type, weights),
        state(generate::initial_state(*model, num_sequences)) {
    for (int64_t s = 0; s < num_sequences; ++s) tokens_S.push_back(static_cast<int32_t>(11 + s));
  }
  at::Tensor run() {
    at::Tensor logits_SV = decoder.step(tokens_S, state.model);
    for (int32_t& token : tokens_S) token = (token * 31 + 7) % 50280;
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
                     expected =
                         generate::step(*decoding.model, slow, {{{token}, {}}}, decoding.weights).logits_SV;
    const double error = (found - expected).abs().max().item<double>(),
                 spread = expected.std().item<double>();
    TORCH_CHECK(error <= tolerance * spread, "logits differ by ", error, ", their spread is ", spread);
  }
}

void add_decode(const std::string& suffix, const std::string& words, WeightType type, double tolerance) {
  const auto make = [=](const std::string& name, int64_t num_sequences) {
    auto decoding = std::make_shared<Decoding>(type, num_sequences);
    Bench bench;
    bench.name = name;
    bench.shape = "d 768, 24 blocks, " + words;
    bench.work.tokens = static_cast<double>(num_sequences);
    bench.work.bytes = static_cast<double>(decoding->decoder.bytes_per_token());
    bench.check = [=] { check(*decoding, tolerance); };
    bench.run = [=] { decoding->run(); };
    return bench;
  };
  const std::string decode = "decode_130m" + suffix, share = "decode_share_130m" + suffix;
  Register(decode, "a token of the 130M shape from " + words + " weights", [=] { return make(decode, 1); });
  for (const int64_t streams : {4, 16}) {
    const std::string name = decode + "_" + std::to_string(streams) + "_streams";
    Register(name, "a token of each of so many sequences", [=] { return make(name, streams); });
  }
  // Memory bandwidth may change from one second to the next; in turns both see the same.
  Register(share, "the same in turns with reading as many bytes and doing nothing else", [=] {
    Bench bench = make(share, 1);
    const auto floats = static_cast<int64_t>(bench.work.bytes / 4);
    const at::Tensor bytes = ops::HugePages(4 * floats).take({floats}, at::kFloat).fill_(1);
    bench.baseline = [=] { bytes.sum(); };
    bench.baseline_name = "reading as many bytes";
    return bench;
  });
}

// A document of text and images as codes: 100 tokens of text, 64 codes, and so on.
int32_t token_of_document(int64_t position) {
  const int64_t place = position % 164;
  const auto draw = static_cast<int32_t>((position * 7919 + 11) % 1000);
  return place < 100 ? 8 + draw : 4096 + draw;
}

// 8 blocks, text and image codes.
models::Model small_model(const std::string& backbone, int64_t width) {
  models::ModelSpec config;
  config.backbone = backbone;
  config.d_model = width;
  config.layers = 4;
  models::ModelSpec spec = config.resolved();
  using modality::Modality;
  spec.vocabulary.add(Modality::tokens("text"), 4096);
  spec.vocabulary.add(Modality::codes("image", {4, 5}, 64), 1024);
  spec.modalities = spec.vocabulary.names();
  spec.vocab_size = spec.vocabulary.size();
  models::Model model(spec);
  models::initialise(*model, 1);
  return model;
}

// One document at two places: near its beginning, and far from it. All tokens between were decoded one by one.
class LongDecoding {
 public:
  static constexpr int64_t kNear = 10, kFar = 100'000, kTokens = 100;

  explicit LongDecoding(const std::string& backbone)
      : model_(small_model(backbone, 256)),
        decoder_(model_, WeightType::kF32, ops::PackedWeights(model_->parameters())),
        state_(generate::initial_state(*model_, 1)) {
    decode(kNear);
    near_ = state_;
    decode(1000);  // one-time allocations
    const int64_t before = resident_bytes();
    decode(kFar);
    grown_bytes_ = resident_bytes() - before;
  }

  void check() const {
    TORCH_CHECK(state_.num_bytes() == near_.num_bytes(), "the state has ", state_.num_bytes(),
                " bytes after ", kFar, " tokens, ", near_.num_bytes(), " after ", kNear);
    TORCH_CHECK(grown_bytes_ < (int64_t{4} << 20), "memory grew by ", grown_bytes_, " bytes over ", kFar,
                " tokens");
  }
  void run_far() { decode(position_ + kTokens); }
  void run_near() {
    const generate::DecodeState far = std::exchange(state_, near_);
    const int64_t position = std::exchange(position_, kNear);
    decode(kNear + kTokens);
    state_ = far;
    position_ = position;
  }

 private:
  static int64_t resident_bytes() {
    int64_t all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * sysconf(_SC_PAGESIZE);
  }
  void decode(int64_t until) {
    for (; position_ < until; ++position_) decoder_.step({token_of_document(position_)}, state_.model);
  }

  models::Model model_;
  generate::MambaDecoder decoder_;
  generate::DecodeState state_, near_;
  int64_t position_ = 0, grown_bytes_ = 0;
};

void add_long_decode(const std::string& backbone) {
  const std::string name = "decode_far_" + backbone;
  Register(name, "tokens at position 100,000, against those at 10; that state and memory do not grow", [=] {
    auto decoding = std::make_shared<LongDecoding>(backbone);
    Bench bench;
    bench.name = name;
    bench.shape = "d 256, 8 blocks, text and image codes, 100 tokens at position 100,000";
    bench.work.tokens = LongDecoding::kTokens;
    bench.check = [=] { decoding->check(); };
    bench.run = [=] { decoding->run_far(); };
    bench.baseline = [=] { decoding->run_near(); };
    bench.baseline_name = "at position 10";
    return bench;
  });
}

}  // namespace

void register_decode_benches() {
  add_decode("", "f32", WeightType::kF32, 1e-4);
  add_decode("_bf16", "bf16", WeightType::kBF16, 0.1);
  add_decode("_int8", "8-bit", WeightType::kInt8, 0.2);
  add_long_decode("mamba");
  add_long_decode("mixture_of_mamba");
  Register("prefill_130m", "512 tokens of the 130M shape at once, the last one's logits", [] {
    const auto network = std::make_shared<generate::Network>(initialised_130m());
    const generate::Feed feed = some_tokens(512);
    Bench bench;
    bench.name = "prefill_130m";
    bench.shape = "d 768, 24 blocks, 512 tokens, f32";
    bench.work.tokens = 512;
    bench.run = [=] {
      generate::DecodeState state = generate::initial_state(*network->model(), 1);
      network->read(state, {feed});
    };
    return bench;
  });
  Register("read_turn", "ten tokens at once after a long prompt, the last one's logits: a turn of a chat",
           [] {
             const auto network = std::make_shared<generate::Network>(small_model("mixture_of_mamba", 192));
             generate::DecodeState before = generate::initial_state(*network->model(), 1);
             network->read(before, {some_tokens(256, 4096)});
             Bench bench;
             bench.name = "read_turn";
             bench.shape = "d 192, 8 blocks, 10 tokens, f32";
             bench.work.tokens = 10;
             bench.run = [=, feed = some_tokens(10, 4096)] {
               generate::DecodeState state = before;
               network->read(state, {feed});
             };
             return bench;
           });
}

}  // namespace mom::bench
