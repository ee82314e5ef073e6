// What models generate for held-out captions, and how often they find the caption that belongs to an image
// or a recording.
#include <algorithm>
#include <functional>
#include <set>

#include "mom/compare/number_text.h"
#include "mom/report/cells.h"
#include "mom/report/charts.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using compare::fixed;
using compare::percent_text;
using runs::Accuracy;
using runs::GeneratedItem;
using runs::GenerationQuality;
using runs::RunFolder;

constexpr size_t kMaxGenerated = 12;  // per run, so that the page stays small enough to mail

std::string accuracy_html(const Accuracy& accuracy, const std::string& more = "") {
  return with_small(percent_text(accuracy.share) + "<br>",
                    percent_text(accuracy.low) + " to " + percent_text(accuracy.high) + more);
}

// What the runs were measured on.
struct Measures {
  bool images = false;
  std::set<std::pair<std::string, std::string>> ranked;  // modality, source
  std::set<std::string> texts;
};

Measures measures_of(const std::vector<RunFolder>& runs) {
  Measures measures;
  for (const RunFolder& run : runs) {
    if (!run.generation) continue;
    measures.images |= run.generation->images.has_value();
    for (const auto& ranked : run.generation->ranked)
      measures.ranked.insert({ranked.modality, ranked.source});
    for (const auto& [source, bits] : run.generation->bits_per_byte) measures.texts.insert(source);
  }
  return measures;
}

// A line of the table: what is measured, then each measured run's value of it.
using Value = std::function<std::string(const GenerationQuality&)>;

std::vector<std::string> line(const Subject& subject, const std::string& name, const Value& value) {
  std::vector<std::string> cells = {name};
  for (const RunFolder& run : subject.runs)
    if (run.generation) cells.push_back(value(*run.generation));
  return cells;
}

Value of_images(const std::function<std::string(const runs::GeneratedImages&)>& value) {
  return [value](const GenerationQuality& quality) {
    return quality.images ? value(*quality.images) : std::string(kAbsent);
  };
}

Cells lines_of(const Subject& subject) {
  const Measures measures = measures_of(subject.runs);
  Cells rows;
  if (measures.images) {
    rows.push_back(line(subject, "Fr&eacute;chet distance", of_images([](const auto& images) {
                          return with_small(
                              compare::loss_text(images.frechet) + "<br>",
                              "training images " + compare::loss_text(images.frechet_of_training_images));
                        })));
    rows.push_back(line(subject, "caption found in its images", of_images([](const auto& images) {
                          return accuracy_html(
                              images.retrieved,
                              "<br>in real ones " + percent_text(images.retrieved_from_real.share));
                        })));
    rows.push_back(line(subject, "distance to nearest training image", of_images([](const auto& images) {
                          return fixed(images.nearest_ratio, 2) + " &times;";
                        })));
    rows.push_back(line(subject, "steps across patch borders", of_images([](const auto& images) {
                          return images.seam_ratio ? fixed(*images.seam_ratio, 2) + " &times;" : kAbsent;
                        })));
  }
  for (const auto& [modality, source] : measures.ranked) {
    const std::string name = "caption of a given " + std::string(modality == "image" ? "image" : "recording");
    rows.push_back(line(subject, name + " (" + escape(source) + ")", [&](const GenerationQuality& quality) {
      const auto found = std::find_if(quality.ranked.begin(), quality.ranked.end(), [&](const auto& ranked) {
        return ranked.modality == modality && ranked.source == source;
      });
      return found == quality.ranked.end() ? kAbsent : accuracy_html(found->by_information);
    }));
  }
  for (const std::string& source : measures.texts)
    rows.push_back(
        line(subject, "bits per byte (" + escape(source) + ")", [&](const GenerationQuality& quality) {
          const auto found = quality.bits_per_byte.find(source);
          return found == quality.bits_per_byte.end() ? kAbsent : fixed(found->second, 3);
        }));
  return rows;
}

std::vector<std::string> head_of(const Subject& subject) {
  std::vector<std::string> head = {"held out"};
  for (size_t run = 0; run < subject.runs.size(); ++run)
    if (subject.runs[run].generation) head.push_back(run_name(subject, run));
  return head;
}

int64_t most_candidates(const std::vector<RunFolder>& runs) {
  int64_t most = 0;
  for (const RunFolder& run : runs) {
    if (!run.generation) continue;
    if (run.generation->images) most = std::max(most, run.generation->images->among);
    for (const auto& ranked : run.generation->ranked) most = std::max(most, ranked.among);
  }
  return most;
}

// Runs that were asked for the same caption, with the same held-out image, share a row.
struct Shot {
  std::string caption, original;  // data URI
  std::vector<const GeneratedItem*> of_runs;
};

std::vector<Shot> load_shots(const std::vector<RunFolder>& runs) {
  std::vector<Shot> shots;
  for (size_t run = 0; run < runs.size(); ++run) {
    if (!runs[run].generation || !runs[run].generation->images) continue;
    const auto& items = runs[run].generation->images->items;
    for (size_t i = 0; i < std::min(items.size(), kMaxGenerated); ++i) {
      const std::string original = data_uri(items[i].original);
      auto same = std::find_if(shots.begin(), shots.end(), [&](const Shot& shot) {
        return shot.caption == items[i].caption && shot.original == original && !shot.of_runs[run];
      });
      if (same == shots.end())
        same = shots.insert(shots.end(),
                            {items[i].caption, original, std::vector<const GeneratedItem*>(runs.size())});
      same->of_runs[run] = &items[i];
    }
  }
  return shots;
}

// Captions carry all their keywords; under a small image a few words do.
std::string shortened(const std::string& caption) {
  constexpr size_t kMost = 40;
  if (caption.size() <= kMost) return caption;
  const size_t space = caption.rfind(' ', kMost);
  return caption.substr(0, space == std::string::npos ? caption.size() : space) + " …";
}

std::string shot_html(const Shot& shot, const std::vector<std::string>& labels) {
  std::string out = "<figure><div class=\"strip\">" + image_cell(shot.original, "held out", shot.caption);
  for (size_t run = 0; run < labels.size(); ++run) {
    const GeneratedItem* item = shot.of_runs[run];
    if (!item) continue;
    out += image_cell(data_uri(item->generated), labels[run], shot.caption + ", by " + labels[run]) +
           image_cell(data_uri(item->nearest), "nearest: " + shortened(item->nearest_caption),
                      "training image nearest to it: " + item->nearest_caption);
  }
  return out + "</div><figcaption>" + escape(shot.caption) + "</figcaption></figure>\n";
}

}  // namespace

std::string generation_section(const Subject& subject) {
  const auto labels = run_labels(subject.runs);
  const Cells rows = lines_of(subject);
  if (rows.empty()) return "";
  const std::string among = std::to_string(most_candidates(subject.runs));
  std::string out =
      "<section id=\"generation\"><h2>What they generate</h2>\n<p>Images for captions of concepts that no "
      "training image shows. These figures are proxies for comparing models on the same data with the same "
      "codecs:</p>\n<ul><li>Fr&eacute;chet distance: between generated and held-out images, over averages of "
      "the image codec's encodings; lower is nearer. The value in small print is that of as many real "
      "training "
      "images: a value far below it means nothing.</li>\n<li>Caption found in its images: how "
      "often a small linear probe, fitted on real training images, identifies the caption among " +
      among + " from the generated image; below, from real held-out images. Chance is one in " + among +
      ".</li>\n<li>Distance to the nearest training image, relative to real held-out images: well below 1 "
      "the images are copies.</li>\n<li>Steps across patch borders: how much more neighbouring pixels differ "
      "across "
      "borders of the patches that the model draws than inside them, relative to real images; 1 where the "
      "grid does not "
      "show.</li>\n<li>Caption of a given image or recording: how often the model itself "
      "finds the "
      "right caption among " +
      among +
      " more likely than the others, by what the image or recording adds to the likelihood of each "
      "caption.</li>\n<li>Bits per "
      "byte of held-out text: independent of the tokenizer.</li></ul>\n<p class=\"remark\">Ranges are 95% "
      "intervals over images of one run; another seed may differ by more.</p>\n" +
      table(head_of(subject), rows, true);
  const std::vector<Shot> shots = load_shots(subject.runs);
  if (!shots.empty()) {
    out +=
        "<p>Each generated image is followed by the nearest real training image. Not selected: evenly spread "
        "over the captions.</p>\n<div class=\"gallery\">\n";
    for (const Shot& shot : shots) out += shot_html(shot, labels);
    out += "</div>\n";
  }
  return out + "</section>\n";
}

}  // namespace mom::report
