#include "mom/report/generation_table.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "mom/compare/number_text.h"
#include "mom/report/html.h"

namespace mom::report {
namespace {

using compare::fixed;
using compare::percent_text;
using runs::Accuracy;
using runs::GeneratedImages;
using runs::GenerationQuality;
using runs::RunFolder;

using runs::kBuckets;

std::string accuracy_html(const Accuracy& accuracy, const std::string& more = "") {
  return with_small(percent_text(accuracy.share) + "<br>",
                    percent_text(accuracy.low) + " to " + percent_text(accuracy.high) + more);
}

std::string with_error(const std::string& value, const std::string& error) {
  return value + " &plusmn; " + error;
}

std::string distance_html(const runs::Distance& distance) {
  return with_error(fixed(distance.mean, 3), fixed(distance.standard_error, 3));
}

std::string use_html(double use, double error) {
  const double percent = std::abs(use) < 0.0005 ? 0 : 100 * use;  // no "-0.0"
  return with_error(fixed(percent, 1), fixed(100 * error, 1)) + "%";
}

std::string retrieval_html(const GeneratedImages& images) {
  std::string more = "<br>in real ones " + percent_text(images.retrieved_from_real.share);
  if (images.accepted == false) more += ":<br>the probe does not see enough to judge these";
  return accuracy_html(images.retrieved, more);
}

std::string copies_html(const GeneratedImages& images) {
  return accuracy_html(*images.copies, images.copies_in_real
                                           ? "<br>of real ones " + percent_text(images.copies_in_real->share)
                                           : "");
}

std::string caption_use_html(const runs::CaptionUse& use) {
  std::string levels;
  for (const auto& level : use.levels)
    levels += (levels.empty() ? "t " : "<br>t ") + std::to_string(level.from) + " to " +
              std::to_string(level.to) + ": " + use_html(level.use, level.standard_error);
  return with_small(use_html(use.use, use.standard_error) + (levels.empty() ? "" : "<br>"), levels);
}

class Lines {
 public:
  explicit Lines(const Subject& subject) : subject_(subject) {}

  // `value` of each run is empty where it was not measured; a line that no run has is left out.
  void add(const std::string& name, const std::function<std::string(const GenerationQuality&)>& value) {
    std::vector<std::string> cells = {name};
    bool any = false;
    for (const RunFolder& run : subject_.runs) {
      if (!run.generation) continue;
      const std::string text = value(*run.generation);
      any |= !text.empty();
      cells.push_back(text.empty() ? kAbsent : text);
    }
    if (any) rows_.push_back(std::move(cells));
  }

  void add_of(const std::string& bucket, const std::string& name,
              const std::function<std::string(const GeneratedImages&)>& value) {
    add(name + ", " + bucket_words(bucket), [&](const GenerationQuality& quality) {
      const auto found = std::find_if(quality.images.begin(), quality.images.end(),
                                      [&](const GeneratedImages& images) { return images.bucket == bucket; });
      return found == quality.images.end() ? std::string() : value(*found);
    });
  }

  Cells take() { return std::move(rows_); }

 private:
  const Subject& subject_;
  Cells rows_;
};

void add_images(Lines& lines) {
  for (const char* bucket : kBuckets) lines.add_of(bucket, "caption found in its images", retrieval_html);
  for (const char* bucket : kBuckets)
    lines.add("use of the caption, " + bucket_words(bucket), [&](const GenerationQuality& quality) {
      const auto found = std::find_if(quality.caption_use.begin(), quality.caption_use.end(),
                                      [&](const auto& use) { return use.bucket == bucket; });
      return found == quality.caption_use.end() ? std::string() : caption_use_html(*found);
    });
  for (const char* bucket : kBuckets)
    lines.add_of(bucket, "KID", [](const GeneratedImages& images) {
      return images.kid ? with_small(distance_html(*images.kid) + "<br>",
                                     "training images " + distance_html(*images.kid_of_training_images))
                        : "";
    });
  for (const char* bucket : kBuckets)
    lines.add_of(bucket, "copies of training images",
                 [](const GeneratedImages& images) { return images.copies ? copies_html(images) : ""; });
  for (const char* bucket : kBuckets)
    lines.add_of(bucket, "steps across patch borders", [](const GeneratedImages& images) {
      return images.seam_ratio ? fixed(*images.seam_ratio, 2) + " &times;" : "";
    });
  // Only in files from before there was KID.
  lines.add_of("unseen", "Fr&eacute;chet distance", [](const GeneratedImages& images) {
    return images.frechet
               ? with_small(compare::loss_text(*images.frechet) + "<br>",
                            "training images " + compare::loss_text(*images.frechet_of_training_images))
               : "";
  });
  lines.add_of("unseen", "distance to nearest training image", [](const GeneratedImages& images) {
    return images.nearest_ratio ? fixed(*images.nearest_ratio, 2) + " &times;" : "";
  });
}

void add_ranked(Lines& lines, const std::vector<RunFolder>& runs) {
  std::set<std::pair<std::string, std::string>> all;  // modality, source
  for (const RunFolder& run : runs)
    if (run.generation)
      for (const auto& ranked : run.generation->ranked) all.insert({ranked.modality, ranked.source});
  for (const auto& [modality, source] : all) {
    const std::string thing = modality == "image" ? "image" : "recording";
    lines.add("caption of a given " + thing + " (" + escape(source) + ")",
              [&, &modality = modality, &source = source](const GenerationQuality& quality) {
                const auto found =
                    std::find_if(quality.ranked.begin(), quality.ranked.end(), [&](const auto& ranked) {
                      return ranked.modality == modality && ranked.source == source;
                    });
                return found == quality.ranked.end() ? std::string() : accuracy_html(found->by_information);
              });
  }
}

void add_texts(Lines& lines, const std::vector<RunFolder>& runs) {
  std::set<std::string> all;
  for (const RunFolder& run : runs)
    if (run.generation)
      for (const auto& [source, bits] : run.generation->bits_per_byte) all.insert(source);
  for (const std::string& source : all)
    lines.add("bits per byte (" + escape(source) + ")", [&](const GenerationQuality& quality) {
      const auto found = quality.bits_per_byte.find(source);
      return found == quality.bits_per_byte.end() ? std::string() : fixed(found->second, 3);
    });
}

}  // namespace

std::string bucket_words(const std::string& bucket) {
  if (bucket == "trained") return "trained captions";
  if (bucket == "recombined") return "known concepts in a new style";
  return "unseen concepts";
}

Cells generation_lines(const Subject& subject) {
  Lines lines(subject);
  add_images(lines);
  add_ranked(lines, subject.runs);
  add_texts(lines, subject.runs);
  return lines.take();
}

}  // namespace mom::report
