#include "mom/generate/text_stream.h"

#include "mom/base/utf8.h"

namespace mom::generate {
namespace {

bool is_control(unsigned char byte) { return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f; }

}  // namespace

std::string TextStream::push(std::string_view bytes) {
  rest_ += bytes;
  std::string text;
  size_t at = 0;
  while (at < rest_.size()) {
    const std::string_view left = std::string_view(rest_).substr(at);
    const auto [length, needed] = utf8_start(left);
    if (length == left.size() && length < needed) break;  // more bytes may complete it
    const bool shown = length == needed && !is_control(static_cast<unsigned char>(left[0]));
    text += shown ? left.substr(0, length) : kUtf8Replacement;
    at += length;
  }
  rest_.erase(0, at);
  return text;
}

std::string TextStream::finish() {
  const std::string text = rest_.empty() ? "" : std::string(kUtf8Replacement);
  rest_.clear();
  return text;
}

}  // namespace mom::generate
