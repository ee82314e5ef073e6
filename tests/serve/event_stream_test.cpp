// What an engine adds token by token is taken in one piece, and nothing is lost or twice there.
#include "mom/serve/event_stream.h"

#include <gtest/gtest.h>

namespace mom::serve {
namespace {

Event text(size_t choice, const std::string& data) {
  return {.kind = Event::Kind::kText, .choice = choice, .data = data, .tokens = {{7, data, -1}}};
}
Event image(size_t choice) { return {.kind = Event::Kind::kImage, .choice = choice}; }

// "CHOICE:TEXT/TOKENS " of text, "CHOICE:KIND " of others.
struct Plain : Format {
  http::Response whole(const std::vector<Event>&, const Usage&) const override { return {}; }
  std::string piece(const Event& event) const override {
    const std::string choice = std::to_string(event.choice) + ":";
    if (event.kind != Event::Kind::kText) return choice + "item ";
    return choice + event.data + "/" + std::to_string(event.tokens.size()) + " ";
  }
  std::string last(const std::vector<Event>&, const Usage&) const override { return ""; }
};

TEST(EventStream, TextOfAChoiceIsOneEventAndEachIsTakenOnce) {
  EventStream stream(std::make_shared<const Plain>());
  stream.add("first ");
  for (const char* word : {"a", "b", "c"}) {
    stream.add(text(0, word));
    stream.add(text(1, word));
  }
  EXPECT_EQ(stream.take(), "first 0:abc/3 1:abc/3 ");
  EXPECT_EQ(stream.take(), "");
  stream.add(text(1, "d"));
  EXPECT_EQ(stream.take(), "1:d/1 ");
}

TEST(EventStream, NothingOvertakesAnotherEventOfItsChoice) {
  EventStream stream(std::make_shared<const Plain>());
  stream.add(text(0, "a"));
  stream.add(image(0));
  stream.add(text(1, "x"));
  stream.add(text(0, "b"));
  stream.add(text(0, "c"));
  stream.add("end");
  EXPECT_EQ(stream.take(), "0:a/1 0:item 1:x/1 0:bc/2 end");
}

}  // namespace
}  // namespace mom::serve
