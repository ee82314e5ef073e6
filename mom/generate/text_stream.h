// Text that comes in pieces of bytes, for a terminal: whole characters only.
#pragma once

#include <string>
#include <string_view>

namespace mom::generate {

class TextStream {
 public:
  // The characters that are complete now. A model may write any bytes: control characters but newline and tab become
  // U+FFFD, and so does each maximal part of a character that is not whole (as Unicode, section 3.9, recommends).
  std::string push(std::string_view bytes);
  std::string finish();  // what is left of a character that was not completed

 private:
  std::string rest_;
};

}  // namespace mom::generate
