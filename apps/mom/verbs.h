// One file per verb: each adds its subcommand, options and callback. Callbacks throw mom::Error to fail.
#pragma once

#include "apps/program.h"

namespace mom::app {

inline constexpr const char* kDeviceHelp =
    "what computes, as train.device: cpu, or cuda where the build has it";
inline void add_device_option(CLI::App& verb, std::string& value) {
  verb.add_option("--device", value, kDeviceHelp)->capture_default_str();
}

void add_data_verb(CLI::App& app);
void add_codec_verb(CLI::App& app);
void add_train_verb(CLI::App& app);
void add_plan_verb(CLI::App& app);
void add_eval_verb(CLI::App& app);
void add_compare_verb(CLI::App& app);
void add_study_verb(CLI::App& app);
void add_report_verb(CLI::App& app);
void add_generate_verb(CLI::App& app);
void add_serve_verb(CLI::App& app);
void add_forward_verb(CLI::App& app);
void add_inspect_verb(CLI::App& app);
void add_convert_verb(CLI::App& app);
void add_ssm_verb(CLI::App& app);
void add_bench_verb(CLI::App& app);
void add_doctor_verb(CLI::App& app);

}  // namespace mom::app
