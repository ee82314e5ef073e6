// What the paper printed about Mixture-of-Mamba against dense Mamba (arXiv 2501.16295), to stand beside our
// numbers. Its models, data and losses differ from ours, so its figures are no target for our runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mom::report {

struct Published {
  std::string setting, modality;
  std::string parameters;                // of the models: "1.4B"
  std::optional<double> loss;            // Mixture-of-Mamba's training loss; nats per token, or noise MSE
  std::optional<double> gain;            // over dense Mamba, a part
  std::optional<double> flops_to_match;  // a part of dense Mamba's training FLOPs
  std::string remark;                    // where it has words in place of a number
};

const std::vector<Published>& published();

}  // namespace mom::report
