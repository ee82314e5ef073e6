// Text that comes in pieces of bytes, for a terminal: whole characters only.
#pragma once

#include <string>
#include <string_view>

namespace mom::generate {

class TextStream {
 public:
  // The characters that are complete now. Faults and control characters but newline and tab become U+FFFD: a
  // model may write any bytes.
  std::string push(std::string_view bytes);
  std::string finish();  // what is left of a character that was not completed

 private:
  std::string rest_;
};

}  // namespace mom::generate
