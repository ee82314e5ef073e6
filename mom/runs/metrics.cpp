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

std::vector<double> counts_of_experts(const Json& list, const std::string& where) {
  if (!list.is_array() || list.empty())
    throw InputError({where, "\"experts_chosen\" with a list of counts", list.dump(), ""});
  std::vector<double> counts;
  for (const Json& count : list) {
    if (!count.is_number() || !(count.get<double>() >= 0))
      throw InputError({where, "\"experts_chosen\" with counts >= 0", count.dump(), ""});
    counts.push_back(count.get<double>());
  }
  return counts;
}

// {"1": {"text": [5, 3], "image": [0, 8]}, ...}: every list of a block has one length.
ExpertChoices parse_choices(const Json& blocks, const std::string& where) {
  ExpertChoices choices;
  if (!blocks.is_object())
    throw InputError({where, "\"experts_chosen\" as an object", blocks.type_name(), ""});
  for (const auto& [name, modalities] : blocks.items()) {
    if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != std::string::npos)
      throw InputError({where, "\"experts_chosen\" by number of block", "\"" + name + "\"", ""});
    if (!modalities.is_object() || modalities.empty())
      throw InputError({where, "\"experts_chosen\" by modality", modalities.type_name(), ""});
    auto& of_block = choices[std::stoll(name)];
    for (const auto& [modality, list] : modalities.items()) {
      of_block[modality] = counts_of_experts(list, where);
      if (of_block[modality].size() != of_block.begin()->second.size())
        throw InputError({where, "as many experts for each modality of block " + name, "others", ""});
    }
  }
  return choices;
}

void parse_experts(const Json& line, const std::string& where, MetricPoint& point) {
  point.experts_dropped = optional_number(line, "experts_dropped", where);
  point.experts_balance = optional_number(line, "experts_balance", where);
  point.router_entropy = optional_number(line, "router_entropy", where);
  if (line.contains("experts_chosen")) point.experts_chosen = parse_choices(line.at("experts_chosen"), where);
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
  point.tokens_per_cpu_s = optional_number(line, "tokens_per_cpu_s", where);
  parse_experts(line, where, point);
  return point;
}

void append(std::vector<MetricPoint>& points, MetricPoint point, const std::string& where) {
  if (!points.empty() && point.step <= points.back().step) {
    throw InputError({where, "a step after " + std::to_string(points.back().step), std::to_string(point.step),
                      "the log holds a step twice; train the run again or remove the later lines"});
  }
  if (!points.empty() && point.flops <= points.back().flops) {
    throw InputError(
        {where, "\"flops\" to rise with the steps", "a value not above that of the previous line", ""});
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
