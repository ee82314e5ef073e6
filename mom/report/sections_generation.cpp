// What models generate for captions, and how often they find the caption that belongs to an image or a recording.
#include <algorithm>

#include "mom/report/cells.h"
#include "mom/report/generation_gallery.h"
#include "mom/report/generation_table.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::RunFolder;

std::vector<std::string> head_of(const Subject& subject) {
  std::vector<std::string> head = {"measured"};
  for (size_t run = 0; run < subject.runs.size(); ++run)
    if (subject.runs[run].generation) head.push_back(run_name(subject, run));
  return head;
}

int64_t most_candidates(const std::vector<RunFolder>& runs) {
  int64_t most = 0;
  for (const RunFolder& run : runs) {
    if (!run.generation) continue;
    for (const auto& images : run.generation->images) most = std::max(most, images.among);
    for (const auto& ranked : run.generation->ranked) most = std::max(most, ranked.among);
  }
  return most;
}

// Whether a run has figures that only older files have.
bool has_older(const std::vector<RunFolder>& runs) {
  return std::any_of(runs.begin(), runs.end(), [](const RunFolder& run) {
    return run.generation && std::any_of(run.generation->images.begin(), run.generation->images.end(),
                                         [](const auto& images) { return images.frechet.has_value(); });
  });
}

std::string explanation(const std::string& among, bool older) {
  std::string out =
      "<p>Captions of three kinds: those of training images (here other images of theirs than the probe has "
      "seen), known concepts in a style in which training does not show them, and concepts that training "
      "does "
      "not show at all. These figures are proxies for comparing models on the same data with the same "
      "codecs:</p>\n<ul><li>Caption found in its images: how often a small network, trained on real training "
      "images and their captions, finds the caption among " +
      among +
      " from the generated image; in small print, from real images that it was not trained on. Where it "
      "finds fewer than 70% of those, it says little about generated ones. Chance is one in " +
      among +
      ".</li>\n<li>Use of the caption: how much lower the loss of an image is with its own caption than with "
      "another one, overall and by noise (t); 0 where the model ignores captions.</li>\n<li>KID: kernel "
      "distance between generated and real images in that network's features, with its standard error; "
      "lower is nearer, and 0 is as near as other images of the same kind. In small print, that of real "
      "training images.</li>\n<li>Copies: generated images less than a third as far from the nearest "
      "training "
      "image as from the second nearest.</li>\n<li>Steps across patch borders: how much more neighbouring "
      "pixels differ across borders of the patches that the model draws than inside them, relative to real "
      "images; 1 where the grid does not show.</li>\n";
  if (older)
    out +=
        "<li>Fr&eacute;chet distance, and distance to the nearest training image relative to real held-out "
        "images: of runs that an older version measured, whose probe was a linear one.</li>\n";
  return out +
         "<li>Caption of a given image or recording: how often the model itself finds the right caption "
         "among " +
         among +
         " more likely than the others, by what the image or recording adds to the likelihood of each "
         "caption.</li>\n<li>Bits per byte of held-out text: independent of the tokenizer.</li></ul>\n<p "
         "class=\"remark\">Ranges are 95% intervals over images of one run; another seed may differ by "
         "more.</p>\n";
}

}  // namespace

std::string generation_section(const Subject& subject) {
  const Cells rows = generation_lines(subject);
  if (rows.empty()) return "";
  std::string out = "<section id=\"generation\"><h2>What they generate</h2>\n" +
                    explanation(std::to_string(most_candidates(subject.runs)), has_older(subject.runs)) +
                    table(head_of(subject), rows, true);
  if (const std::string grid = generated_grid(subject); !grid.empty())
    out +=
        "<h3>The same captions and seeds for every model</h3>\n<p>Captions evenly spread over the data, four "
        "seeds each; nothing is selected.</p>\n" +
        grid;
  if (const std::string gallery = generated_gallery(subject); !gallery.empty())
    out +=
        "<p>Below, each generated image is followed by the nearest real training image. Not selected: evenly "
        "spread over the captions.</p>\n" +
        gallery;
  return out + "</section>\n";
}

}  // namespace mom::report
