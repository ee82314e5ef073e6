// Events between the engine's thread, which adds them one by one, and the I/O thread, which takes them as text.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mom/serve/job.h"

namespace mom::serve {

// Behind `events`; text goes on with the text of the same choice, as one event.
void add_event(std::vector<Event>& events, Event event);

class EventStream {
 public:
  explicit EventStream(std::shared_ptr<const Format> format) : format_(std::move(format)) {}
  void add(Event event);
  void add(const std::string& text);  // as it is
  // What was not taken before, as the format writes it.
  std::string take();

 private:
  const std::shared_ptr<const Format> format_;
  std::mutex mutex_;
  std::string text_;           // of what came first
  std::vector<Event> events_;  // behind it
};

}  // namespace mom::serve
