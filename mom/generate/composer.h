// One answer while it is written: from tokens and pictures to events that clients understand. On the engine's thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mom/generate/model_codecs.h"
#include "mom/generate/request.h"
#include "mom/generate/text_stream.h"
#include "mom/generate/wish.h"

namespace mom::generate {

// Text up to the first of some strings; what may be the beginning of one is held back.
class StopText {
 public:
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  std::string push(const std::string& text);
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

class Composer {
 public:
  // An event; with a segment one that still lacks its data, which are that segment decoded: it takes a while.
  using Tell = std::function<void(Event event, std::optional<Segment> encoded)>;
  // `open`: the modality that the prompt leaves open, or text's. All but the function must outlive it.
  Composer(const ModelCodecs& codecs, const modality::Vocabulary& vocabulary, const Wish& wish, size_t choice,
           std::string open, Tell tell);

  void token(int32_t token, double log_probability);  // also kPicture
  void picture(const Picture& picture);
  void preview(const at::Tensor& clean_CHW, int64_t visit, int64_t num_visits);
  // Nothing more comes.
  void end(Stop stop);
  bool stopped() const { return text_.stopped(); }  // by a stop string: end() is to be called
  bool ended() const { return ended_; }
  int64_t num_positions() const { return num_positions_; }

 private:
  struct Waiting {
    int32_t token;
    double log_probability;
  };
  bool is_due();
  void compose();  // of all tokens that wait
  void compose(const Waiting& one);
  void tell_text();
  Event item_event(const std::string& modality) const;
  void preview_codes();
  bool preview_due(int64_t done, int64_t of) const;
  void flush_text();

  const ModelCodecs& codecs_;
  const modality::Vocabulary& vocabulary_;
  const Wish& wish_;
  const size_t choice_;
  Tell tell_;
  Segment open_;
  TextStream characters_;
  StopText text_;
  std::vector<Waiting> waiting_;  // tokens that nothing was made of yet
  std::chrono::steady_clock::time_point composed_at_ = {};
  // Not told of yet: text and its tokens, and behind them those of an item that is still open.
  std::string said_;
  std::vector<TokenText> tokens_;
  bool has_said_ = false;                         // there is text among them
  int64_t num_positions_ = 0, num_previews_ = 0;  // previews of the image that is open
  bool ended_ = false;
};

// What an event lacks while it has a segment: the bytes of a file.
std::string data_of(Event::Kind kind, const Segment& segment, const ModelCodecs& codecs);

}  // namespace mom::generate
