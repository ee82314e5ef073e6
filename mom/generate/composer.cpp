#include "mom/generate/composer.h"

#include <algorithm>
#include <utility>

namespace mom::generate {

std::string StopText::push(const std::string& text) {
  if (stopped_) return "";
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    return held_.substr(0, first);
  }
  size_t keep = 0;
  for (const std::string& stop : stops_)
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length)
      if (held_.ends_with(std::string_view(stop).substr(0, length))) keep = length;
  std::string free = held_.substr(0, held_.size() - keep);
  held_.erase(0, free.size());
  return free;
}

std::string StopText::finish() { return stopped_ ? "" : std::exchange(held_, ""); }

Composer::Composer(const ModelCodecs& codecs, const modality::Vocabulary& vocabulary, const Wish& wish,
                   size_t choice, std::string open, Tell tell)
    : codecs_(codecs),
      vocabulary_(vocabulary),
      wish_(wish),
      choice_(choice),
      tell_(std::move(tell)),
      text_(wish.stop) {
  open_.modality = std::move(open);
}

void Composer::tell_text() {
  Event event{.kind = Event::Kind::kText, .choice = choice_, .data = std::exchange(said_, "")};
  event.tokens = std::exchange(tokens_, {});
  has_said_ = false;
  tell_(std::move(event), std::nullopt);
}

// Of an item that is whole, by what it decodes to.
Event Composer::item_event(const std::string& modality) const {
  const codecs::MediaKind media = codecs_.media_kind(modality);
  Event event{.kind = media == codecs::MediaKind::kImage   ? Event::Kind::kImage
                      : media == codecs::MediaKind::kSound ? Event::Kind::kSound
                                                           : Event::Kind::kArray,
              .choice = choice_};
  if (event.kind == Event::Kind::kArray) event.modality = modality;
  return event;
}

// Where text ends at another modality, nothing of a character or of a stop string is to come.
void Composer::flush_text() {
  said_ += text_.push(characters_.finish()) + text_.finish();
  if (!said_.empty() || !tokens_.empty()) tell_text();
}

bool Composer::is_due() {
  if (wish_.pace.count() == 0 || !wish_.stop.empty()) return true;  // a stop string ends the answer at once
  const auto now = std::chrono::steady_clock::now();
  if (now < composed_at_ + wish_.pace) return false;
  composed_at_ = now;
  return true;
}

void Composer::token(int32_t token, double log_probability) {
  if (ended_ || stopped()) return;
  if (token == kPicture) return;  // picture() was told
  ++num_positions_;
  waiting_.push_back({token, log_probability});
  if (is_due()) compose();
}

void Composer::compose() {
  for (const Waiting& one : waiting_) compose(one);
  waiting_.clear();
  if (has_said_) tell_text();
}

void Composer::compose(const Waiting& one) {
  const int32_t token = one.token;
  const modality::Modality *opened = vocabulary_.opened_by(token), *closed = vocabulary_.closed_by(token);
  const bool is_text = vocabulary_.empty() || (vocabulary_.text()->contains(token) && !opened && !closed);
  tokens_.push_back({token, is_text ? codecs_.bytes_of(token) : "", one.log_probability});
  if (opened) {
    flush_text();
    open_ = {opened->name, false, {}, {}};
    num_previews_ = 0;
  } else if (closed) {
    if (has_said_) tell_text();
    Event event = item_event(open_.modality);
    if (!open_.tokens.empty()) tell_(std::move(event), std::move(open_));
    open_ = {vocabulary_.text()->name, false, {}, {}};
    flush_text();
  } else if (is_text) {
    said_ += text_.push(characters_.push(tokens_.back().bytes));
    has_said_ = true;
  } else {
    open_.tokens.push_back(token);
    preview_codes();
  }
}

bool Composer::preview_due(int64_t done, int64_t of) const {
  return wish_.previews > 0 && done < of && done * (wish_.previews + 1) >= (num_previews_ + 1) * of;
}

void Composer::preview_codes() {
  const modality::Modality* modality = vocabulary_.find(open_.modality);
  if (!modality || codecs_.media_kind(open_.modality) != codecs::MediaKind::kImage ||
      !preview_due(std::ssize(open_.tokens), modality->codes_per_item))
    return;
  Event event{.kind = Event::Kind::kPreview, .choice = choice_};
  event.number = num_previews_++;
  tell_(std::move(event), open_);
}

void Composer::picture(const Picture& picture) {
  if (ended_ || stopped()) return;
  compose();
  num_positions_ += vocabulary_.find(open_.modality)->positions_per_item();
  flush_text();
  num_previews_ = 0;
  tell_(item_event(open_.modality), Segment{open_.modality, false, {}, picture});
}

void Composer::preview(const at::Tensor& clean_CHW, int64_t visit, int64_t num_visits) {
  compose();
  if (codecs_.media_kind(open_.modality) != codecs::MediaKind::kImage || !preview_due(visit + 1, num_visits))
    return;
  Event event{.kind = Event::Kind::kPreview, .choice = choice_};
  event.number = num_previews_++;
  const auto number = static_cast<size_t>(vocabulary_.latents_number(*vocabulary_.find(open_.modality)));
  tell_(std::move(event), Segment{open_.modality, false, {}, Picture{clean_CHW, 0, number}});
}

void Composer::end(Stop stop) {
  if (ended_) return;
  compose();
  flush_text();
  ended_ = true;
  Event event{.kind = Event::Kind::kEnd, .choice = choice_};
  event.finish = stop == Stop::kLength && !stopped() ? Finish::kLength : Finish::kStop;
  tell_(std::move(event), std::nullopt);
}

std::string data_of(Event::Kind kind, const Segment& segment, const ModelCodecs& codecs) {
  return codecs::to_file(kind == Event::Kind::kPreview ? codecs.preview_of(segment)
                                                       : codecs.media_of(segment));
}

}  // namespace mom::generate
