#include "mom/base/error.h"

namespace mom {

std::string format_error(const ErrorParts& parts) {
  std::string message = parts.where + ": expected " + parts.expected + ", found " + parts.found;
  if (!parts.next.empty()) message += "; " + parts.next;
  return message;
}

}  // namespace mom
