// How runs with experts use them, compared with mixtures by modality, which have no router.
#include <algorithm>
#include <cmath>

#include "mom/compare/number_text.h"
#include "mom/report/cells.h"
#include "mom/report/charts.h"
#include "mom/report/expert_use.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using compare::fixed;
using compare::percent_text;
using runs::RunFolder;

bool experts_choose(const RunFolder& run) { return run.recipe_value("model.router") == "expert_choice"; }

// Shades for more and for less than an even share: none at 1, full where an expert gets all choices or none.
std::string heat_cell(double share, size_t num_experts, bool largest) {
  const double times_even = share * static_cast<double>(num_experts);
  const bool over = times_even > 1;
  const double range = std::log2(static_cast<double>(num_experts));
  const double depth = over ? std::log2(times_even) / range : 1 - times_even;
  const std::string text = percent_text(share);
  return std::string("<td class=\"") + (over ? "over" : "under") +
         "\" style=\"--depth:" + fixed(std::clamp(depth, 0.0, 1.0) * 100, 0) + "%\">" +
         (largest ? "<b>" + text + "</b>" : text) + "</td>";
}

std::string heat_row(int64_t block, const std::vector<double>& shares) {
  const double largest = *std::max_element(shares.begin(), shares.end());
  const double times_even = largest * static_cast<double>(shares.size());
  std::string out = "<tr><th scope=\"row\">" + std::to_string(block) + "</th><td class=\"times\">" +
                    fixed(times_even, 2) + " &times;</td>";
  for (const double share : shares)
    out += heat_cell(share, shares.size(), share == largest && times_even > 1.005);
  return out + "</tr>\n";
}

// Block by expert, scrolling sideways where there are many experts.
std::string heat_table(const ExpertShares& shares, int64_t num_experts) {
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table class=\"heat\"><caption>" +
                    escape(shares.modality) +
                    "</caption><thead><tr><th scope=\"col\" rowspan=\"2\">block</th><th scope=\"col\" "
                    "rowspan=\"2\">largest / even</th><th scope=\"colgroup\" colspan=\"" +
                    std::to_string(num_experts) + "\">expert</th></tr><tr>";
  for (int64_t expert = 0; expert < num_experts; ++expert)
    out += "<th scope=\"col\">" + std::to_string(expert) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& [block, row] : shares.by_block) out += heat_row(block, row);
  return out + "</tbody></table></div>\n";
}

// "31.2% of the choices of all tokens (expert 1 of block 3), 1.25 times an even share", later ones shorter.
std::string busiest_text(const ExpertShares& shares, const BusiestExpert& most, bool first) {
  const std::string whose = shares.modality == kAllTokens ? kAllTokens : shares.modality + " tokens";
  return percent_text(most.share) + (first ? " of the choices of " : " of those of ") + whose + " (expert " +
         std::to_string(most.expert) + " of block " + std::to_string(most.block) + "), " +
         fixed(most.times_even, 2) + " times" + (first ? " an even share" : "");
}

// Experts that choose take equally many tokens each.
std::string busiest_texts(const ExpertUse& use, bool experts_choose) {
  std::string out;
  for (const ExpertShares& shares : use.shares) {
    const auto most = busiest(shares);
    if (!most || (experts_choose && shares.modality == kAllTokens)) continue;
    out += (out.empty() ? "The busiest expert takes " : "; ") + busiest_text(shares, *most, out.empty());
  }
  return (experts_choose ? "Each expert chooses equally many tokens. " : "") + out +
         (out.empty() ? "" : ". ");
}

std::string uneven_text(const ExpertUse& use, bool experts_choose) {
  std::string out = busiest_texts(use, experts_choose);
  if (use.dropped)
    out += percent_text(*use.dropped) + (experts_choose
                                             ? " of the tokens are taken by no expert. "
                                             : " of the choices find their expert full and are dropped. ");
  if (use.entropy)
    out += "The router's entropy is " + percent_text(*use.entropy) + " of log " +
           std::to_string(use.num_experts) + ", that of a router without preference. ";
  if (use.balance) out += "Balance loss " + fixed(*use.balance, 3) + " (even: 1). ";
  if (use.num_idle > 0)
    out += std::to_string(use.num_idle) + " of the " + std::to_string(use.num_in_all_blocks) +
           " experts get less than a tenth of an even share. ";
  return out;
}

std::string run_html(const Subject& subject, size_t index, const ExpertUse& use) {
  const RunFolder& run = subject.runs[index];
  std::string out =
      "<h3>" + run_name(subject, index) + "</h3>\n<p>" +
      escape("Steps " + std::to_string(use.first_step) + " to " + std::to_string(use.last_step) +
             ", the last fifth. " + uneven_text(use, experts_choose(run))) +
      "</p>\n<div class=\"heats\" style=\"--experts:" + std::to_string(use.num_experts) + "\">\n";
  for (const ExpertShares& shares : use.shares) {
    if (busiest(shares)) out += heat_table(shares, use.num_experts);  // speech may not have come up
  }
  return out + "</div>\n";
}

std::string times_cell(const ExpertUse& use) {
  std::string all, modalities;
  for (const ExpertShares& shares : use.shares) {
    const auto most = busiest(shares);
    const std::string text = most ? fixed(most->times_even, 2) + " &times;" : kAbsent;
    if (shares.modality == kAllTokens)
      all = text;
    else
      modalities += (modalities.empty() ? "" : ", ") + escape(shares.modality) + " " + text;
  }
  return with_small(all, modalities);
}

std::vector<std::string> overview_row(const Subject& subject, size_t index) {
  const RunFolder& run = subject.runs[index];
  const auto use = expert_use(run);
  if (!use)
    return {run_name(subject, index), "the token&rsquo;s modality", "nothing to even out", "none", kAbsent};
  const std::string entropy =
      use->entropy ? with_small(percent_text(*use->entropy), "of log " + std::to_string(use->num_experts))
                   : kAbsent;
  return {run_name(subject, index),
          experts_choose(run) ? "the experts, by a router" : "a router, token by token", times_cell(*use),
          use->dropped ? percent_text(*use->dropped) : kAbsent, entropy};
}

std::string experts_overview(const Subject& subject) {
  Cells rows;
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    const RunFolder& run = subject.runs[i];
    const bool by_modality = run.is_mixture() && !run.has_experts();
    if (by_modality || expert_use(run)) rows.push_back(overview_row(subject, i));
  }
  return table(
      {"Who chooses the weights", "chosen by", "largest share / even", "without a place", "router entropy"},
      rows, true);
}

}  // namespace

std::string experts_section(const Subject& subject) {
  std::string runs;
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    if (const auto use = expert_use(subject.runs[i])) runs += run_html(subject, i, *use);
  }
  if (runs.empty()) return "";
  return "<section id=\"experts\"><h2>Use of the experts</h2>\n<p>A learned router has to keep its experts "
         "evenly used: an expert has places for its even share times the capacity factor, and choices beyond "
         "them are dropped while training. Weights per modality (Mixture-of-Mamba, Mixture-of-Transformers) "
         "follow from the token itself: no router, no capacity, no balance loss.</p>\n" +
         experts_overview(subject) + runs +
         "<p class=\"remark\">Tables: share of a block&rsquo;s choices that fell on each expert, before "
         "any is dropped; the largest of a row in bold. Orange: more than an even share, blue: less, "
         "deeper with the distance. Blocks and experts are numbered from 0, as in the "
         "weights.</p>\n<h3>Over the training</h3>\n<div id=\"expert-charts\"></div>\n</section>\n";
}

}  // namespace mom::report
