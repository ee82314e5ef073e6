#include "mom/generate/segments.h"

#include "mom/modality/special_tokens.h"

namespace mom::generate {
namespace {

class Splitter {
 public:
  explicit Splitter(const modality::Vocabulary& vocabulary)
      : vocabulary_(vocabulary), text_(vocabulary.empty() ? modality::kTextName : vocabulary.text()->name) {}

  void add(const Feed& feed, bool given) {
    size_t picture = 0;
    start(open_, given);
    for (const int32_t token : feed.tokens) {
      if (token == kPicture) {
        current_.picture = feed.pictures[picture++];
      } else if (const std::optional<std::string> modality = turns_to(token)) {
        start(*modality, given);
      } else if (vocabulary_.empty() || token >= modality::special::kCount) {
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
    if (const modality::Modality* opened = vocabulary_.opened_by(token)) return opened->name;
    return vocabulary_.closed_by(token) ? std::optional(text_) : std::nullopt;
  }

  // Between prompt and answer a text ends, and so does nothing else: what is open goes on.
  void start(const std::string& modality, bool given) {
    const bool goes_on = modality == open_ && modality != text_ && !current_.tokens.empty();
    if (goes_on) {
      current_.given = given;
      return;
    }
    if (!current_.tokens.empty() || current_.picture) segments_.push_back(std::move(current_));
    current_ = {modality, given, {}, {}};
    open_ = modality;
  }

  const modality::Vocabulary& vocabulary_;
  const std::string text_;
  std::string open_ = text_;
  Segment current_{text_, true, {}, {}};
  std::vector<Segment> segments_;
};

}  // namespace

std::vector<Segment> split(const Feed& prompt, const Feed& answer, const modality::Vocabulary& vocabulary) {
  Splitter splitter(vocabulary);
  splitter.add(prompt, true);
  splitter.add(answer, false);
  return splitter.finish();
}

}  // namespace mom::generate
