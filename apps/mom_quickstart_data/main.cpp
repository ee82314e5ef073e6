// mom-quickstart-data: makes the quickstart's documents; `mom data quickstart` starts it.
#include <cstdio>

#include "apps/program.h"
#include "mom/data/inspect.h"
#include "mom/quickstart/quickstart.h"

int main(int argc, char** argv) {
  CLI::App app("make the quickstart data set from installed Debian packages", "mom data quickstart");
  mom::quickstart::QuickstartOptions options;
  app.add_option("--out", options.out, "documents folder to make")->required();
  app.add_option("--packages", options.packages,
                 "folder the packages were unpacked into (default: environment MOM_PACKAGES, else /)");
  app.add_option("--setting", options.setting,
                 "transfusion, chameleon (the same documents), styles (images in two styles, and a third to "
                 "validate on), three_modality (and spoken captions), tuxpaint "
                 "(recorded captions; package tuxpaint-stamps-default) or showcase (images in six "
                 "styles; scripts/setup --with styles)")
      ->capture_default_str();
  app.add_flag("--replace", options.replace, "replace the folder when it exists");
  app.callback([&] {
    mom::quickstart::make_quickstart(options);
    std::fputs(mom::data::inspect_text(options.out, 0).c_str(), stdout);
  });
  return mom::app::run_program(app, argc, argv);
}
