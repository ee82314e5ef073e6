// What came out: verdict, results, notes, definitions.
#include <algorithm>
#include <map>
#include <set>

#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/report/cells.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/intervals.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using compare::Comparison;
using compare::Row;

// The number, and a bar as long as the part of dense's FLOPs.
std::string match_cell(const Row& row, const std::string& colour) {
  const std::string text = escape(compare::match_text(row));
  if (!row.flops_to_match) return text;
  const std::string width = compare::fixed(std::min(*row.flops_to_match, 1.0) * 100, 1);
  return text + "<span class=\"bar\" aria-hidden=\"true\"><span class=\"" + colour +
         "\" style=\"width:" + width + "%\"></span></span>";
}

std::string comparison_table(const Subject& subject, const Comparison& comparison) {
  const size_t dense = index_of(subject, comparison.dense_path), mix = index_of(subject, comparison.mix_path);
  Cells rows;
  for (const Row& row : comparison.rows) {
    rows.push_back({row_name(subject.set_titles, row.set, row.modality), compare::loss_text(row.dense_loss),
                    compare::loss_text(row.mix_loss), gain_html(row.gain), match_cell(row, colour_class(mix)),
                    escape(compare::slope_text(row))});
  }
  return table({"Held-out loss", run_name(subject, dense), run_name(subject, mix), "Gain", "FLOPs to match",
                "by slope"},
               rows, true);
}

std::vector<std::string> overview_row(const Subject& subject, const Row& row, bool from_file) {
  std::vector<std::optional<double>> losses;
  std::optional<double> lowest;
  for (const auto& run : subject.runs) {
    losses.push_back(
        compare::final_loss(run, row.set, row.modality, subject.comparisons.front().trained, from_file));
    if (losses.back() && (!lowest || *losses.back() < *lowest)) lowest = losses.back();
  }
  std::vector<std::string> cells = {row_name(subject.set_titles, row.set, row.modality)};
  for (const auto& loss : losses) {
    const std::string text = loss ? compare::loss_text(*loss) : kAbsent;
    cells.push_back(loss && loss == lowest ? with_small("<b>" + text + "</b>", "lowest") : text);
  }
  return cells;
}

// The final losses of all runs, the lowest in bold: three or more runs are hard to see together in pairs.
std::string overview(const Subject& subject) {
  if (subject.runs.size() < 3) return "";
  const bool from_file = std::all_of(subject.runs.begin(), subject.runs.end(), compare::evaluated_at_end);
  Cells rows;
  for (const Row& row : subject.comparisons.front().rows)
    rows.push_back(overview_row(subject, row, from_file));
  return "<h3>All runs</h3>\n" + table(run_head(subject, "Held-out loss"), rows, true);
}

std::string flat_remark(const Comparison& comparison) {
  std::string out;
  for (const Row& row : comparison.rows) {
    if (!row.dense_self_match || *row.dense_self_match >= 0.95) continue;
    out += "<p class=\"remark\">" +
           escape(row.modality + ", " + runs::set_text(comparison.set_titles, row.set) +
                  ": the smoothed curve of " + comparison.dense_name +
                  " is flat at the end; it has its final value after " +
                  compare::percent_text(*row.dense_self_match) +
                  " of its own FLOPs, so compare FLOPs to match with that, not with 100%.") +
           "</p>\n";
  }
  return out;
}

// Models with several seeds would show a spread; with one there is none to show.
std::string seed_remark(const Subject& subject) {
  std::set<std::string> seeds;
  for (const auto& run : subject.runs) seeds.insert(run.recipe_value("seed", "unknown"));
  if (seeds.size() > 1) return "";
  return "<p class=\"remark\">One seed (" + escape(*seeds.begin()) +
         "): differences between seeds are not measured here.</p>\n";
}

std::string single_run_summary(const runs::RunFolder& run) {
  std::string out = "<p class=\"verdict\">" + escape(run.model_name()) + ", " +
                    std::to_string(run.final_step()) + " steps in the setting " + escape(run.setting()) + ".";
  for (const auto& [set, points] : run.evals) {
    for (const auto& [modality, loss] : points.back().losses) {
      out += " Held-out " + escape(modality) + " loss, " + escape(runs::set_text(run.set_titles, set)) +
             ": <b>" + compare::loss_text(loss) + "</b>.";
    }
  }
  return out + "</p>\n";
}

}  // namespace

std::string verdict_section(const Subject& subject) {
  std::string out;
  if (subject.comparisons.empty()) {
    for (const auto& run : subject.runs) out += single_run_summary(run);
    return out + "<p class=\"remark\">No verdict: that takes runs of two backbones.</p>\n";
  }
  std::map<std::string, int> count;
  for (const Comparison& comparison : subject.comparisons) ++count[comparison.mix_name];
  for (const Comparison& comparison : subject.comparisons) {
    const std::string lead = count[comparison.mix_name] > 1
                                 ? "<b>" + escape(comparison.mix_path.filename().string()) + ":</b> "
                                 : "";
    out += std::string("<p class=\"verdict") + (subject.comparisons.size() > 2 ? " one-of-many" : "") +
           "\">" + lead + escape(compare::verdict(comparison)) + "</p>\n";
  }
  return out + seed_remark(subject);
}

std::string results_section(const Subject& subject) {
  if (subject.comparisons.empty()) return "";
  const auto labels = run_labels(subject.runs);
  std::string out = "<section id=\"results\"><h2>Gain and FLOPs to match</h2>\n" + overview(subject);
  for (const Comparison& comparison : subject.comparisons) {
    if (subject.comparisons.size() > 1) {
      out += "<h3>" +
             escape(labels[index_of(subject, comparison.mix_path)] + " against " +
                    labels[index_of(subject, comparison.dense_path)]) +
             "</h3>\n";
    }
    out += comparison_table(subject, comparison) + flat_remark(comparison);
    if (const std::string flops = compare::flops_text(comparison); !flops.empty())
      out += "<p class=\"remark\">" + escape(flops) +
             " Gain compares equal steps; FLOPs to match counts the FLOPs.</p>\n";
    for (const std::string& warning : comparison.warnings) {
      out += "<p class=\"warning\"><b>Not a clean comparison:</b> " + escape(warning) + ".</p>\n";
    }
  }
  std::set<std::string> sources;
  for (const Comparison& comparison : subject.comparisons) sources.insert(comparison.loss_source);
  out += "<p class=\"remark\">Losses: ";
  for (const std::string& source : sources)
    out += escape(source) + (source == *sources.rbegin() ? "" : ", or ");
  return out + ". Gain and FLOPs to match are defined <a href=\"#definitions\">below</a>.</p>\n</section>\n";
}

std::string curves_section() {
  return "<section id=\"curves\"><h2>Curves</h2>\n<div id=\"charts\"></div>\n<noscript><p "
         "class=\"warning\">The curves need "
         "JavaScript. Everything else on this page is readable without.</p></noscript>\n</section>\n";
}

std::string notes_html(const std::vector<std::string>& notes) {
  if (notes.empty()) return "";
  std::string out = "<section id=\"notes\"><h2>Not on this page</h2><ul>\n";
  for (const std::string& note : notes) out += "<li>" + escape(note) + ".</li>\n";
  return out + "</ul></section>\n";
}

std::string definitions_html(const modality::TrainedSum& trained) {
  std::string overall = "the mean over all tokens of the set.";
  if (trained.weight > 0) {
    const std::string number =
        compare::fixed(trained.weight, trained.weight == static_cast<int>(trained.weight) ? 0 : 2);
    overall = trained.tokens + " loss + " + number + " &times; " + trained.latents +
              " loss, the sum that is trained (objective.image_weight in the recipe). The paper does "
              "not print its formula for overall loss; this one fits the size of its numbers.";
  }
  return "<section id=\"definitions\"><h2>What the numbers mean</h2><dl>\n"
         "<dt>Loss</dt><dd>Tokens (text, codes of images and speech): nats a token, counted to the modality "
         "of the "
         "token that is predicted. Images as latents: mean squared error of the predicted noise. Lower is "
         "better.</dd>\n"
         "<dt>Gain</dt><dd>(baseline &minus; run) / baseline, from the final held-out losses, after as many "
         "steps and tokens. Above zero the run is better than its baseline.</dd>\n"
         "<dt>FLOPs to match</dt><dd>The training FLOPs after which the run first has its baseline&rsquo;s "
         "final loss, as a part of the baseline&rsquo;s FLOPs. What a step costs more or less is in it. "
         "&lsquo;Not reached&rsquo;: it never had that loss in this training.</dd>\n"
         "<dt>By slope</dt><dd>For every loss on the baseline&rsquo;s curve, the FLOPs y at which the run "
         "has it "
         "against the FLOPs x at which the baseline has it; the "
         "slope of y on x through the origin. It looks at the whole training, not at the end only.</dd>\n"
         "<dt>Overall</dt><dd>" +
         overall +
         "</dd>\n"
         "<dt>Smoothing</dt><dd>FLOPs to match are read from smoothed held-out curves, linear between "
         "evaluations: at each evaluation a least-squares line over "
         "up to two evaluations on either side, against the logarithm of the FLOPs, and then the nearest "
         "curve that never rises. Gain uses losses as measured. "
         "Training curves are exponential averages with a half-life of 2% of the steps.</dd>\n"
         "<dt>FLOPs</dt><dd>Analytic, forward and backward, one multiply-add = 2, summed over the tokens "
         "really trained on.</dd>\n"
         "</dl></section>\n";
}

}  // namespace mom::report
