// N states, U inputs, Y outputs, L steps.
#include "mom/ssm/simulate.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/ssm/csv.h"
#include "mom/ssm/plot.h"
#include "mom/ssm/system_file.h"

namespace mom::ssm {
namespace {

using Names = std::vector<std::string>;

struct Results {
  LinearSystem discrete;
  Trajectory response;
  at::Tensor impulse_LYU, step_LYU, time_L;
  Growth growth;
  double fft_difference = 0;
};

Results run(const SystemFile& file) {
  Results results;
  results.discrete = discretise(file.system, file.dt, file.discretisation);
  results.growth = growth(file.system.a_NN);
  const int64_t L = file.inputs_LU.size(0);
  results.time_L = torch::arange(L, at::kDouble) * file.dt;
  results.impulse_LYU = impulse_response(results.discrete, L);
  results.step_LYU = step_response(results.discrete, L);
  results.response = simulate(results.discrete, file.inputs_LU, file.initial_N);
  const bool from_zero = file.initial_N.count_nonzero().item<int64_t>() == 0;
  results.fft_difference = relative_difference(
      convolve(results.impulse_LYU, file.inputs_LU),
      from_zero ? results.response.outputs_LY
                : simulate(results.discrete, file.inputs_LU, torch::zeros_like(file.initial_N)).outputs_LY);
  return results;
}

Results run_located(const SystemFile& file) {
  try {
    return run(file);
  } catch (const Error& error) {  // the equations do not know where their numbers were written
    throw Error(error.code(), file.dt_place + ": " + error.what());
  }
}

Names numbered(const std::string& letter, int64_t count) {
  Names names;
  for (int64_t i = 1; i <= count; ++i) names.push_back(letter + "_" + std::to_string(i));
  return names;
}

// "y_1_x_1": the order of a [L, Y, U] flattened.
Names pairs(int64_t num_outputs, int64_t num_inputs, const char* between) {
  Names names;
  for (const std::string& output : numbered("y", num_outputs))
    for (const std::string& input : numbered("x", num_inputs)) names.push_back(output + between + input);
  return names;
}

void write_csv(const Path& path, const at::Tensor& time_L, Names names, const at::Tensor& values_LX) {
  names.insert(names.begin(), "t");
  publish_csv(path, names, torch::cat({time_L.unsqueeze(1), values_LX}, 1));
}

void write_tables(const Path& out, const SystemFile& file, const Results& results) {
  const int64_t N = file.system.num_states(), U = file.system.num_inputs(), Y = file.system.num_outputs();
  write_csv(out / "impulse.csv", results.time_L, pairs(Y, U, "_"), results.impulse_LYU.flatten(1));
  write_csv(out / "step.csv", results.time_L, pairs(Y, U, "_"), results.step_LYU.flatten(1));
  Names names;
  for (const Names& part : {numbered("x", U), numbered("h", N), numbered("y", Y)})
    names.insert(names.end(), part.begin(), part.end());
  write_csv(out / "response.csv", results.time_L, names,
            torch::cat({file.inputs_LU, results.response.states_LN, results.response.outputs_LY}, 1));
}

std::vector<double> numbers(const at::Tensor& values) {
  const at::Tensor flat = values.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

OrderedJson matrix_json(const at::Tensor& matrix) {
  OrderedJson rows = OrderedJson::array();
  for (int64_t row = 0; row < matrix.size(0); ++row) rows.push_back(numbers(matrix[row]));
  return rows;
}

const char* words(Discretisation how) {
  return how == Discretisation::kBilinear ? "bilinear" : "zero-order hold";
}

Panel make_panel(const char* title, const Names& names, const at::Tensor& values_LX) {
  Panel panel{title, {}, false};
  for (size_t i = 0; i < names.size(); ++i)  // the plot only needs the length of what it does not draw
    panel.curves.push_back({names[i], i < kMaxCurves ? numbers(values_LX.select(1, static_cast<int64_t>(i)))
                                                     : std::vector<double>()});
  return panel;
}

// File names may hold anything; XML may not.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const bool good = length != 0 && static_cast<unsigned char>(text[0]) >= 0x20;
    out += good ? std::string(text.substr(0, length)) : "?";
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

std::string plural(int64_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

Plot make_plot(const std::string& name, const SystemFile& file, const Results& results) {
  const int64_t U = file.system.num_inputs(), Y = file.system.num_outputs();
  Plot plot;
  plot.dt = file.dt;
  plot.title = printable(name) + ": " + plural(file.system.num_states(), "state") + ", " +
               plural(U, "input") + ", " + plural(Y, "output");
  plot.subtitle = std::string(words(file.discretisation)) + ", dt " + shortest(file.dt) + ", " +
                  plural(file.inputs_LU.size(0), "step") + "; " +
                  (results.growth.stable()     ? "stable"
                   : results.growth.unstable() ? "unstable"
                                               : "on the border of stability");
  const Names names = U == 1 ? numbered("y", Y) : pairs(Y, U, " from ");
  plot.panels = {make_panel("Impulse response: x is 1 at step 0 only", names, results.impulse_LYU.flatten(1)),
                 make_panel("Step response: x is 1 from step 0 on", names, results.step_LYU.flatten(1)),
                 make_panel("Input x", numbered("x", U), file.inputs_LU),
                 make_panel("Response y to this input", numbered("y", Y), results.response.outputs_LY)};
  plot.panels[2].stairs = file.discretisation == Discretisation::kZeroOrderHold;
  return plot;
}

OrderedJson figures(const SystemFile& file, const Results& results, const Path& out) {
  const auto gain = dc_gain(file.system);
  OrderedJson json;
  json["states"] = file.system.num_states();
  json["inputs"] = file.system.num_inputs();
  json["outputs"] = file.system.num_outputs();
  json["steps"] = file.inputs_LU.size(0);
  json["dt"] = file.dt;
  json["discretisation"] = words(file.discretisation);
  json["stable"] = results.growth.stable();
  json["largest_real_part"] = results.growth.largest_real_part;
  json["spectral_radius"] = spectral_radius(results.discrete.a_NN);
  json["dc_gain"] = gain ? matrix_json(*gain) : OrderedJson(nullptr);
  json["fft_difference"] = results.fft_difference;
  json["final"] = {{"t", results.time_L[-1].item<double>()},
                   {"h", numbers(results.response.states_LN[-1])},
                   {"y", numbers(results.response.outputs_LY[-1])}};
  for (const char* name : {"impulse.csv", "step.csv", "response.csv", "responses.svg"})
    json["files"].push_back((out / name).string());
  json["discrete"] = {{"a", matrix_json(results.discrete.a_NN)},
                      {"b", matrix_json(results.discrete.b_NU)},
                      {"c", matrix_json(results.discrete.c_YN)},
                      {"d", matrix_json(results.discrete.d_YU)}};
  return json;
}

}  // namespace

OrderedJson simulate_file(const Path& system, const Path& out) {
  torch::NoGradGuard no_grad;
  const SystemFile file = read_system_file(system);
  if (std::filesystem::exists(out) && !std::filesystem::is_directory(out))
    throw UserError({out.string(), "a folder to write into", "a file", ""});
  const Results results = run_located(file);
  const OrderedJson json = figures(file, results, out);
  std::filesystem::create_directories(out);
  write_tables(out, file, results);
  publish_file(out / "responses.svg", plot_svg(make_plot(system.stem().string(), file, results)));
  return json;
}

}  // namespace mom::ssm
