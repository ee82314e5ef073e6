// mom: pre-train, compare and sample multimodal state-space models.
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/nearest.h"

namespace mom::app {

void print_json(const OrderedJson& value) { std::cout << value.dump(2) << std::endl; }

namespace {

int fail(ExitCode code, const char* message) {
  std::fprintf(stderr, "mom: error: %s\n", message);
  return static_cast<int>(code);
}

// A misspelt verb is answered with its nearest neighbour; CLI11 would only say that a subcommand is required.
void check_verb(const CLI::App& app, const std::string& word) {
  if (word.starts_with("-")) return;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return;
  const std::string near = nearest(word, verbs);
  throw UserError("unknown verb '" + word + "'; " +
                  (near.empty() ? "see 'mom --help'" : "did you mean '" + near + "'?"));
}

int run(int argc, char** argv) {
  CLI::App app("mom: pre-train, compare and sample multimodal state-space models", "mom");
  app.require_subcommand(1);
  app.set_version_flag("--version", MOM_VERSION);
  app.add_flag_callback(
      "--quiet", [] { set_quiet(true); }, "warnings and errors only");
  add_data_verb(app);
  add_codec_verb(app);
  add_train_verb(app);
  add_eval_verb(app);
  add_compare_verb(app);
  add_study_verb(app);
  add_report_verb(app);
  add_generate_verb(app);
  add_forward_verb(app);
  add_inspect_verb(app);
  add_convert_verb(app);
  add_ssm_verb(app);
  add_bench_verb(app);
  add_doctor_verb(app);
  try {
    if (argc > 1) check_verb(app, argv[1]);
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "mom: error: %s; see 'mom --help'\n", error.what());
    return static_cast<int>(ExitCode::kUsage);
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::filesystem::filesystem_error& error) {  // creating or removing folders
    return fail(ExitCode::kNoResource, error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kNoResource, "out of memory");
  } catch (const c10::Error& error) {
    return fail(ExitCode::kInternal, error.what_without_backtrace());
  } catch (const std::invalid_argument&
               error) {  // of the kernels, which do not know our errors: MOM_CPU_CAPABILITY
    return fail(ExitCode::kUsage, error.what());
  } catch (const std::exception& error) {
    return fail(ExitCode::kInternal, error.what());
  }
  return 0;
}

}  // namespace
}  // namespace mom::app

int main(int argc, char** argv) { return mom::app::run(argc, argv); }
