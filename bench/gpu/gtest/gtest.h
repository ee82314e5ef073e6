// As much of GoogleTest as the tests of the CUDA kernels use, for machines that have nvcc alone (scripts/gpu-check).
#pragma once

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace testing {

struct Test {
  std::string name;
  void (*body)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}
struct Registration {
  Registration(const char* suite, const char* name, void (*body)()) {
    tests().push_back({std::string(suite) + "." + name, body});
  }
};

// Prints itself once everything that was streamed into it is there.
class Failure {
 public:
  Failure(const char* file, int line, const char* what) {
    text_ << file << ":" << line << ": " << what << " ";
  }
  ~Failure() {
    ++failures();
    std::printf("%s\n", text_.str().c_str());
  }
  template <class Value>
  Failure& operator<<(const Value& value) {
    text_ << value;
    return *this;
  }

 private:
  std::ostringstream text_;
};
struct Nothing {
  void operator=(const Failure&) const {}
};

}  // namespace testing

#define TEST(suite, name)                                                                          \
  static void suite##_##name();                                                                    \
  static const ::testing::Registration registered_##suite##_##name(#suite, #name, suite##_##name); \
  static void suite##_##name()
#define MOM_EXPECT(condition) \
  if (condition) {            \
  } else                      \
    ::testing::Failure(__FILE__, __LINE__, #condition)
#define MOM_ASSERT(condition) \
  if (condition) {            \
  } else                      \
    return ::testing::Nothing() = ::testing::Failure(__FILE__, __LINE__, #condition)
#define EXPECT_EQ(a, b) MOM_EXPECT((a) == (b))
#define EXPECT_LE(a, b) MOM_EXPECT((a) <= (b))
#define ASSERT_EQ(a, b) MOM_ASSERT((a) == (b))
#define ASSERT_TRUE(a) MOM_ASSERT(a)
