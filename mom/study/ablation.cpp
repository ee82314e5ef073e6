#include "mom/study/ablation.h"

#include <algorithm>
#include <vector>

#include "mom/study/config.h"

namespace mom::study {
namespace {

const std::string kPartial = std::string(kMixture) + "-";

// "image", "text", "overall" of the verdict's set, in its order.
std::vector<std::string> modalities_of(const OrderedJson& arm) {
  std::vector<std::string> names;
  for (const auto& each : arm["sets"][arm["set"].get<std::string>()].items()) names.push_back(each.key());
  return names;
}

const OrderedJson& gain_of(const OrderedJson& arm, const std::string& modality) {
  return arm["sets"][arm["set"].get<std::string>()][modality]["gain"];
}

// Ordered by the gain in the last modality, which is "overall" where there are several. Not measured: last.
std::string subset_table(const OrderedJson& arms, const std::string& baseline,
                         const std::vector<std::string>& modalities) {
  std::vector<std::pair<double, std::string>> lines = {{0, "| none (" + baseline + ") |"}};
  for (size_t i = 0; i < modalities.size(); ++i) lines[0].second += " 0.0% |";
  lines[0].second += "\n";
  for (const auto& [name, arm] : arms.items()) {
    if (name.rfind(kMixture, 0) != 0 || !arm.contains("sets")) continue;
    std::string line = "| " + (is_partial(name) ? name.substr(kPartial.size()) : "all four") + " |";
    for (const std::string& modality : modalities) line += " " + percent_cell(gain_of(arm, modality)) + " |";
    const OrderedJson& mean = gain_of(arm, modalities.back())["mean"];
    lines.emplace_back(mean.is_null() ? -1e300 : mean.get<double>(), line + "\n");
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text = "| decoupled |", rule = "|---|";
  for (const std::string& modality : modalities) text += " gain, " + modality + " |", rule += "---|";
  text += "\n" + rule + "\n";
  for (const auto& [gain, line] : lines) text += line;
  return text;
}

std::string interaction_text(const OrderedJson& interaction, const OrderedJson& joint,
                             const std::vector<std::string>& modalities) {
  std::string text;
  for (const std::string& modality : modalities) {
    const OrderedJson& summary = interaction[joint["set"].get<std::string>()][modality];
    if (summary["mean"].is_null()) continue;
    const double mean = summary["mean"].get<double>();
    const bool sure = !summary["interval"].is_null() && (summary["interval"][0].get<double>() > 0) ==
                                                            (summary["interval"][1].get<double>() > 0);
    text += "- " + modality + ": all four together gain " + percent_cell(gain_of(joint, modality)) +
            ", the four alone add up to " + (mean > 0 ? "less" : "more") + ": interaction " +
            percent_cell(summary) +
            (sure ? "" : "; the seeds do not agree on its sign, or there is one seed") + "\n";
  }
  return text;
}

}  // namespace

bool is_partial(const std::string& arm_name) { return arm_name.rfind(kPartial, 0) == 0; }

std::string ablation_text(const OrderedJson& results) {
  std::string text;
  for (const auto& [name, group] : results["groups"].items()) {
    if (group["interaction"].is_null()) continue;
    const OrderedJson& arms = group["arms"];
    const OrderedJson& joint = arms[kMixture];
    const std::vector<std::string> modalities = modalities_of(joint);
    text +=
        "\n## Which projections: " + name + "\n\nHeld-out set " + joint["set"].get<std::string>() +
        ", ordered by the gain in the last column; below 0 " + results["baseline"].get<std::string>() +
        " is better. Interaction: the joint gain less the sum of the four single gains; above 0 they do more "
        "together than each alone.\n\n" +
        subset_table(arms, results["baseline"].get<std::string>(), modalities) + "\n" +
        interaction_text(group["interaction"], joint, modalities);
  }
  return text;
}

}  // namespace mom::study
