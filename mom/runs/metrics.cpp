#include "mom/runs/metrics.h"

#include <cmath>

#include "mom/base/error.h"

namespace mom::runs {
namespace {

constexpr std::string_view kLossPrefix = "loss_";

// A loss that is absent or null was not measured (a batch without that modality).
std::optional<double> optional_number(const Json& line, const char* key, const std::string& where) {
  if (!line.contains(key) || line.at(key).is_null()) return std::nullopt;
  const double value = json_number(line, key, where);
  if (!std::isfinite(value)) {
    throw InputError({where, "\"" + std::string(key) + "\" as a finite number", std::to_string(value), ""});
  }
  return value;
}

double amount(const Json& line, const char* key, const std::string& where) {
  const double value = json_number(line, key, where);
  if (!std::isfinite(value) || value < 0) {
    throw InputError({where, "\"" + std::string(key) + "\" as an amount >= 0", std::to_string(value), ""});
  }
  return value;
}

MetricPoint parse_point(const Json& line, const std::string& where) {
  MetricPoint point;
  point.step = json_int(line, "step", where);
  if (point.step < 0) {
    throw InputError({where, "\"step\" >= 0", std::to_string(point.step), ""});
  }
  point.flops = amount(line, "flops", where);
  point.tokens = amount(line, "tokens", where);
  point.loss = optional_number(line, "loss", where);
  for (const auto& [key, value] : line.items()) {
    if (key.rfind(kLossPrefix, 0) != 0) continue;
    if (auto loss = optional_number(line, key.c_str(), where))
      point.losses[key.substr(kLossPrefix.size())] = *loss;
  }
  point.learning_rate = optional_number(line, "lr", where);
  point.grad_norm = optional_number(line, "grad_norm", where);
  point.tokens_per_s = optional_number(line, "tokens_per_s", where);
  return point;
}

void append(std::vector<MetricPoint>& points, MetricPoint point, const std::string& where) {
  if (!points.empty() && point.step <= points.back().step) {
    throw InputError({where, "a step after " + std::to_string(points.back().step), std::to_string(point.step),
                      "the log holds a step twice; train the run again or remove the later lines"});
  }
  if (!points.empty() && point.flops <= points.back().flops) {
    throw InputError({where, "\"flops\" to rise with the steps", "a value not above the line before", ""});
  }
  points.push_back(std::move(point));
}

void parse_line(std::string_view text, const std::string& where, Metrics& metrics) {
  const Json line = parse_json(text, where);
  if (!line.is_object()) throw InputError({where, "a JSON object", line.type_name(), ""});
  const std::string kind = json_string(line, "kind", where);
  if (kind == "train") {
    append(metrics.train, parse_point(line, where), where);
  } else if (kind == "eval") {
    append(metrics.evals[json_string(line, "set", where)], parse_point(line, where), where);
  } else {
    throw InputError({where, "\"kind\" as \"train\" or \"eval\"", "\"" + kind + "\"", ""});
  }
}

}  // namespace

Metrics read_metrics(const Path& path) {
  const std::string text = read_file(path);
  Metrics metrics;
  size_t begin = 0;
  for (uint64_t number = 1; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) {
      metrics.torn_last_line = true;
      break;
    }
    const std::string where = path.string() + ":" + std::to_string(number);
    parse_line(std::string_view(text).substr(begin, end - begin), where, metrics);
    begin = end + 1;
  }
  return metrics;
}

}  // namespace mom::runs
