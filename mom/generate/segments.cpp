#include "mom/generate/segments.h"

#include "mom/codecs/text_codec.h"

namespace mom::generate {
namespace {

class Splitter {
 public:
  explicit Splitter(const codecs::Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  void add(const Feed& feed, bool given) {
    size_t picture = 0;
    start(open_, given);
    for (const int32_t token : feed.tokens) {
      if (token == kPicture) {
        current_.picture = feed.pictures[picture++];
      } else if (const std::optional<std::string> modality = turns_to(token)) {
        start(*modality, given);
      } else if (vocabulary_.empty() || token >= codecs::special::kCount) {
        current_.tokens.push_back(token);
      }
    }
  }

  std::vector<Segment> finish() {
    start("", false);
    return std::move(segments_);
  }

 private:
  // The modality that follows a special; nothing where the token changes none.
  std::optional<std::string> turns_to(int32_t token) const {
    for (const codecs::TokenRange& range : vocabulary_.ranges()) {
      const auto brackets = codecs::brackets_of(range.modality);
      if (brackets && brackets->open == token) return range.modality;
      if (brackets && brackets->close == token) return "text";
    }
    return std::nullopt;
  }

  // Between prompt and answer a text ends, and so does nothing else: what is open goes on.
  void start(const std::string& modality, bool given) {
    const bool goes_on = modality == open_ && modality != "text" && !current_.tokens.empty();
    if (goes_on) {
      current_.given = given;
      return;
    }
    if (!current_.tokens.empty() || current_.picture) segments_.push_back(std::move(current_));
    current_ = {modality, given, {}, {}};
    open_ = modality;
  }

  const codecs::Vocabulary& vocabulary_;
  std::string open_ = "text";
  Segment current_{"text", true, {}, {}};
  std::vector<Segment> segments_;
};

}  // namespace

std::vector<Segment> split(const Feed& prompt, const Feed& answer, const codecs::Vocabulary& vocabulary) {
  Splitter splitter(vocabulary);
  splitter.add(prompt, true);
  splitter.add(answer, false);
  return splitter.finish();
}

}  // namespace mom::generate
