// What a call throws, as text.
#pragma once

#include <exception>
#include <string>

namespace mom::test {

// The message of its error of this type; else that there was none, or another's message behind "another error: ".
template <class Kind, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Kind& error) {
    return error.what();
  } catch (const std::exception& other) {
    return std::string("another error: ") + other.what();
  }
  return "no error";
}

}  // namespace mom::test
