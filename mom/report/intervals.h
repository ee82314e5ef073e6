// Means over seeds as small plots: plain SVG, so that they are there without scripts and on paper. The numbers stand
// beside them as text; screen readers skip the plots.
#pragma once

#include <string>
#include <vector>

#include "mom/study/results_file.h"

namespace mom::report {

using study::Summary;

struct Scale {
  double low = 0, high = 1;
};

// From the least to the greatest of means and interval ends; with `zero`, around 0 as well. Never empty.
Scale scale_of(const std::vector<const Summary*>& summaries, bool zero);

// A bar from 0 to the mean, coloured by its sign, and a whisker along the interval. Empty when not measured.
std::string bar_plot(const Summary& summary, const Scale& scale);
// A dot at the mean in the colour of `run`, and a line along the interval.
std::string dot_plot(const Summary& summary, const Scale& scale, size_t run);

// "+1.6% better", coloured (compare/verdict.h), and the interval in small print.
std::string gain_html(const Summary& gain);
std::string gain_html(double gain);
// "0.2223" and the interval in small print.
std::string loss_html(const Summary& loss);
// FLOPs, tokens or seconds to match: their mean with its interval, or each seed's where some never get there.
std::string match_html(const study::Row& row, const Summary& amount, const char* never);
// A mean and its interval in any words.
std::string with_interval(const Summary& summary, std::string (*text)(double));

}  // namespace mom::report
