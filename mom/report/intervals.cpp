#include "mom/report/intervals.h"

#include <algorithm>

#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"

namespace mom::report {
namespace {

using compare::fixed;

constexpr double kWidth = 120, kHeight = 12, kMargin = 5;  // of a plot, in units of its viewBox

double place(double value, const Scale& scale) {
  const double part = std::clamp((value - scale.low) / (scale.high - scale.low), 0.0, 1.0);
  return kMargin + part * (kWidth - 2 * kMargin);
}

std::string line(double x1, double y1, double x2, double y2, const char* kind) {
  return std::string("<line class=\"") + kind + "\" x1=\"" + fixed(x1, 1) + "\" y1=\"" + fixed(y1, 1) +
         "\" x2=\"" + fixed(x2, 1) + "\" y2=\"" + fixed(y2, 1) + "\"/>";
}

std::string whisker(const Summary& summary, const Scale& scale) {
  if (!summary.interval) return "";
  const double low = place(summary.interval->low, scale), high = place(summary.interval->high, scale);
  return line(low, kHeight / 2, high, kHeight / 2, "whisker") + line(low, 3, low, kHeight - 3, "whisker") +
         line(high, 3, high, kHeight - 3, "whisker");
}

std::string svg(const std::string& inside) {
  return "<svg class=\"plot\" aria-hidden=\"true\" viewBox=\"0 0 " + fixed(kWidth, 0) + " " +
         fixed(kHeight, 0) + "\">" + inside + "</svg>";
}

std::string interval_html(const Summary& summary, std::string (*text)(double)) {
  if (!summary.interval) return "";
  return " <small class=\"interval\">[" + text(summary.interval->low) + ", " + text(summary.interval->high) +
         "]</small>";
}

std::string gain_with_outcome(double gain, compare::Outcome outcome) {
  const std::string name = compare::outcome_name(outcome);
  return "<span class=\"gain " + name + "\">" +
         (compare::outcome_of(gain) == compare::Outcome::kBetter ? "+" : "") + compare::percent_text(gain) +
         " <small>" + name + "</small></span>";
}

}  // namespace

Scale scale_of(const std::vector<const Summary*>& summaries, bool zero) {
  std::vector<double> values;
  if (zero) values.push_back(0);
  for (const Summary* summary : summaries) {
    if (summary->mean) values.push_back(*summary->mean);
    if (summary->interval) values.insert(values.end(), {summary->interval->low, summary->interval->high});
  }
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *low < *high ? Scale{*low, *high} : Scale{*low - 1, *low + 1};
}

std::string bar_plot(const Summary& summary, const Scale& scale) {
  if (!summary.mean) return "";
  const double zero = place(0, scale), mean = place(*summary.mean, scale);
  const std::string bar = "<rect class=\"" + std::string(*summary.mean < 0 ? "worse" : "better") + "\" x=\"" +
                          fixed(std::min(zero, mean), 1) + "\" y=\"3\" width=\"" +
                          fixed(std::abs(mean - zero), 1) + "\" height=\"" + fixed(kHeight - 6, 0) + "\"/>";
  return svg(bar + line(zero, 0, zero, kHeight, "zero") + whisker(summary, scale));
}

std::string dot_plot(const Summary& summary, const Scale& scale, size_t run) {
  if (!summary.mean) return "";
  return svg(line(kMargin, kHeight / 2, kWidth - kMargin, kHeight / 2, "rail") + whisker(summary, scale) +
             "<circle cx=\"" + fixed(place(*summary.mean, scale), 1) + "\" cy=\"" + fixed(kHeight / 2, 0) +
             "\" r=\"4\" style=\"fill:var(--" + colour_class(run) + ")\"/>");
}

std::string with_interval(const Summary& summary, std::string (*text)(double)) {
  if (!summary.mean) return compare::kNotMeasured;
  return text(*summary.mean) + interval_html(summary, text);
}

std::string gain_html(double gain) { return gain_with_outcome(gain, compare::outcome_of(gain)); }

std::string gain_html(const Summary& gain) {
  if (!gain.mean) return compare::kNotMeasured;
  return gain_with_outcome(*gain.mean, compare::outcome_of(gain)) +
         interval_html(gain, compare::percent_text);
}

std::string match_html(const study::Row& row, const Summary& amount, const char* never) {
  return amount.mean
             ? with_interval(amount, compare::percent_text)
             : "<span class=\"each\">" + escape(compare::match_text(row.match, amount, never)) + "</span>";
}

std::string loss_html(const Summary& loss) { return with_interval(loss, compare::loss_text); }

}  // namespace mom::report
