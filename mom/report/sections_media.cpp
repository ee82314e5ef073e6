// Codes: what the codecs keep of images and speech, and what each run predicts code by code.
#include <algorithm>
#include <cmath>
#include <map>

#include "mom/compare/number_text.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::CodecReport;
using runs::PredictedItem;
using runs::RunFolder;

constexpr size_t kMaxMedia = 12;  // per modality, so that the page stays small enough to mail

std::string media(const Path& path, const std::string& label, const std::string& alt) {
  const std::string shown = is_sound(path)
                                ? "<audio controls preload=\"metadata\" aria-label=\"" + escape(alt) +
                                      "\" src=\"" + data_uri(path) + "\"></audio>"
                                : "<img src=\"" + data_uri(path) + "\" alt=\"" + escape(alt) + "\">";
  return "<div>" + shown + "<span>" + escape(label) + "</span></div>";
}

// Runs on the same data list the same documents in the same order: item i of one is item i of the others.
std::string item_html(const std::vector<const PredictedItem*>& of_runs,
                      const std::vector<std::string>& labels) {
  const PredictedItem& first =
      **std::find_if(of_runs.begin(), of_runs.end(), [](auto* item) { return item; });
  const std::string name = first.modality + ": " + first.caption;
  std::string out = std::string("<figure><div class=\"strip") + (is_sound(first.original) ? " sounds" : "") +
                    "\">" + media(first.original, "original", name + ", original");
  for (size_t run = 0; run < of_runs.size(); ++run) {
    const PredictedItem* item = of_runs[run];
    if (item && item->caption == first.caption && item->modality == first.modality)
      out += media(item->predicted, labels[run], name + ", predicted by " + labels[run]);
  }
  return out + "</div><figcaption>" + escape(first.caption) + "</figcaption></figure>\n";
}

std::string figure_text(const Json& value) {
  if (!value.is_number_float()) return value.is_string() ? value.get<std::string>() : value.dump();
  const double number = value.get<double>();
  return compare::fixed(number, std::abs(number) < 1 ? 4 : 2);
}

std::string codec_html(const CodecReport& codec) {
  std::vector<std::vector<std::string>> rows = {
      {"kind", escape(codec.kind)}, {"hash", "<code>" + escape(codec.hash.substr(0, 16)) + "…</code>"}};
  for (const auto& [key, value] : codec.figures.items()) {
    if (value.is_object() || value.is_array()) continue;
    rows.push_back({"<code>" + escape(key) + "</code>", escape(figure_text(value))});
  }
  std::string out = "<h3>" + escape(codec.modality) + "</h3>\n" + table({"", "value"}, rows, false);
  for (const Path& image : codec.images) {
    const bool spectrogram = image.stem() == "mel";
    const std::string words = spectrogram ? "Mel spectrograms: the original above, the decoded one below"
                                          : "Rows in pairs: held-out originals above, decoded ones below";
    out += "<figure class=\"wide\"><img src=\"" + data_uri(image) + "\" alt=\"" + words + "\"><figcaption>" +
           words + ".</figcaption></figure>\n";
  }
  if (codec.sounds.empty()) return out;
  out += "<div class=\"gallery\">\n";
  for (size_t i = 0; i < std::min(codec.sounds.size(), kMaxMedia); ++i) {
    const std::string name = "held-out recording " + std::to_string(i + 1);
    out += "<figure><div class=\"strip sounds\">" + media(codec.sounds[i].first, "original", name) +
           media(codec.sounds[i].second, "decoded", name + ", decoded") + "</div></figure>\n";
  }
  return out + "</div>\n";
}

}  // namespace

std::string predictions_section(const Subject& subject) {
  size_t most = 0;
  for (const RunFolder& run : subject.runs) most = std::max(most, run.predicted.size());
  if (most == 0) return "";
  const auto labels = run_labels(subject.runs);
  std::map<std::string, size_t> shown;
  std::string figures;
  for (size_t i = 0; i < most; ++i) {
    std::vector<const PredictedItem*> of_runs;
    for (const RunFolder& run : subject.runs)
      of_runs.push_back(i < run.predicted.size() ? &run.predicted[i] : nullptr);
    const auto* first = *std::find_if(of_runs.begin(), of_runs.end(), [](auto* item) { return item; });
    if (shown[first->modality]++ < kMaxMedia) figures += item_html(of_runs, labels);
  }
  std::string steps;
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    if (!subject.runs[i].predicted.empty())
      steps += (steps.empty() ? "" : ", ") + escape(labels[i]) + " at step " +
               std::to_string(subject.runs[i].predicted_step);
  }
  return "<section id=\"predictions\"><h2>Held-out codes, predicted one by one</h2>\n<p>Every code is the "
         "one the model "
         "finds most likely after the true ones before it, so this shows single steps, not generation. "
         "Originals are "
         "shown as the codec decodes them. Shown: " +
         steps + ".</p>\n<div class=\"gallery\">\n" + figures + "</div></section>\n";
}

std::string codecs_section(const Subject& subject) {
  std::vector<std::string> seen;
  std::string out;
  for (const RunFolder& run : subject.runs) {
    for (const CodecReport& codec : run.codecs) {
      if (std::find(seen.begin(), seen.end(), codec.hash) != seen.end()) continue;
      seen.push_back(codec.hash);
      if (codec.modality != modality::kTextName) out += codec_html(codec);
    }
  }
  if (out.empty()) return "";
  return "<section id=\"codecs\"><h2>What the codecs keep</h2>\n<p>Models see images and speech through "
         "these codecs, fitted on training data only; no model can learn what a codec loses. Figures called "
         "validation, images and sounds are held out; the use of codes is of the training data.</p>\n" +
         out + "</section>\n";
}

}  // namespace mom::report
