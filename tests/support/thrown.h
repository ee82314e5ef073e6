// What a call throws, as text.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace mom::test {

// The message of its error of this type, or that there was none; other errors go on to the caller.
template <class Kind, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Kind& error) {
    return error.what();
  }
  return "no error";
}

template <class Kind, class Call>
void expect_error(const Call& call, const std::string& expected) {
  const std::string message = message_of<Kind>(call);
  EXPECT_NE(message.find(expected), std::string::npos) << message << ", expected: " << expected;
}

}  // namespace mom::test
