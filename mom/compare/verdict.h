// The words of verdicts, and the only place that chooses them: whether a model is better than its baseline, and whether
// it reaches the baseline's final loss. The tables of `mom compare`, the README of a study and the pages take them from
// here, for one pair of runs as for several seeds.
//
//   better, worse   by the sign of the gain; with several seeds only when the interval of its mean has one sign
//   equal           the gain prints as 0.0%; with several seeds its mean does, and the interval has one sign or prints
//                   as 0.0% at both ends
//   undecided       several seeds, and the interval of their mean gain holds both signs
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mom/compare/compare.h"
#include "mom/compare/statistics.h"

namespace mom::compare {

enum class Outcome { kBetter, kWorse, kEqual, kUndecided };
Outcome outcome_of(double gain);
Outcome outcome_of(const Summary& gain);    // it has a mean
const char* outcome_name(Outcome outcome);  // "better", "worse", "equal", "undecided"

// "better with 3 of 3 seeds", "undecided, better with 1 of 3 seeds"; "better" with one seed; "not measured".
std::string outcome_text(const Summary& gain);

inline constexpr const char* kNotMeasured = "not measured";
inline constexpr const char* kNotReached = "not reached";
inline constexpr const char* kNotComputable = "not computable";  // by slope

std::string match_text(const Row& row);  // "62.1%", "not reached", "not measured"
std::string slope_text(const Row& row);  // "64.0%", "not computable"
// An amount to match (FLOPs, tokens, seconds) over seeds: the mean with its interval, or each seed's amount when some
// never get there, whose amount is `never`; "not measured".
std::string match_text(const std::vector<Match>& matches, const Summary& amount, const char* never);

// Whether the baseline's curve is flat or rises at its end, so that a match says little.
bool is_flat(const Row& row);
// "reaches the baseline's final loss with 62.1% of its FLOPs", "does not reach the baseline's final loss",
// "FLOPs to match not measured"; of a flat one "..., the baseline itself with 30.0%".
std::string reach_text(const Row& row);
// "reaches the baseline's final loss with 2 of 3 seeds".
std::string reach_text(const std::vector<Match>& matches);

// "better (loss 0.1385 against 0.1495, gain 7.4%, reaches the baseline's final loss with 62.1% of its FLOPs)"
std::string verdict(const Row& row);
// "Mixture-of-Mamba against dense Mamba on held-out data: image better (loss 0.1385 against 0.1495, gain 7.4%, reaches
// the baseline's final loss with 62.1% of its FLOPs); text worse (...)." The modalities of the chosen set without
// `overall`, then flops_text. Of several sets alike "image better on 2 of 6 sets, worse on 4 (gain -1.0% to 1.4%)".
std::string verdict(const Comparison& comparison);
// The same with several seeds, of the given modalities: "A against B on held-out data: image better with 3 of 3 seeds
// (gain 1.6%); text undecided, better with 1 of 3 seeds (gain -0.5%)."; of one seed "..., one seed: image better ...".
std::string verdict(const std::string& model, const std::string& baseline,
                    const std::vector<std::pair<std::string, const Summary*>>& gains);
// "Per step MoE-Mamba with 4 experts takes 1.21 x the FLOPs of dense Mamba."; empty when they cost the same to 1%.
std::string flops_text(const Comparison& comparison);

}  // namespace mom::compare
