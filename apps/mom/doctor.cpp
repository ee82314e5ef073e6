#include <cstdio>
#include <iostream>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/base/machine.h"
#include "mom/base/progress.h"
#include "mom/formats/versions.h"
#include "mom/kernels/cpu_capability.h"
#include "mom/ops/gemm_libraries.h"
#include "mom/train/self_check.h"

namespace mom::app {
namespace {

std::string outcome(const train::SelfCheck& check) {
  if (!check.error.empty()) return check.error;
  char text[96];
  std::snprintf(text, sizeof text, "%s (mean square error %.1e of at most %.0e)",
                check.ok() ? "right" : "WRONG", check.difference, check.allowed);
  return text;
}

struct Report {
  MachineFacts facts = read_machine(".");
  std::vector<train::SelfCheck> checks = train::self_checks();
  std::vector<Finding> findings = check_machine(facts);
};

Report examine() {
  Report report;
  for (const train::SelfCheck& check : report.checks)
    if (!check.ok())
      report.findings.push_back(
          {true, check.name + ": " + outcome(check),
           "this processor or a library computes wrongly: try MOM_CPU_CAPABILITY=baseline, and "
           "report it with the output of mom doctor --json"});
  return report;
}

OrderedJson describe(const Report& examined) {
  const auto& [facts, checks, findings] = examined;
  OrderedJson report = {{"ok", true}, {"version", MOM_VERSION}};
  report.update(machine_description());
  report["memory_free_bytes"] = facts.memory_free_bytes;
  report["folder"] = facts.folder;
  report["disk_free_bytes"] = facts.disk_free_bytes;
  for (const auto& [name, version] : formats::library_versions()) report["libraries"][name] = version;
  report["kernels"] = kernels::cpu_capability();
  const ops::GemmLibraries gemm = ops::gemm_libraries();
  report["gemm"] = {{"float32", gemm.f32}, {"bfloat16", gemm.bf16}};
  for (const train::SelfCheck& check : checks)
    report["checks"].push_back({{"name", check.name},
                                {"ok", check.ok()},
                                {"difference", check.difference},
                                {"allowed", check.allowed},
                                {"error", check.error}});
  report["findings"] = OrderedJson::array();
  for (const Finding& finding : findings) {
    report["findings"].push_back(
        {{"fatal", finding.fatal}, {"problem", finding.problem}, {"next", finding.next}});
    if (finding.fatal) report["ok"] = false;
  }
  return report;
}

void print_report(const Report& examined) {
  const auto& [facts, checks, findings] = examined;
  auto row = [](const char* name, const std::string& value) {
    std::string padded = name;
    padded.resize(12, ' ');
    std::cout << padded << value << "\n";
  };
  auto bytes = [](uint64_t value) { return format_bytes(static_cast<double>(value)); };
  std::string features, libraries;
  for (const std::string& feature : facts.features) features += (features.empty() ? "" : " ") + feature;
  for (const auto& [name, version] : formats::library_versions())
    libraries += (libraries.empty() ? "" : ", ") + name + " " + version;
  row("mom", MOM_VERSION " (" + facts.build + ", " + facts.compiler + ", LibTorch " + facts.libtorch + ")");
  row("system", facts.system);
  row("processor", facts.processor);
  row("features", features.empty() ? "none that matter" : features);
  row("threads", std::to_string(facts.threads_allowed) + " of " + std::to_string(facts.cores) + " cores");
  row("memory", bytes(facts.memory_free_bytes) + " free of " + bytes(facts.memory_bytes));
  row("disk", bytes(facts.disk_free_bytes) + " free at " + facts.folder);
  row("libraries", libraries);
  row("kernels", kernels::cpu_capability());
  const ops::GemmLibraries gemm = ops::gemm_libraries();
  row("products", "float32: " + gemm.f32 + "; bfloat16: " + gemm.bf16);
  for (const train::SelfCheck& check : checks) row("checked", check.name + ": " + outcome(check));
  for (const Finding& finding : findings)
    row(finding.fatal ? "PROBLEM" : "note", finding.problem + "; " + finding.next);
  if (findings.empty()) row("verdict", "all is fine");
  std::cout.flush();
}

}  // namespace

void add_doctor_verb(CLI::App& app) {
  auto* verb = app.add_subcommand("doctor",
                                  "CPU features, threads, versions, memory, disk, and a few results checked: "
                                  "what is wrong and what to do");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "print one JSON object");
  verb->callback([json] {
    const Report report = examine();
    if (*json)
      print_json(describe(report));
    else
      print_report(report);
    for (const Finding& finding : report.findings)
      if (finding.fatal) throw ResourceError(finding.problem + "; " + finding.next);
  });
}

}  // namespace mom::app
