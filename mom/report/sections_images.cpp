// Held-out images: the original, the model's input, and each run's result.
#include <algorithm>

#include "mom/report/cells.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::DenoisedItem;
using runs::RunFolder;

constexpr size_t kMaxDenoised = 16;  // per run, so that the page stays small enough to mail

struct DenoisedShot {
  std::string caption;
  int64_t timestep;
  std::string original, noised;       // data URIs
  std::vector<std::string> denoised;  // one per run, empty where a run has none
};

DenoisedShot load(const DenoisedItem& item, size_t run, size_t num_runs) {
  DenoisedShot shot{item.caption, item.timestep, data_uri(item.original), data_uri(item.noised), {}};
  shot.denoised.resize(num_runs);
  shot.denoised[run] = data_uri(item.denoised);
  return shot;
}

// Runs given the same noised image share a row; other noise would make them not comparable, so it gets its own.
std::vector<DenoisedShot> load_shots(const Subject& subject) {
  std::vector<DenoisedShot> shots;
  for (size_t run = 0; run < subject.runs.size(); ++run) {
    const auto& items = subject.runs[run].denoised;
    for (size_t i = 0; i < std::min(items.size(), kMaxDenoised); ++i) {
      DenoisedShot shot = load(items[i], run, subject.runs.size());
      const auto same = std::find_if(shots.begin(), shots.end(), [&](const DenoisedShot& other) {
        return other.caption == shot.caption && other.timestep == shot.timestep &&
               other.original == shot.original && other.noised == shot.noised && other.denoised[run].empty();
      });
      if (same == shots.end()) {
        shots.push_back(std::move(shot));
      } else {
        same->denoised[run] = shot.denoised[run];
      }
    }
  }
  return shots;
}

std::string shot_html(const DenoisedShot& shot, const std::vector<std::string>& labels,
                      const std::vector<bool>& shown) {
  std::string out =
      "<figure><div class=\"strip\">" + image_cell(shot.original, "original", shot.caption) +
      image_cell(shot.noised, "noised, t = " + std::to_string(shot.timestep), shot.caption + ", noised");
  for (size_t run = 0; run < labels.size(); ++run) {
    if (shown[run])
      out += image_cell(shot.denoised[run], labels[run], shot.caption + ", denoised by " + labels[run]);
  }
  return out + "</div><figcaption>" + escape(shot.caption) + "</figcaption></figure>\n";
}

}  // namespace

std::string images_section(const Subject& subject) {
  const std::vector<DenoisedShot> shots = load_shots(subject);
  if (shots.empty()) return "";
  std::vector<bool> shown;
  std::string steps;
  size_t left_out = 0;
  const auto labels = run_labels(subject.runs);
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    const RunFolder& run = subject.runs[i];
    shown.push_back(!run.denoised.empty());
    if (run.denoised.empty()) continue;
    steps +=
        (steps.empty() ? "" : ", ") + escape(labels[i]) + " at step " + std::to_string(run.denoised_step);
    left_out = std::max(left_out, run.denoised.size() - std::min(run.denoised.size(), kMaxDenoised));
  }
  std::string out =
      "<section id=\"images\"><h2>Held-out images, denoised</h2>\n<p>Each model is given the caption and "
      "the noised image, and predicts the noise in one step; subtracting it leaves the image shown. "
      "Originals are shown as the image codec decodes them. t counts noise: none at 0, only noise at the "
      "end of the schedule. Shown: " +
      steps + ".</p>\n<div class=\"gallery\">\n";
  for (const DenoisedShot& shot : shots) out += shot_html(shot, labels, shown);
  out += "</div>\n";
  if (left_out > 0)
    out += "<p class=\"remark\">" + std::to_string(left_out) + " more are in the run folder, samples/.</p>\n";
  return out + "</section>\n";
}

}  // namespace mom::report
