#include "mom/base/range.h"

#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/error.h"
#include "tests/support/thrown.h"

namespace mom {
namespace {

std::string refusal_of(double value) {
  return test::message_of<UserError>([&] { require_in_range("--top-p", value, 0, 1); });
}

TEST(RequireInRange, TakesBothEndsAndNamesWhatIsOutside) {
  EXPECT_EQ(refusal_of(0), "no error");
  EXPECT_EQ(refusal_of(1), "no error");
  EXPECT_EQ(refusal_of(1.5), "--top-p: expected 0 to 1, found 1.5");
  EXPECT_EQ(refusal_of(-1e-9), "--top-p: expected 0 to 1, found -1e-09");
  EXPECT_NE(refusal_of(std::nan("")), "no error");
  EXPECT_THROW(require_in_range("--count", int64_t{1'000'001}, 1, 1e6), UserError);
}

}  // namespace
}  // namespace mom
