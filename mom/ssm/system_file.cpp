#include "mom/ssm/system_file.h"

#include <torch/types.h>

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/ssm/csv.h"
#include "mom/ssm/input_signal.h"
#include "mom/ssm/simulate.h"

namespace mom::ssm {
namespace {

constexpr int64_t kMaxNumbers = 20'000'000;  // in the CSV files: 400 MB

struct SystemConfig {
  config::Matrix a, b, c, d, initial_state;
  double dt = 0;
  int64_t steps = 0;
  std::string discretisation = "zoh";
  InputConfig input;
  config::Schema schema;

  SystemConfig() {
    config::Table& table = schema.table("", "h' = A h + B x, y = C h + D x");
    table.field("A", a, "N rows of N numbers; needed");
    table.field("B", b, "N rows of U numbers; a flat list is one input; needed");
    table.field("C", c, "Y rows of N numbers; a flat list is one output; needed");
    table.field("D", d, "Y rows of U numbers; zeros when absent");
    table.field("dt", dt, "length of a step, in units of time; needed");
    table.field("steps", steps, "number of steps; needed").range(1, static_cast<double>(kMaxSteps));
    table.field("discretisation", discretisation, "zero-order hold, or bilinear (Tustin)")
        .one_of({"zoh", "bilinear"});
    table.field(
        "initial_state", initial_state,
        "h at step 0, N numbers; zeros when absent; with bilinear the state of the discretised equations");
    input.describe(schema.table("input", "x, what drives the system"));
  }
  SystemConfig(const SystemConfig&) = delete;
  SystemConfig& operator=(const SystemConfig&) = delete;

  std::string place(const char* key) { return schema.find(key, key).set_at() + ": " + key; }
  const config::Table& input_table() const { return schema.tables().back(); }
};

// A flat list becomes a row where `as_row` says so, else a column.
at::Tensor tensor_of(const config::Matrix& matrix, bool as_row) {
  const at::Tensor values = torch::tensor(matrix.values, at::kDouble);
  return matrix.flat && as_row ? values.view({1, -1}) : values.view({matrix.num_rows, matrix.num_columns});
}

std::string shape_text(int64_t rows, int64_t columns) {
  return std::to_string(rows) + (rows == 1 ? " row of " : " rows of ") + std::to_string(columns);
}

void check_shape(SystemConfig& config, const char* key, const at::Tensor& matrix, int64_t rows,
                 int64_t columns, const char* why) {
  if (matrix.size(0) == rows && matrix.size(1) == columns) return;
  throw UserError({config.place(key), shape_text(rows, columns) + ", " + why,
                   shape_text(matrix.size(0), matrix.size(1)), ""});
}

void check_needed(SystemConfig& config, const std::string& where) {
  std::string missing;
  for (const char* key : {"A", "B", "C", "dt", "steps"})
    if (!config.schema.was_set(key)) missing += (missing.empty() ? "" : ", ") + std::string(key);
  if (!missing.empty()) throw UserError({where, "A, B, C, dt and steps", "no " + missing, ""});
  if (config.dt <= 0) throw UserError({config.place("dt"), "a number above 0", shortest(config.dt), ""});
}

LinearSystem read_system(SystemConfig& config) {
  const at::Tensor a_NN = tensor_of(config.a, false);
  const int64_t N = a_NN.size(0);
  if (N > kMaxStates)
    throw UserError(
        {config.place("A"), "at most " + std::to_string(kMaxStates) + " rows", std::to_string(N), ""});
  check_shape(config, "A", a_NN, N, N, "a square matrix");
  const at::Tensor b_NU = tensor_of(config.b, N == 1);
  const int64_t U = b_NU.size(1);
  check_shape(config, "B", b_NU, N, U, "one row a state of A");
  const at::Tensor c_YN = tensor_of(config.c, N != 1);
  const int64_t Y = c_YN.size(0);
  check_shape(config, "C", c_YN, Y, N, "one number a state of A");
  if (config.d.values.empty()) return {a_NN, b_NU, c_YN, torch::zeros({Y, U}, at::kDouble)};
  const at::Tensor d_YU = tensor_of(config.d, Y == 1);
  check_shape(config, "D", d_YU, Y, U, "outputs of C by inputs of B");
  return {a_NN, b_NU, c_YN, d_YU};
}

void check_size(SystemConfig& config, const LinearSystem& system) {
  const int64_t N = system.num_states(), U = system.num_inputs(), Y = system.num_outputs();
  const int64_t a_step = 3 + N + U + Y + 2 * U * Y, most = kMaxNumbers / a_step;
  if (config.steps <= most) return;
  throw UserError({config.place("steps"),
                   "at most " + std::to_string(most) + " for " + std::to_string(a_step) +
                       "  numbers per step in the CSV files",
                   std::to_string(config.steps), "take fewer"});
}

at::Tensor read_initial(SystemConfig& config, int64_t N) {
  if (config.initial_state.values.empty()) return torch::zeros({N}, at::kDouble);
  check_shape(config, "initial_state", tensor_of(config.initial_state, true), 1, N,
              "one number a state of A");
  return torch::tensor(config.initial_state.values, at::kDouble);
}

}  // namespace

SystemFile read_system_file(const Path& path) {
  SystemConfig config;
  config::load_toml(config.schema, path);
  check_needed(config, path.string());
  SystemFile file;
  file.system = read_system(config);
  check_size(config, file.system);
  file.dt = config.dt;
  file.dt_place = config.schema.find("dt", "dt").set_at();
  if (config.discretisation == "bilinear") file.discretisation = Discretisation::kBilinear;
  file.initial_N = read_initial(config, file.system.num_states());
  file.inputs_LU =
      make_inputs(config.input, config.input_table(),
                  {file.system.num_inputs(), config.steps, config.dt, path.parent_path(), path.string()});
  return file;
}

std::string system_file_help() { return config::help_text(SystemConfig().schema); }

}  // namespace mom::ssm
