// Which projections to decouple: the subsets by gain, and whether they do more together than each alone.
#include <algorithm>

#include "mom/compare/compare.h"
#include "mom/compare/verdict.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/intervals.h"
#include "mom/report/study_sections.h"
#include "mom/study/ablation.h"
#include "mom/study/config.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::GroupResult;
using study::Subset;

// The arm whose set and modalities the table shows: all four, else the first that was measured.
const ArmResult& leading_arm(const GroupResult& group, const std::vector<Subset>& subsets) {
  if (const ArmResult* joint = group.find(study::kMixture); joint && !joint->seeds.empty()) return *joint;
  return *std::find_if(subsets.begin(), subsets.end(), [](const Subset& subset) {
            return subset.result;
          })->result;
}

// Filled where decoupled; the row's name says it in words.
std::string marks(const Subset& subset) {
  std::string html;
  for (const char* projection : study::kProjections) {
    const bool on = std::find(subset.projections.begin(), subset.projections.end(), projection) !=
                    subset.projections.end();
    html += "<td class=\"mark\"><span aria-hidden=\"true\">" + std::string(on ? "&#9679;" : "&#9675;") +
            "</span><span class=\"unseen\">" + (on ? "decoupled" : "shared") + "</span></td>";
  }
  return html;
}

std::string subset_row(const Subset& subset, const study::Named<study::Row>& modalities,
                       const std::string& baseline, const Scale& scale) {
  std::string html = "<tr><th scope=\"row\">" + escape(subset.result ? subset.name : "none, " + baseline) +
                     "</th>" + marks(subset);
  for (const auto& each : modalities) {
    const study::Row* row = subset.result ? subset.result->find(subset.result->set, each.first) : nullptr;
    html += "<td>" +
            (row ? gain_html(row->gain) + bar_plot(row->gain, scale)
                 : std::string(subset.result ? compare::kNotMeasured : "0.0%")) +
            "</td>";
  }
  return html + "</tr>\n";
}

std::string subset_table(const GroupResult& group, const std::vector<Subset>& subsets,
                         const ArmResult& leading, const std::string& baseline) {
  const auto& modalities = leading.verdict_rows();
  std::vector<const Summary*> gains;
  for (const Subset& subset : subsets)
    for (const auto& each : modalities)
      if (const study::Row* row =
              subset.result ? subset.result->find(subset.result->set, each.first) : nullptr)
        gains.push_back(&row->gain);
  std::string html = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Subsets of " +
                     escape(group.name) +
                     "\"><table class=\"subsets\"><thead><tr><th scope=\"col\">decoupled</th>";
  for (const char* projection : study::kProjections)
    html += "<th scope=\"col\" class=\"mark\">" + std::string(projection, std::string(projection).find('_')) +
            "</th>";
  for (const auto& [modality, row] : modalities)
    html += "<th scope=\"col\">gain, " + escape(modality) + "</th>";
  html += "</tr></thead><tbody>\n";
  const Scale scale = scale_of(gains, true);
  for (const Subset& subset : subsets) html += subset_row(subset, modalities, baseline, scale);
  return html + "</tbody></table></div>\n";
}

std::string interaction_html(const GroupResult& group, const ArmResult& leading) {
  if (!group.interaction)
    return "<p class=\"remark\">No interaction: that takes all four together and each alone, with the same "
           "seeds.</p>\n";
  std::string html = "<h4>Are four together better than the sum of each alone?</h4>\n<ul>\n";
  for (const auto& [set, modalities] : *group.interaction) {
    if (set != leading.set) continue;
    for (const auto& [modality, interaction] : modalities) {
      const std::string words = study::interaction_text(interaction, leading.find(set, modality)->gain);
      html += "<li><b>" + escape(modality) + ":</b> " +
              escape(words.empty() ? compare::kNotMeasured : words) + ".</li>\n";
    }
  }
  return html + "</ul>\n";
}

std::string group_html(const study::StudyResults& results, const GroupResult& group) {
  // Ordered by the modality that the verdict names last: the sum, where there are several.
  std::vector<Subset> subsets = study::subsets_by_gain(group, "");
  if (subsets.empty()) return "";
  const ArmResult& leading = leading_arm(group, subsets);
  const std::string order = leading.verdict_rows().back().first;
  subsets = study::subsets_by_gain(group, order);
  return "<h3>" + escape(group.name) +
         "</h3>\n<p>Held-out data: " + escape(runs::set_text(results.set_titles, leading.set)) +
         ", ordered by the gain on " + escape(order) + "; " + std::to_string(subsets.size() - 1) +
         " of 15 subsets measured.</p>\n" + subset_table(group, subsets, leading, results.baseline) +
         interaction_html(group, leading);
}

}  // namespace

std::string ablation_section(const StudySubject& subject) {
  std::string html;
  for (const GroupResult& group : subject.results.groups) html += group_html(subject.results, group);
  if (html.empty()) return "";
  return "<section id=\"ablation\"><h2>Which projections to decouple</h2>\n<p>A filled circle: the "
         "projection has weights of its own for each modality; an empty one: all modalities share it. "
         "Gains are against none, which is dense Mamba. Interaction: the gain of all four minus the sum of "
         "the four single gains; above 0 they do more together than each alone.</p>\n" +
         html + "</section>\n";
}

}  // namespace mom::report
