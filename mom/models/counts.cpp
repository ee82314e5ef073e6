#include "mom/models/counts.h"

#include <algorithm>

namespace mom::models {
namespace {

struct Projection {
  const char* name;
  int64_t in, out;
  bool bias;
};

std::vector<Projection> projections(const ModelSpec& s) {
  return {{"in_proj", s.hidden_size, 2 * s.intermediate_size, s.use_bias},
          {"x_proj", s.intermediate_size, s.time_step_rank + 2 * s.state_size, false},
          {"dt_proj", s.time_step_rank, s.intermediate_size, true},
          {"out_proj", s.intermediate_size, s.hidden_size, s.use_bias}};
}

bool is_decoupled(const ModelSpec& spec, const char* name) {
  return std::count(spec.decoupled.begin(), spec.decoupled.end(), name) != 0;
}

}  // namespace

ParameterCounts count_parameters(const ModelSpec& s) {
  const int64_t num_modalities = static_cast<int64_t>(s.modalities.size());
  int64_t shared = s.hidden_size, own = 0;  // per block: norm; then per-modality copies
  shared += s.intermediate_size * (s.conv_kernel + (s.use_conv_bias ? 1 : 0) + s.state_size + 1);
  for (const Projection& p : projections(s)) {
    const int64_t size = p.in * p.out + (p.bias ? p.out : 0);
    (is_decoupled(s, p.name) ? own : shared) += size;
  }
  const int64_t table = s.vocab_size * s.hidden_size;
  const int64_t patches =
      !s.has_patches() ? 0
                       : (s.patch_width() + 1) * s.hidden_size + (s.hidden_size + 1) * s.patch_width() +
                             (kTimestepFeatures + 1) * s.hidden_size + (s.hidden_size + 1) * s.hidden_size;
  ParameterCounts counts;
  counts.embedding = s.tie_word_embeddings ? table : 2 * table;
  counts.total = counts.embedding + patches + s.hidden_size + s.num_blocks * (shared + num_modalities * own);
  for (int64_t m = 0; m < num_modalities; ++m) {
    const bool is_patch = s.is_continuous(m);
    counts.active.push_back(s.num_blocks * (shared + own) + s.hidden_size +
                            (is_patch ? patches : counts.embedding));
  }
  return counts;
}

std::vector<TokenFlops> flops_per_token(const ModelSpec& s) {
  TokenFlops block;
  for (const Projection& p : projections(s)) block.gemm += 2.0 * static_cast<double>(p.in * p.out);
  block.conv = 2.0 * static_cast<double>(s.conv_kernel * s.intermediate_size);
  block.scan = static_cast<double>(s.intermediate_size) * (7.0 * static_cast<double>(s.state_size) + 8.0);
  std::vector<TokenFlops> flops;
  for (int64_t m = 0; m < static_cast<int64_t>(s.modalities.size()); ++m) {
    const double blocks = static_cast<double>(s.num_blocks);
    TokenFlops token{blocks * block.gemm, blocks * block.conv, blocks * block.scan};
    const bool is_patch = s.is_continuous(m);
    const double hidden = static_cast<double>(s.hidden_size);
    if (is_patch) {
      token.gemm += 4.0 * hidden * static_cast<double>(s.patch_width());
      // The timestep's small network runs once a picture.
      token.gemm += 2.0 * hidden * (hidden + kTimestepFeatures) / static_cast<double>(s.patches_per_image());
    } else {
      token.gemm += 2.0 * hidden * static_cast<double>(s.vocab_size);
    }
    flops.push_back(token);
  }
  return flops;
}

int64_t state_bytes(const ModelSpec& s) {
  return s.num_blocks * s.intermediate_size * (s.state_size + s.conv_kernel - 1) * 4;
}

OrderedJson inspect_json(const ModelSpec& spec) {
  const ParameterCounts counts = count_parameters(spec);
  const std::vector<TokenFlops> flops = flops_per_token(spec);
  OrderedJson json;
  json["backbone"] = spec.model_type;
  json["setting"] = spec.setting;
  json["d_model"] = spec.hidden_size;
  json["blocks"] = spec.num_blocks;
  json["vocabulary"] = spec.vocab_size;
  json["decoupled"] = spec.decoupled;
  json["parameters"]["total"] = counts.total;
  json["parameters"]["embedding"] = counts.embedding;
  for (size_t m = 0; m < spec.modalities.size(); ++m) {
    json["parameters"]["active"][spec.modalities[m]] = counts.active[m];
    json["flops_per_token"][spec.modalities[m]] = flops[m].total();
  }
  json["state_bytes"] = state_bytes(spec);
  return json;
}

}  // namespace mom::models
