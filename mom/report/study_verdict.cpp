// The first screen: the verdict in a sentence and in a table beside the paper's figures; and what is missing.
#include "mom/compare/compare.h"
#include "mom/compare/number_text.h"
#include "mom/compare/verdict.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/intervals.h"
#include "mom/report/published.h"
#include "mom/report/study_csv.h"
#include "mom/report/study_sections.h"
#include "mom/report/study_sweep.h"
#include "mom/study/config.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::GroupResult;
using study::Named;
using study::Row;
using study::StudyResults;

template <class Visit>
void for_each_verdict(const StudyResults& results, const Visit& visit) {
  for (const GroupResult& group : results.groups)
    for (const ArmResult* arm : verdict_arms(group)) visit(group, *arm);
}

std::string sentence(const GroupResult& group, const ArmResult& arm) {
  std::vector<std::pair<std::string, const Summary*>> gains;
  for (const auto& [modality, row] : arm.verdict_rows()) gains.emplace_back(modality, &row.gain);
  return group.name + ": " + compare::verdict(arm.model, arm.baseline_model, gains);
}

// The paper compares Mixture-of-Mamba with dense Mamba, and nothing else.
const Published* published_of(const StudyResults& results, const GroupResult& group, const ArmResult& arm,
                              const std::string& modality) {
  if (arm.name != study::kMixture || results.baseline != study::kDense) return nullptr;
  return find_published(setting_of(results, group), modality);
}

std::string paper_scale(const StudyResults& results, const GroupResult& group, const ArmResult& arm) {
  for (const auto& [modality, row] : arm.verdict_rows())
    if (const Published* found = published_of(results, group, arm, modality)) return found->parameters;
  return "";
}

bool has_paper(const StudyResults& results) {
  bool found = false;
  for_each_verdict(results, [&](const GroupResult& group, const ArmResult& arm) {
    found = found || !paper_scale(results, group, arm).empty();
  });
  return found;
}

std::string cell(const char* label, const std::string& html, const char* kind = "") {
  return "<td" + (*kind ? " class=\"" + std::string(kind) + "\"" : std::string()) + " data-label=\"" + label +
         "\">" + html + "</td>";
}

std::string paper_cells(const Published* paper) {
  const auto number = [](const std::optional<double>& value, std::string (*text)(double)) {
    return value ? text(*value) : std::string(kAbsent);
  };
  if (!paper)
    return cell("paper: loss", kAbsent, "paper") + cell("paper: gain", kAbsent, "paper") +
           cell("paper: FLOPs to match", kAbsent, "paper");
  const std::string gain = paper->gain || paper->remark.empty()
                               ? number(paper->gain, compare::percent_text)
                               : "<small>&ldquo;" + escape(paper->remark) + "&rdquo;</small>";
  const auto four_digits = [](double loss) { return compare::fixed(loss, 4); };
  return cell("paper: loss", number(paper->loss, four_digits), "paper") + cell("paper: gain", gain, "paper") +
         cell("paper: FLOPs to match", number(paper->flops_to_match, compare::percent_text), "paper");
}

std::string verdict_rows(const StudyResults& results, const GroupResult& group, const ArmResult& arm,
                         bool paper, const Scale& scale) {
  const std::string scale_of_paper = paper_scale(results, group, arm);
  std::string html =
      "<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"5\">" + escape(group.name) +
      " <span class=\"set\">" +
      escape(arm.model + ", " + std::to_string(arm.seeds.size()) +
             (arm.seeds.size() == 1 ? " seed; " : " seeds; ") + runs::set_text(results.set_titles, arm.set)) +
      "</span></th>";
  if (paper)
    html += "<td class=\"paper\" colspan=\"3\">" +
            (scale_of_paper.empty() ? kAbsent : scale_of_paper + " parameters") + "</td>";
  html += "</tr>\n";
  for (const auto& [modality, row] : arm.verdict_rows()) {
    html += "<tr><th scope=\"row\"><b>" + escape(modality) + "</b></th>" +
            cell("baseline&rsquo;s loss", loss_html(row.dense_loss)) +
            cell("model&rsquo;s loss", loss_html(row.mix_loss)) +
            cell("gain", gain_html(row.gain) + bar_plot(row.gain, scale)) +
            cell("FLOPs to match", match_html(row, row.flops_to_match, compare::kNotReached));
    if (paper) html += paper_cells(published_of(results, group, arm, modality));
    html += "</tr>\n";
  }
  return html + "</tbody>";
}

std::string verdict_table(const StudyResults& results) {
  const bool paper = has_paper(results);
  std::vector<const Summary*> gains;
  for_each_verdict(results, [&](const GroupResult&, const ArmResult& arm) {
    for (const auto& [modality, row] : arm.verdict_rows()) gains.push_back(&row.gain);
  });
  if (gains.empty()) return "";
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Verdict table\"><table "
      "class=\"numbers "
      "verdicts\"><thead><tr><th scope=\"col\" rowspan=\"2\">Held-out data</th><th scope=\"colgroup\" "
      "colspan=\"4\">This study</th>";
  if (paper)
    html +=
        "<th scope=\"colgroup\" colspan=\"3\" class=\"paper\">The paper: another scale, other data, "
        "training losses</th>";
  html +=
      "</tr><tr><th scope=\"col\">baseline&rsquo;s loss</th><th scope=\"col\">model&rsquo;s loss</th><th "
      "scope=\"col\">gain</th><th scope=\"col\">FLOPs to match</th>";
  if (paper)
    html +=
        "<th scope=\"col\" class=\"paper\">loss</th><th scope=\"col\" class=\"paper\">gain</th><th "
        "scope=\"col\" class=\"paper\">FLOPs to match</th>";
  html += "</tr></thead>\n";
  const Scale scale = scale_of(gains, true);
  for_each_verdict(results, [&](const GroupResult& group, const ArmResult& arm) {
    html += verdict_rows(results, group, arm, paper, scale);
  });
  html += "</table></div>\n";
  if (paper)
    html +=
        "<p class=\"remark\">The paper&rsquo;s figures are those printed for Mixture-of-Mamba against dense "
        "Mamba (" +
        std::string(kPublishedSource) +
        "): models of 1.4 to 1.5 billion parameters on the authors&rsquo; data, training losses, no "
        "intervals. They say what was claimed there; runs of this size neither confirm nor refute them. "
        "A dash: no figure found.</p>\n";
  return html;
}

// What brackets mean, once.
std::string seeds_remark(const StudyResults& results) {
  size_t count = 0;
  for (const GroupResult& group : results.groups)
    for (const std::string& arm : results.arms_of(group))
      count = std::max(count, results.runs_of(group, arm).size());
  std::string text;
  if (count == 0) return "";
  if (count == 1)
    text =
        "One seed: differences between seeds are not measured here, so there are no intervals, and a small "
        "difference may be chance.";
  else if (count <= 3)
    text = "In brackets: the range over the " + std::to_string(count) +
           " seeds, which is all an interval of so few can be. If no model were better, all " +
           std::to_string(count) + " would agree on the sign by chance in one case of " +
           (count == 2 ? "2" : "4") + ".";
  else
    text = "In brackets: the central 95% of 10,000 bootstrap means over the " + std::to_string(count) +
           " seeds.";
  bool compared = false;
  for_each_verdict(results, [&](const GroupResult&, const ArmResult&) { compared = true; });
  if (compared)
    text += " A gain below zero: the baseline is better; undecided: the brackets hold both signs.";
  return "<p class=\"remark\">" + text + "</p>\n";
}

std::string downloads(const StudySubject& subject) {
  std::string html = "<p class=\"downloads\">Every number of this page: ";
  bool first = true;
  for (const CsvFile& file : csv_files(subject)) {
    html += (first ? "" : ", ") + csv_link(file);
    first = false;
  }
  return html + "</p>\n";
}

}  // namespace

std::vector<std::string> study_verdicts(const StudyResults& results) {
  std::vector<std::string> verdicts;
  for_each_verdict(results, [&](const GroupResult& group, const ArmResult& arm) {
    verdicts.push_back(sentence(group, arm));
  });
  for (const Sweep& sweep : sweeps_of(results)) verdicts.push_back(sweep_sentence(results.set_titles, sweep));
  return verdicts;
}

std::string study_header(const StudySubject& subject) {
  std::vector<std::string> sentences = study_verdicts(subject.results);
  if (sentences.empty())
    sentences = {"No verdict: no two models of one group have finished with the same seed."};
  std::string html;
  for (const std::string& sentence : sentences)
    html += std::string("<p class=\"verdict") + (sentences.size() > 1 ? " one-of-many" : "") + "\">" +
            escape(sentence) + "</p>\n";
  return html + verdict_table(subject.results) + seeds_remark(subject.results) + downloads(subject);
}

std::string gaps_section(const StudySubject& subject) {
  std::string missing, unequal;
  for (const study::RunResult& run : subject.results.runs) {
    if (run.state == "failed")
      missing += "<li><code>" + escape(run.name) + "</code> failed: " + escape(run.error) + "</li>\n";
    else if (!run.finished())
      missing += "<li><code>" + escape(run.name) + "</code> is not finished</li>\n";
  }
  for (const GroupResult& group : subject.results.groups)
    for (const ArmResult& arm : group.arms)
      for (const std::string& warning : arm.warnings)
        unequal += "<li>" + escape(group.name + ", " + arm.name + ": " + warning) + "</li>\n";
  std::string html;
  if (!missing.empty())
    html +=
        "<section id=\"missing\"><h2>Missing runs</h2>\n<p>Nothing of them is in the "
        "tables.</p>\n<ul>\n" +
        missing + "</ul></section>\n";
  if (!unequal.empty())
    html += "<section id=\"unequal\"><h2>What differs</h2>\n<ul>\n" + unequal + "</ul></section>\n";
  return html;
}

}  // namespace mom::report
