// Writes the study folders of fake_study.h below a folder, for the browser test: make_fake_studies DIR
#include <iostream>

#include "tests/support/fake_study.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_fake_studies DIR\n";
    return 2;
  }
  const mom::Path root = argv[1];
  mom::test::write_fake_study(root / "subsets", mom::test::fake_subsets());
  mom::test::write_fake_study(root / "settings", mom::test::fake_settings());
  mom::test::write_fake_study(root / "rates", mom::test::fake_rates());
  return 0;
}
