#include <cstdio>
#include <memory>
#include <string>

#include "apps/mom/verbs.h"
#include "mom/ssm/simulate.h"

namespace mom::app {
namespace {

// Numbers and lists of them with six digits; large ones are for --json.
std::string short_text(const OrderedJson& value) {
  constexpr size_t kMaxCharacters = 160;
  if (!value.is_array()) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value.get<double>());
    return text;
  }
  std::string text;
  for (const OrderedJson& item : value) {
    text += (text.empty() ? "" : ", ") + short_text(item);
    if (text.size() > kMaxCharacters) return "(see --json)";
  }
  return "[" + text + "]";
}

std::string counted(const OrderedJson& count, const std::string& word) {
  return count.dump() + " " + word + (count == 1 ? "" : "s");
}

void print_line(const char* name, const std::string& text) { std::printf("%-10s%s\n", name, text.c_str()); }

void print_figures(const OrderedJson& json, const std::string& system, const std::string& out) {
  print_line("system", system + ": " + counted(json["states"], "state") + ", " +
                           counted(json["inputs"], "input") + ", " + counted(json["outputs"], "output"));
  print_line("steps", json["steps"].dump() + " of " + short_text(json["dt"]) + ", " +
                          json["discretisation"].get<std::string>());
  print_line("stable", std::string(json["stable"].get<bool>() ? "yes" : "no") +
                           ": eigenvalues' largest real part " + short_text(json["largest_real_part"]) +
                           ", discretised largest modulus " + short_text(json["spectral_radius"]));
  print_line("DC gain", json["dc_gain"].is_null() ? "none, A is singular" : short_text(json["dc_gain"]));
  const OrderedJson& last = json["final"];
  print_line("final",
             "t " + short_text(last["t"]) + ", h " + short_text(last["h"]) + ", y " + short_text(last["y"]));
  print_line("FFT", "differs from the recurrence by " + short_text(json["fft_difference"]) +
                        " of the largest output");
  print_line("written", "impulse.csv, step.csv, response.csv and responses.svg in " + out);
}

}  // namespace

void add_ssm_verb(CLI::App& app) {
  struct Options {
    Path system, out;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* ssm = app.add_subcommand("ssm", "linear state-space models, the equations by themselves");
  ssm->require_subcommand(1);
  CLI::App* verb = ssm->add_subcommand("simulate", "discretise h' = A h + B x, y = C h + D x, and run it");
  verb->footer([] { return "Keys of SYSTEM:\n" + ssm::system_file_help(); });
  verb->add_option("SYSTEM", options->system, "TOML with the matrices, the step and the input")->required();
  verb->add_option("--out", options->out, "folder for impulse.csv, step.csv, response.csv and responses.svg")
      ->required();
  verb->add_flag("--json", options->json, "the figures and discretised matrices as one JSON object");
  verb->callback([options] {
    const OrderedJson result = ssm::simulate_file(options->system, options->out);
    options->json ? print_json(result)
                  : print_figures(result, options->system.string(), options->out.string());
  });
}

}  // namespace mom::app
