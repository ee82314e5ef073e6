#include "mom/quality/probe.h"

#include <torch/types.h>

#include <set>

namespace mom::quality {
namespace {

constexpr double kRidges[] = {0.01, 0.1, 1, 10};  // of the features' variance, times N
constexpr int64_t kAside = 10;                    // every tenth image

at::Tensor solve(const at::Tensor& features_NF, const at::Tensor& targets_NW, double ridge) {
  const int64_t num_images = features_NF.size(0), num_features = features_NF.size(1);
  const at::Tensor gram_FF =
      features_NF.t().matmul(features_NF) +
      ridge * static_cast<double>(num_images) * torch::eye(num_features, features_NF.options());
  return torch::linalg_solve(gram_FF, features_NF.t().matmul(targets_NW));
}

at::Tensor to_length_1(const at::Tensor& rows) {
  return rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace

CaptionProbe::CaptionProbe(const at::Tensor& features_NF, const std::vector<std::vector<int32_t>>& captions) {
  TORCH_CHECK(features_NF.dim() == 2 && features_NF.size(0) == std::ssize(captions) && !captions.empty(),
              "[CaptionProbe] expected features [N, F] and N captions, got ", features_NF.sizes(), " and ",
              captions.size());
  std::map<int32_t, int64_t> num_captions;
  for (const std::vector<int32_t>& caption : captions)
    for (const int32_t token : std::set<int32_t>(caption.begin(), caption.end())) ++num_captions[token];
  std::vector<double> weights;
  for (const auto& [token, count] : num_captions) {
    if (count < 2) continue;
    columns_[token] = std::ssize(weights);
    weights.push_back(std::log(static_cast<double>(captions.size()) / static_cast<double>(count)));
  }
  weights_W_ = torch::tensor(weights, torch::kFloat64);
  mean_F_ = features_NF.mean(0);
  scale_F_ = features_NF.std(0, /*unbiased=*/false).clamp_min(1e-12);
  const at::Tensor words_NW = words_of(captions), inputs_NF = scaled(features_NF);
  mean_W_ = words_NW.mean(0);
  const at::Tensor targets_NW = words_NW - mean_W_;

  const at::Tensor aside_N = torch::arange(features_NF.size(0)).remainder(kAside).eq(0);
  const at::Tensor kept = aside_N.logical_not().nonzero().squeeze(1), aside = aside_N.nonzero().squeeze(1);
  const at::Tensor read_from = inputs_NF.index_select(0, aside), wanted = targets_NW.index_select(0, aside);
  double best = -2;
  for (const double ridge : kRidges) {
    if (kept.size(0) == 0) break;
    const at::Tensor read =
        read_from.matmul(solve(inputs_NF.index_select(0, kept), targets_NW.index_select(0, kept), ridge));
    const double agreement = (to_length_1(read) * to_length_1(wanted)).sum(1).mean().item<double>();
    if (agreement > best) best = agreement, ridge_ = ridge;
  }
  coefficients_FW_ = solve(inputs_NF, targets_NW, std::max(ridge_, kRidges[0]));
}

at::Tensor CaptionProbe::words_of(const std::vector<std::vector<int32_t>>& captions) const {
  const at::Tensor words = torch::zeros({std::ssize(captions), weights_W_.size(0)}, torch::kFloat64);
  auto words_CW = words.accessor<double, 2>();
  const double* weight = weights_W_.const_data_ptr<double>();
  for (size_t i = 0; i < captions.size(); ++i)
    for (const int32_t token : captions[i])
      if (const auto column = columns_.find(token); column != columns_.end())
        words_CW[static_cast<int64_t>(i)][column->second] = weight[column->second];
  return to_length_1(words);
}

at::Tensor CaptionProbe::scaled(const at::Tensor& features_NF) const {
  return (features_NF - mean_F_) / scale_F_;
}

at::Tensor CaptionProbe::similarities(const at::Tensor& features_NF,
                                      const std::vector<std::vector<int32_t>>& captions) const {
  const at::Tensor read_NW = scaled(features_NF).matmul(coefficients_FW_);
  return to_length_1(read_NW).matmul(to_length_1(words_of(captions) - mean_W_).t());
}

}  // namespace mom::quality
