#include "mom/serve/event_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mom::serve {

void add_event(std::vector<Event>& events, Event event) {
  const auto before = std::find_if(events.rbegin(), events.rend(),
                                   [&](const Event& one) { return one.choice == event.choice; });
  if (event.kind != Event::Kind::kText || before == events.rend() || before->kind != Event::Kind::kText)
    return events.push_back(std::move(event));
  before->data += event.data;
  before->tokens.insert(before->tokens.end(), std::make_move_iterator(event.tokens.begin()),
                        std::make_move_iterator(event.tokens.end()));
}

void EventStream::add(Event event) {
  const std::lock_guard lock(mutex_);
  add_event(events_, std::move(event));
}

void EventStream::add(const std::string& text) {
  const std::lock_guard lock(mutex_);
  for (const Event& event : events_) text_ += format_->piece(event);
  events_.clear();
  text_ += text;
}

std::string EventStream::take() {
  std::string text;
  std::vector<Event> events;
  {
    const std::lock_guard lock(mutex_);
    text.swap(text_);
    events.swap(events_);
  }
  for (const Event& event : events) text += format_->piece(event);
  return text;
}

}  // namespace mom::serve
