#include "mom/base/error.h"

namespace mom {

std::string format_error(const ErrorParts& parts) {
  std::string message = parts.where + ": expected " + parts.expected + ", found " + parts.found;
  if (!parts.next.empty()) message += "; " + parts.next;
  // what() ends at the first.
  for (size_t at; (at = message.find('\0')) != std::string::npos;) message.replace(at, 1, "\\x00");
  return message;
}

}  // namespace mom
