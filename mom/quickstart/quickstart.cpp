#include "mom/quickstart/quickstart.h"

#include <algorithm>
#include <functional>
#include <map>
#include <span>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/data/document.h"
#include "mom/data/split.h"
#include "mom/formats/sound_file.h"
#include "mom/quickstart/packages.h"
#include "mom/quickstart/stamps.h"
#include "mom/quickstart/styles.h"
#include "mom/quickstart/texts.h"
#include "mom/quickstart/voices.h"

namespace mom::quickstart {
namespace {

constexpr const char* kTrainedVoices[] = {"slt", "rms", "awb"};
constexpr const char* kUnseenVoice = "kal16";

const std::map<std::string, std::string> kTitles = {
    {"noto", "emoji of held-out concepts"},
    {"twemoji", "emoji of held-out concepts, another style"},
    {"fluent", "emoji of held-out concepts, a style not trained on"},
    {"spoken", "emoji and spoken names of held-out concepts"},
    {"spoken_kal16", "emoji and spoken names of held-out concepts, a voice not trained on"},
    {"stamps", "stamps of held-out concepts"},
    {"gcide", "dictionary articles"},
    {"anarchism", "prose"},
    {"foldoc", "articles on computing, not trained on"},
};

constexpr Style kShowcaseStyles[] = {kTwemoji, kFluent, kFluentFlat, kNotoV1, kEmojiOne};
const std::map<std::string, std::string> kShowcaseTitles = {
    {"noto", "emoji of held-out concepts: Noto"},
    {"twemoji", "emoji of held-out concepts: Twemoji"},
    {"fluent", "emoji of held-out concepts: Fluent 3D"},
    {"fluent_flat", "emoji of held-out concepts: Fluent flat"},
    {"noto_v1", "emoji of held-out concepts: old Noto"},
    {"emojione", "emoji of held-out concepts: EmojiOne"},
};

struct EmojiFiles {
  Path font, list;
  std::vector<Path> annotations;
};

EmojiFiles find_emoji(const Packages& packages) {
  return {
      .font = packages.file("usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"),
      .list = packages.file("usr/share/unicode/emoji/emoji-test.txt", "unicode-data"),
      .annotations = {packages.file("usr/share/unicode/cldr/common/annotations/en.xml", "unicode-cldr-core"),
                      packages.file("usr/share/unicode/cldr/common/annotationsDerived/en.xml",
                                    "unicode-cldr-core")},
  };
}

// Counts sources, and shows the progress of the current one.
class SourceProgress {
 public:
  explicit SourceProgress(uint64_t num_sources) : progress_("quickstart data", "sources", num_sources) {}
  void done(const std::string& source) { progress_.update(++num_done_, last_ = source); }
  void within(const std::string& source, int64_t part, size_t whole) {
    progress_.update(num_done_, source + ": " + std::to_string(part) + " of " + std::to_string(whole));
  }
  void finish() { progress_.finish(last_); }

 private:
  Progress progress_;
  uint64_t num_done_ = 0;
  std::string last_;
};

data::Segment speech_segment(const data::MediaRef& media, std::string_view bytes, const std::string& name) {
  const auto info = formats::read_sound_info(std::as_bytes(std::span(bytes)), name);
  return {data::kSpeech, "", {}, media, info.seconds()};
}

// `file` and `bytes`: the image in the style of `source`, which the caption calls `style`; empty: not at all.
void add_emoji_image(data::DocumentWriter& writer, const std::string& source, const std::string& split,
                     const EmojiImage& image, const std::string& style, const std::string& file,
                     const std::string& bytes) {
  data::Document document{.key = image.emoji.key(), .free_order = true, .segments = {}};
  const data::MediaRef media = writer.add_media(file, bytes);
  const std::string name = image.emoji.name + (style.empty() ? "" : ", " + style);
  document.segments.push_back({data::kText, name, image.keywords, {}});
  document.segments.push_back({data::kImage, "", {}, media});
  writer.add(source, split, document);
}

void add_emoji(data::DocumentWriter& writer, const std::vector<EmojiImage>& images,
               const std::string& style) {
  for (const EmojiImage& image : images)
    add_emoji_image(writer, "noto", data::split_by_hash(image.concept_name), image, style,
                    image.emoji.key() + ".png", image.png);
}

using SplitOfImage = std::function<std::string(const EmojiImage&)>;

// The same emoji in another style; an empty split leaves an image out.
void add_style(data::DocumentWriter& writer, const Style& style, const std::string& words,
               const Packages& packages, const std::vector<EmojiImage>& images, const SplitOfImage& split) {
  std::vector<EmojiImage> wanted;
  std::copy_if(images.begin(), images.end(), std::back_inserter(wanted),
               [&](const EmojiImage& image) { return !split(image).empty(); });
  std::vector<Emoji> emoji;
  for (const EmojiImage& image : wanted) emoji.push_back(image.emoji);
  const std::string source(style.source);
  for (const StyleImage& drawn : read_style(style, packages, emoji)) {
    const EmojiImage& image = wanted[drawn.emoji];
    add_emoji_image(writer, source, split(image), image, words, source + "-" + drawn.name, drawn.bytes);
  }
}

// Two styles, the second only to validate on.
void add_styles(data::DocumentWriter& writer, const Packages& packages, const std::vector<EmojiImage>& images,
                SourceProgress& progress) {
  add_style(writer, kTwemoji, "", packages, images,
            [](const EmojiImage& image) { return data::split_by_hash(image.concept_name); });
  progress.done(std::string(kTwemoji.source));
  add_style(writer, kFluent, "", packages, images, [](const EmojiImage& image) {
    const std::string split = data::split_by_hash(image.concept_name);
    return split == "validation" ? split : "";
  });
  progress.done(std::string(kFluent.source));
}

// Five styles, each named in its captions. Some pairs of a trained concept and a style are held out.
void add_showcase_styles(data::DocumentWriter& writer, const Packages& packages,
                         const std::vector<EmojiImage>& images, SourceProgress& progress) {
  for (const Style& style : kShowcaseStyles) {
    const std::string source(style.source);
    add_style(writer, style, std::string(style.words), packages, images, [&](const EmojiImage& image) {
      const std::string split = data::split_by_hash(image.concept_name);
      const bool is_pair_held_out = data::in_share(image.concept_name + " " + source, 1.0 / 20);
      return split == "train" && is_pair_held_out ? data::kRecombined : split;
    });
    progress.done(source);
  }
}

// One document per image: its name, the image, and its name spoken by `voice`.
void add_spoken(data::DocumentWriter& writer, const std::string& source, const std::string& voice,
                const std::vector<EmojiImage>& images, SourceProgress& progress) {
  std::vector<std::string> names;
  for (const EmojiImage& image : images) names.push_back(image.emoji.name);
  const auto recordings =
      speak(voice, names, [&](int64_t done) { progress.within("voice " + voice, done, names.size()); });
  for (size_t i = 0; i < images.size(); ++i) {
    const EmojiImage& image = images[i];
    data::Document document{.key = image.emoji.key() + "-" + voice, .free_order = true, .segments = {}};
    const data::MediaRef media = writer.add_media(document.key + ".wav", recordings[i]);
    document.segments.push_back({data::kText, image.emoji.name, {}, {}});
    document.segments.push_back(
        {data::kImage, "", {}, writer.add_media(image.emoji.key() + ".png", image.png)});
    document.segments.push_back(speech_segment(media, recordings[i], document.key));
    writer.add(source, data::split_by_hash(image.concept_name), document);
  }
}

void add_voices(data::DocumentWriter& writer, const std::vector<EmojiImage>& images,
                SourceProgress& progress) {
  for (const char* voice : kTrainedVoices) {
    add_spoken(writer, "spoken", voice, images, progress);
    progress.done(std::string("voice ") + voice);
  }
  std::vector<EmojiImage> unseen;
  std::copy_if(images.begin(), images.end(), std::back_inserter(unseen), [](const EmojiImage& image) {
    return data::split_by_hash(image.concept_name) == "validation";
  });
  add_spoken(writer, std::string("spoken_") + kUnseenVoice, kUnseenVoice, unseen, progress);
  progress.done(std::string("voice ") + kUnseenVoice);
}

// Concepts with an English recording stay out of training and validation in every language.
std::vector<std::string> splits_of(const std::vector<Stamp>& stamps) {
  std::vector<std::string> held_out, splits;
  for (const Stamp& stamp : stamps)
    if (stamp.recordings.contains("en")) held_out.push_back(stamp.concept_name);
  for (const Stamp& stamp : stamps) {
    const bool is_held_out =
        std::find(held_out.begin(), held_out.end(), stamp.concept_name) != held_out.end();
    splits.push_back(is_held_out ? "test" : data::split_by_hash(stamp.concept_name));
  }
  return splits;
}

void add_stamp(data::DocumentWriter& writer, const Stamp& stamp, std::string_view image,
               const std::string& split) {
  for (const std::string_view language : kStampLanguages) {
    const auto caption = stamp.captions.find(language);
    const auto recording = stamp.recordings.find(language);
    if (caption == stamp.captions.end() || recording == stamp.recordings.end()) continue;
    data::Document document{
        .key = stamp.key + "-" + std::string(language), .free_order = true, .segments = {}};
    const std::string sound = read_file(recording->second);
    document.segments.push_back({data::kText, caption->second, {}, {}});
    document.segments.push_back({data::kImage, "", {}, writer.add_media(stamp.key + ".png", image)});
    document.segments.push_back(
        speech_segment(writer.add_media(document.key + ".ogg", sound), sound, recording->second.string()));
    writer.add("stamps", split, document);
  }
}

void add_stamps(data::DocumentWriter& writer, const std::vector<Stamp>& stamps, SourceProgress& progress) {
  const std::vector<std::string> images = draw_stamps(stamps), splits = splits_of(stamps);
  for (size_t i = 0; i < stamps.size(); ++i) {
    add_stamp(writer, stamps[i], images[i], splits[i]);
    progress.within("stamps", static_cast<int64_t>(i + 1), stamps.size());
  }
  progress.done("stamps");
}

}  // namespace

std::vector<std::string> quickstart_settings() {
  std::vector<std::string> settings = modality::preset_names();
  std::erase(settings, modality::kCustomSetting);  // of the user's own data
  settings.insert(settings.end(), {kStyles, kTuxpaint, kShowcase});
  return settings;
}

void make_quickstart(const QuickstartOptions& options) {
  const std::vector<std::string> settings = quickstart_settings();
  if (std::find(settings.begin(), settings.end(), options.setting) == settings.end()) {
    std::string known;
    for (const std::string& name : settings) known += (known.empty() ? "" : ", ") + name;
    throw UserError({"--setting", "one of " + known, "'" + options.setting + "'", ""});
  }
  const modality::Preset* preset = modality::find_preset(options.setting);
  const bool stamps_wanted = options.setting == kTuxpaint, styles_wanted = options.setting == kStyles,
             showcase_wanted = options.setting == kShowcase,
             voices_wanted = preset && preset->vocabulary.find(data::kSpeech);
  const Packages packages(options.packages);
  const TextFiles texts =
      find_texts(packages);  // before any work, so that missing files are reported at once
  const std::vector<Stamp> stamps = stamps_wanted ? read_stamps(packages) : std::vector<Stamp>{};
  const EmojiFiles emoji = stamps_wanted ? EmojiFiles{} : find_emoji(packages);
  data::DocumentWriter writer(options.out, options.replace);
  SourceProgress progress(voices_wanted ? 8 : showcase_wanted ? 9 : styles_wanted ? 6 : 4);
  if (stamps_wanted) {
    add_stamps(writer, stamps, progress);
  } else {
    auto images = draw_emoji(emoji.font, read_emoji_list(emoji.list), read_keywords(emoji.annotations));
    if (!styles_wanted)
      std::erase_if(images, [](const EmojiImage& image) { return image.emoji.has_skin_tone(); });
    add_emoji(writer, images, showcase_wanted ? "noto" : "");
    progress.done("images");
    if (styles_wanted) add_styles(writer, packages, images, progress);
    if (showcase_wanted) add_showcase_styles(writer, packages, images, progress);
    if (voices_wanted) add_voices(writer, images, progress);
  }
  add_texts(writer, texts, [&](const std::string& source) { progress.done(source); });
  std::map<std::string, std::string> titles = showcase_wanted ? kShowcaseTitles : kTitles;
  titles.insert(kTitles.begin(), kTitles.end());
  writer.set_titles(titles);
  writer.commit();
  progress.finish();
}

}  // namespace mom::quickstart
