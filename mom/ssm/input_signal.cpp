#include "mom/ssm/input_signal.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/random.h"
#include "mom/config/schema.h"
#include "mom/ssm/csv.h"

namespace mom::ssm {
namespace {

// The keys that each kind reads, beside `kind`.
const std::map<std::string, std::vector<std::string>> kKeys = {
    {"impulse", {"amplitude", "channel"}},
    {"step", {"amplitude", "channel"}},
    {"sine", {"amplitude", "channel", "frequency"}},
    {"square", {"amplitude", "channel", "frequency"}},
    {"chirp", {"amplitude", "channel", "frequency", "end_frequency"}},
    {"noise", {"amplitude", "channel", "seed"}},
    {"values", {"values"}},
    {"csv", {"file", "columns"}},
};

const std::string& place_of(const config::Table& table, const std::string& name, const std::string& where) {
  for (const config::Field& field : table.fields())
    if (field.name() == name && field.was_set()) return field.set_at();
  return where;
}

// Warns of keys that are set and not read; complains of those that are read and have no default.
void check_keys(const InputConfig& config, const config::Table& table, const std::string& where) {
  const std::vector<std::string>& used = kKeys.at(config.kind);
  for (const config::Field& field : table.fields()) {
    const bool is_used = field.name() == "kind" || std::count(used.begin(), used.end(), field.name());
    if (field.was_set() && !is_used)
      log_warning(field.set_at() + ": input." + field.name() + " is not used by kind = \"" + config.kind +
                  "\"");
  }
  const bool missing = (config.kind == "values" && config.values.values.empty()) ||
                       (config.kind == "csv" && config.file.empty());
  if (missing) {
    throw UserError({place_of(table, "kind", where) + ": [input] of kind \"" + config.kind + "\"",
                     config.kind == "values" ? "values = [...]" : "file = \"...\"", "none", ""});
  }
}

// Value of a periodic or swept signal of height 1 at time t, in units of time; the sweep ends at `end`.
double wave(const InputConfig& config, double t, double end) {
  const double turns = config.frequency * t;
  if (config.kind == "square") return turns - std::floor(turns) < 0.5 ? 1 : -1;
  const double swept =
      config.kind == "chirp" ? (config.end_frequency - config.frequency) * t * t / (2 * end) : 0;
  return std::sin(2 * std::numbers::pi * (turns + swept));
}

void fill_signal(const at::Tensor& input_L, const InputConfig& config, double dt, uint64_t channel) {
  auto x = input_L.accessor<double, 1>();
  RandomStream random(stream_key({static_cast<uint64_t>(config.seed), fnv1a64("input"), channel}));
  const double end = dt * static_cast<double>(x.size(0));
  for (int64_t k = 0; k < x.size(0); ++k) {
    double value = 1;  // of a step
    if (config.kind == "impulse")
      value = k == 0;
    else if (config.kind == "noise")
      value = random.normal();
    else if (config.kind != "step")
      value = wave(config, dt * static_cast<double>(k), end);
    x[k] = config.amplitude * value;
  }
}

at::Tensor make_signal(const InputConfig& config, const config::Table& table, const InputRequest& request) {
  const int64_t U = request.num_inputs;
  if (config.channel > U) {
    throw UserError({place_of(table, "channel", request.where) + ": channel",
                     "0 (all) to " + std::to_string(U) + ", an input of B", std::to_string(config.channel),
                     ""});
  }
  const at::Tensor inputs_LU = torch::zeros({request.num_steps, U}, at::kDouble);
  for (int64_t u = 0; u < U; ++u) {
    if (config.channel == 0 || config.channel == u + 1)
      fill_signal(inputs_LU.select(1, u), config, request.dt, static_cast<uint64_t>(u));
  }
  return inputs_LU;
}

CsvColumns given_values(const InputConfig& config, const config::Table& table, const InputRequest& request) {
  if (config.kind == "csv") {
    if (!config.columns.empty() && std::ssize(config.columns) != request.num_inputs) {
      throw UserError({place_of(table, "columns", request.where) + ": columns",
                       std::to_string(request.num_inputs) + " names, one an input of B",
                       std::to_string(config.columns.size()), ""});
    }
    return read_csv(request.folder / config.file, {config.columns, request.num_inputs, request.num_steps});
  }
  const config::Matrix& values = config.values;
  if (values.num_columns != request.num_inputs) {
    throw UserError({place_of(table, "values", request.where) + ": values",
                     "rows of " + std::to_string(request.num_inputs) + ", one number an input of B",
                     "rows of " + std::to_string(values.num_columns), ""});
  }
  const at::Tensor all =
      torch::tensor(values.values, at::kDouble).view({values.num_rows, values.num_columns});
  return {all.narrow(0, 0, std::min(values.num_rows, request.num_steps)),
          values.num_rows > request.num_steps};
}

}  // namespace

void InputConfig::describe(config::Table& table) {
  std::vector<std::string> kinds;
  for (const auto& [name, keys] : kKeys) kinds.push_back(name);
  table.field("kind", kind, "what x is").one_of(kinds);
  table.field("amplitude", amplitude, "height of the signal; standard deviation of noise");
  table.field("frequency", frequency, "of sine and square, of a chirp at its start; periods a unit of time")
      .at_least(0);
  table.field("end_frequency", end_frequency, "of a chirp after the last step").at_least(0);
  table.field("channel", channel, "the input that gets the signal, from 1; 0: all").at_least(0);
  table.field("seed", seed, "of noise").range(0, 9007199254740992);
  table.field("values", values, "x itself: one row per step, one number per input");
  table.field("file", file, "CSV with one row per step, relative to this file's folder");
  table.field("columns", columns, "names of the CSV's columns to use, one an input; empty: all there are");
}

at::Tensor make_inputs(const InputConfig& config, const config::Table& table, const InputRequest& request) {
  check_keys(config, table, request.where);
  if (config.kind != "values" && config.kind != "csv") return make_signal(config, table, request);
  const CsvColumns given = given_values(config, table, request);
  const int64_t rows = given.values_LX.size(0);
  const std::string what = request.where + ": [input] has ";
  if (given.has_more_rows)
    log_warning(what + "more rows than steps = " + std::to_string(request.num_steps) +
                "; the rest is not used");
  if (rows < request.num_steps)
    log_warning(what + std::to_string(rows) + " rows for " + std::to_string(request.num_steps) +
                " steps; x is 0 after them");
  const at::Tensor inputs_LU = torch::zeros({request.num_steps, request.num_inputs}, at::kDouble);
  inputs_LU.narrow(0, 0, rows).copy_(given.values_LX);
  return inputs_LU;
}

}  // namespace mom::ssm
