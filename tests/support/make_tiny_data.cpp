// Writes the tests' tiny data set (tests/support/tiny_data.h) for tests that drive the program from outside.
// Usage: make_tiny_data FOLDER      makes FOLDER/{documents, codec-text, codec-image, encoded}, and the same
// with codes
//                                   of pictures and sounds in FOLDER/spoken
#include "tests/support/tiny_data.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_tiny_data FOLDER\n");
    return 2;
  }
  try {
    mom::test::make_tiny_encoded(argv[1]);
    mom::test::make_tiny_spoken(mom::Path(argv[1]) / "spoken");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_tiny_data: error: %s\n", error.what());
    return 1;
  }
  return 0;
}
