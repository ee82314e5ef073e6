#include "mom/generate/text_stream.h"

#include "mom/base/utf8.h"

namespace mom::generate {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";
constexpr size_t kLongestCharacter = 4;

bool is_control(unsigned char byte) { return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f; }

// Whether more bytes could still make it a character.
bool may_be_completed(std::string_view bytes) {
  if (bytes.size() >= kLongestCharacter) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (first > 0xf4 || bytes.size() >= length) return false;
  for (size_t i = 1; i < bytes.size(); ++i)
    if ((static_cast<unsigned char>(bytes[i]) & 0xc0) != 0x80) return false;
  return true;
}

}  // namespace

std::string TextStream::push(std::string_view bytes) {
  rest_ += bytes;
  std::string text;
  size_t at = 0;
  while (at < rest_.size()) {
    const std::string_view left = std::string_view(rest_).substr(at);
    const size_t length = utf8_length(left);
    if (length == 0 && may_be_completed(left)) break;
    const bool shown = length > 0 && !is_control(static_cast<unsigned char>(left[0]));
    text += shown ? left.substr(0, length) : kReplacement;
    at += std::max<size_t>(length, 1);
  }
  rest_.erase(0, at);
  return text;
}

std::string TextStream::finish() {
  const std::string text = rest_.empty() ? "" : std::string(kReplacement);
  rest_.clear();
  return text;
}

}  // namespace mom::generate
