#include "mom/data/sounds.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/codecs/mel.h"
#include "mom/data/codec_training.h"
#include "mom/data/media.h"

namespace mom::data {
namespace {

struct DrawnSound {
  double draw;
  MediaRef media;
  std::string sample;
};

std::vector<DrawnSound> drawn_sounds(const DocumentReader& reader, const std::string& split) {
  std::vector<DrawnSound> sounds;
  for (const Collection& collection : reader.collections()) {
    if (collection.split != split || collection.num_segments.count(kSpeech) == 0) continue;
    reader.for_each(collection, [&](const Document& document) {
      for (const Segment& segment : document.segments) {
        if (segment.modality != kSpeech) continue;
        sounds.push_back(
            {sample_draw(collection, document), segment.media, sample_name(collection, document)});
      }
    });
  }
  std::stable_sort(sounds.begin(), sounds.end(),
                   [](const DrawnSound& a, const DrawnSound& b) { return a.draw < b.draw; });
  return sounds;
}

}  // namespace

std::vector<std::vector<float>> sample_speech(const DocumentReader& reader, const std::string& split,
                                              double max_seconds) {
  std::vector<std::vector<float>> sounds;
  const std::vector<DrawnSound> drawn = drawn_sounds(reader, split);
  Progress progress("reading " + split + " speech", "sounds", drawn.size());
  double seconds = 0;
  for (const DrawnSound& sound : drawn) {
    if (seconds >= max_seconds) break;
    sounds.push_back(read_speech(reader, sound.media, sound.sample));
    seconds += static_cast<double>(sounds.back().size()) / codecs::kSpeechRateHz;
    progress.update(sounds.size());
  }
  progress.finish();
  return sounds;
}

}  // namespace mom::data
