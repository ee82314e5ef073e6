#include "mom/quality/likelihood.h"

#include <torch/types.h>
#include <torch/utils.h>

namespace mom::quality {

std::vector<double> log_likelihoods(models::ModelImpl& model,
                                    const std::vector<Continuation>& continuations) {
  const torch::NoGradGuard no_grad;
  std::vector<generate::Feed> feeds;
  std::vector<int64_t> targets;
  for (const Continuation& one : continuations) {
    TORCH_CHECK(!one.text.empty(), "[log_likelihoods] expected text, got none");
    generate::Feed& feed = feeds.emplace_back(one.before);
    // The last token is only predicted.
    for (size_t i = 0; i + 1 < one.text.size(); ++i) feed.append(one.text[i]);
    targets.insert(targets.end(), one.text.begin(), one.text.end());
  }
  models::ModelInput input = generate::packed(model.spec(), feeds);
  const auto offsets = input.routing.offsets_S1.accessor<int64_t, 1>();
  std::vector<int64_t> positions;  // those that predict
  for (size_t s = 0; s < continuations.size(); ++s) {
    const int64_t end = offsets[static_cast<int64_t>(s) + 1];
    for (int64_t t = end - std::ssize(continuations[s].text); t < end; ++t) positions.push_back(t);
  }
  const at::Tensor rows = input.routing.order_T.index_select(0, torch::tensor(positions, torch::kInt64));
  input.move_to(model.device());
  const at::Tensor logits_RV =
      model.logits(model.forward(input).index_select(0, rows.to(model.device()))).cpu();
  const at::Tensor chosen_R = logits_RV.log_softmax(1)
                                  .gather(1, torch::tensor(targets, torch::kInt64).unsqueeze(1))
                                  .to(torch::kFloat64);
  const double* chosen = chosen_R.const_data_ptr<double>();
  std::vector<double> sums;
  for (const Continuation& one : continuations) {
    double sum = 0;
    for (size_t i = 0; i < one.text.size(); ++i) sum += *chosen++;
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace mom::quality
