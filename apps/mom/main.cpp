// mom: pre-train, compare and sample multimodal state-space models.
#include <algorithm>
#include <string>
#include <vector>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/nearest.h"
#ifdef MOM_CUDA
#include "mom/cuda/gpus.h"
#endif

namespace mom::app {

namespace {

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
#ifdef MOM_CUDA
  cuda::add_gpus();
#endif
  CLI::App app("mom: pre-train, compare and sample multimodal state-space models", "mom");
  app.require_subcommand(1);
  app.set_version_flag("--version", MOM_VERSION);
  app.add_flag_callback(
      "--quiet", [] { set_quiet(true); }, "warnings and errors only");
  add_data_verb(app);
  add_codec_verb(app);
  add_train_verb(app);
  add_plan_verb(app);
  add_eval_verb(app);
  add_compare_verb(app);
  add_study_verb(app);
  add_report_verb(app);
  add_generate_verb(app);
  add_serve_verb(app);
  add_forward_verb(app);
  add_inspect_verb(app);
  add_convert_verb(app);
  add_ssm_verb(app);
  add_bench_verb(app);
  add_doctor_verb(app);
  return run_program(app, argc, argv, [&] {
    if (argc > 1) check_verb(app, argv[1]);
  });
}

}  // namespace
}  // namespace mom::app

int main(int argc, char** argv) { return mom::app::run(argc, argv); }
