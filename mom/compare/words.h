// A comparison in words: numbers as people read them, the table, and verdicts that say who won and who lost.
#pragma once

#include <string>
#include <vector>

#include "mom/compare/compare.h"

namespace mom::compare {

std::string fixed(double value, int decimals);
std::string loss_text(double loss);      // "0.1495", "4.560"
std::string percent_text(double part);   // 0.0742 -> "7.4%"
std::string match_text(const Row& row);  // "62.1%", "not reached", "not measured"
std::string slope_text(const Row& row);  // "64.0%", "not computable"
std::string set_text(const std::string& set,
                     const std::string& modality);  // "held-out concepts, captions (noto)"

// "image, held-out concepts (noto): Mixture-of-Mamba wins. Loss 0.1385 against 0.1495, ..."
std::string row_verdict(const Comparison& comparison, const Row& row);
// "Per step MoE-Mamba with 4 experts takes 1.21 x the FLOPs of dense Mamba."; empty when they cost the same to 1%.
std::string flops_text(const Comparison& comparison);
// The modalities of the chosen set in one sentence, without `overall`, and what a step costs where that differs.
std::string verdict(const Comparison& comparison);
// Aligned columns for a terminal, a line each, then a verdict a row, then warnings.
std::string table_text(const Comparison& comparison);

}  // namespace mom::compare
