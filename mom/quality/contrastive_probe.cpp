#include "mom/quality/contrastive_probe.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/random.h"
#include "mom/codecs/conv_net.h"
#include "mom/codecs/fit.h"
#include "mom/quality/in_pieces.h"

namespace mom::quality {
namespace {

constexpr int64_t kInputSide = 32;  // images are averaged down to it, or enlarged
constexpr int64_t kDownsample = 8, kFeatureChannels = 64, kSpace = 64;
constexpr int64_t kEncodedTogether = 256;                 // images in one batch: affects memory, not results
constexpr double kLearningRate = 2e-3, kFirstScale = 10;  // of similarities, which are at most 1
constexpr double kDropWord = 0.3, kDropFeature = 0.2;
constexpr double kSmallest = 0.8, kLargest = 1.1, kFurthest = 0.15;  // of the image's side
constexpr const char* kPrefix = "probe.";

at::Tensor to_length_1(const at::Tensor& rows) {
  return rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

// f32 in [-1, 1], [N, 3, 32, 32].
at::Tensor to_input(const at::Tensor& images_N3SS) {
  return at::adaptive_avg_pool2d(codecs::to_pixels(images_N3SS), {kInputSide, kInputSide})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

// Each image shifted and scaled on white.
at::Tensor augmented(const at::Tensor& inputs, const at::Generator& generator) {
  const int64_t count = inputs.size(0);
  const auto uniform = [&](at::IntArrayRef shape) { return torch::rand(shape, generator, torch::kFloat32); };
  const at::Tensor shrink_N = 1 / (kSmallest + (kLargest - kSmallest) * uniform({count}));
  const at::Tensor theta = torch::zeros({count, 2, 3});
  theta.select(1, 0).select(1, 0).copy_(shrink_N);
  theta.select(1, 1).select(1, 1).copy_(shrink_N);
  theta.select(2, 2).copy_((uniform({count, 2}) - 0.5) * (2 * kFurthest));
  const at::Tensor grid = at::affine_grid_generator(theta, inputs.sizes(), /*align_corners=*/false);
  constexpr int64_t kBilinear = 0, kZeros = 0;
  // White is 1; what lies outside is filled with 0.
  return (at::grid_sampler_2d(inputs - 1, grid, kBilinear, kZeros, /*align_corners=*/false) + 1)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

// Each pair's caption among those of the others, and each caption's image.
at::Tensor info_nce(const at::Tensor& images_NE, const at::Tensor& captions_NE, const at::Tensor& log_scale) {
  const at::Tensor logits_NN = images_NE.matmul(captions_NE.t()) * log_scale.exp();
  const at::Tensor own_N = torch::arange(images_NE.size(0));
  return (at::cross_entropy_loss(logits_NN, own_N) + at::cross_entropy_loss(logits_NN.t(), own_N)) / 2;
}

}  // namespace

Words words_of(std::string_view caption) {
  Words words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
    word.clear();
  };
  for (const char c : caption) {
    if (std::string_view(" \t\n,.:;\"()").find(c) != std::string_view::npos) {
      end_word();
    } else {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  end_word();
  return words;
}

struct ContrastiveProbe::Net : torch::nn::Module {
  Net(int64_t num_channels, int64_t num_words) : channels(num_channels) {
    trunk = register_module("trunk", codecs::conv_encoder({kDownsample, channels, 1}, kFeatureChannels));
    constexpr int64_t kGrid = kInputSide / kDownsample;
    to_space = register_module("to_space", torch::nn::Linear(kFeatureChannels * kGrid * kGrid, kSpace));
    words_WE = register_parameter("words", 0.1 * torch::randn({num_words, kSpace}));
    word_bias_E = register_parameter("word_bias", torch::zeros({kSpace}));
    log_scale = register_parameter("log_scale", torch::tensor(std::log(kFirstScale), torch::kFloat32));
    weights_W = register_buffer("word_weights", torch::ones({num_words}));
    codecs::to_channels_last(*this);
  }

  at::Tensor maps(const at::Tensor& inputs) { return torch::silu(trunk->forward(inputs)); }
  // What the image shows, from the last channels, and how it is drawn, from each stage's.
  EncodedImages encode(const at::Tensor& inputs) {
    std::vector<at::Tensor> features;
    at::Tensor x = inputs;
    for (torch::nn::AnyModule& layer : *trunk) {
      x = layer.forward(x);
      if (!layer.ptr()->as<codecs::ResidualBlock>()) continue;
      const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{2, 3}, /*unbiased=*/false);
      features.insert(features.end(), {mean, variance.sqrt()});
    }
    const at::Tensor maps = torch::silu(x);
    features.push_back(maps.mean({2, 3}));
    return {space(maps), torch::cat(features, 1).to(torch::kFloat64)};
  }
  at::Tensor space(const at::Tensor& maps) { return to_length_1(to_space->forward(maps.flatten(1))); }

  int64_t channels;
  torch::nn::Sequential trunk{nullptr};
  torch::nn::Linear to_space{nullptr};
  at::Tensor words_WE, word_bias_E, log_scale;
  at::Tensor weights_W;  // rare words count more: ln(captions / captions with it)
};

ContrastiveProbe::ContrastiveProbe(ContrastiveProbe&&) noexcept = default;
ContrastiveProbe::~ContrastiveProbe() = default;

ContrastiveProbe::ContrastiveProbe(const at::Tensor& images_N3SS, const std::vector<Words>& captions,
                                   const ProbeOptions& options) {
  TORCH_CHECK(images_N3SS.dim() == 4 && images_N3SS.size(0) == std::ssize(captions) && captions.size() >= 2,
              "[ContrastiveProbe] expected images [N, 3, S, S] and N captions, two or more, got ",
              images_N3SS.sizes(), " and ", captions.size());
  std::map<std::string, int64_t> num_captions;
  for (const Words& words : captions)
    for (const std::string& word : words) ++num_captions[word];
  std::vector<float> weights;
  for (const auto& [word, count] : num_captions) {
    if (count < 2) continue;
    columns_[word] = std::ssize(weights);
    weights.push_back(std::log(static_cast<float>(captions.size()) / static_cast<float>(count)));
  }
  torch::manual_seed(options.seed);
  net_ = std::make_unique<Net>(options.channels, std::ssize(weights));
  net_->weights_W.copy_(torch::tensor(weights));
  const torch::AutoGradMode with_gradients(true);
  fit(images_N3SS, captions, options);
}

ContrastiveProbe::ContrastiveProbe(const nn::NamedTensors& tensors,
                                   const std::map<std::string, std::string>& metadata,
                                   const std::string& where) {
  const auto fail = [&](const std::string& what) {
    throw InputError({where, what, "none", "remove the file: it is made anew"});
  };
  if (!metadata.contains("words") || !metadata.contains("channels")) fail("a caption probe");
  const Json words = parse_json(metadata.at("words"), where);
  const int64_t channels = std::atoll(metadata.at("channels").c_str());
  if (!words.is_array() || channels < 1 || channels > 1024) fail("the words and channels of a caption probe");
  for (const Json& word : words) {
    if (!word.is_string()) fail("words as strings");
    columns_.emplace(word.get<std::string>(), std::ssize(columns_));
  }
  if (columns_.size() != words.size()) fail("words in order, each once");
  const torch::NoGradGuard no_grad;
  net_ = std::make_unique<Net>(channels, std::ssize(columns_));
  const auto copy = [&](const auto& item) {
    const auto found = tensors.find(kPrefix + item.key());
    if (found == tensors.end() || found->second.sizes() != item.value().sizes())
      fail("tensor \"" + item.key() + "\" in its shape");
    item.value().copy_(found->second);
  };
  for (const auto& item : net_->named_parameters()) copy(item);
  for (const auto& item : net_->named_buffers()) copy(item);
}

void ContrastiveProbe::add_to(nn::NamedTensors& tensors, std::map<std::string, std::string>& metadata) const {
  for (const auto& item : net_->named_parameters())
    tensors[kPrefix + item.key()] = item.value().detach().contiguous();
  for (const auto& item : net_->named_buffers()) tensors[kPrefix + item.key()] = item.value();
  Json words = Json::array();
  for (const auto& [word, column] : columns_) words.push_back(word);  // columns are in the order of words
  metadata["words"] = words.dump();
  metadata["channels"] = std::to_string(net_->channels);
}

void ContrastiveProbe::fit(const at::Tensor& images_N3SS, const std::vector<Words>& captions,
                           const ProbeOptions& options) {
  std::vector<at::Tensor> inputs;
  for (const at::Tensor& some : images_N3SS.split(kEncodedTogether)) inputs.push_back(to_input(some));
  const at::Tensor inputs_N = torch::cat(inputs);
  std::vector<int64_t> order(captions.size());
  std::iota(order.begin(), order.end(), 0);
  RandomStream random(stream_key({options.seed, fnv1a64("probe order")}));
  size_t at = order.size();
  const auto next = [&] {
    std::vector<int64_t> chosen;
    while (std::ssize(chosen) < std::min(options.batch, std::ssize(order))) {
      if (at == order.size()) random.shuffle(order), at = 0;
      chosen.push_back(order[at++]);
    }
    return chosen;
  };
  const std::vector<at::Tensor> of_trunk = net_->trunk->parameters();
  codecs::fit(
      {"caption probe", "probe", options.steps, kLearningRate, /*pieces=*/1}, net_->parameters(),
      [&](int64_t step) {
        const std::vector<int64_t> chosen = next();
        const uint64_t key = stream_key({options.seed, fnv1a64("probe step"), static_cast<uint64_t>(step)});
        const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(key);
        std::vector<Words> some;
        for (const int64_t i : chosen) some.push_back(captions[static_cast<size_t>(i)]);
        at::Tensor maps =
            in_pieces([&](const at::Tensor& items) { return std::vector<at::Tensor>{net_->maps(items)}; },
                      of_trunk, augmented(inputs_N.index_select(0, torch::tensor(chosen)), generator))[0];
        const at::Tensor kept = torch::rand(maps.sizes(), generator, torch::kFloat32).ge(kDropFeature);
        maps = maps * kept / (1 - kDropFeature);
        const at::Tensor loss =
            info_nce(net_->space(maps), encode_words(some, kDropWord, key), net_->log_scale);
        return codecs::Step{1, [loss](const codecs::Piece&) {
                              return codecs::PieceLoss{loss, loss.item<double>()};
                            }};
      },
      [](double loss) { return "loss " + std::to_string(loss).substr(0, 5); });
}

at::Tensor ContrastiveProbe::encode_words(const std::vector<Words>& captions, double drop,
                                          uint64_t key) const {
  RandomStream random(stream_key({key, fnv1a64("words")}));
  std::vector<int64_t> columns, rows;
  for (size_t i = 0; i < captions.size(); ++i)
    for (const std::string& word : captions[i]) {
      const auto column = columns_.find(word);
      if (column == columns_.end() || (drop > 0 && random.uniform() < drop)) continue;
      columns.push_back(column->second);
      rows.push_back(static_cast<int64_t>(i));
    }
  const at::Tensor columns_K = torch::tensor(columns, torch::kInt64);
  const at::Tensor vectors_KE =
      net_->words_WE.index_select(0, columns_K) * net_->weights_W.index_select(0, columns_K).unsqueeze(1);
  const at::Tensor sums_NE = torch::zeros({std::ssize(captions), kSpace})
                                 .index_add(0, torch::tensor(rows, torch::kInt64), vectors_KE);
  return to_length_1(sums_NE + net_->word_bias_E);
}

at::Tensor ContrastiveProbe::encode(const std::vector<Words>& captions) const {
  const torch::NoGradGuard no_grad;
  return encode_words(captions, 0, 0);
}

EncodedImages ContrastiveProbe::encode(const at::Tensor& images_N3SS) const {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> space, features;
  for (const at::Tensor& some : images_N3SS.split(kEncodedTogether)) {
    const EncodedImages encoded = net_->encode(to_input(some));
    space.push_back(encoded.space_NE);
    features.push_back(encoded.features_NF);
  }
  return {torch::cat(space), torch::cat(features)};
}

}  // namespace mom::quality
