#include "mom/train/paces.h"

#include <fnmatch.h>

#include <functional>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/nearest.h"

namespace mom::train {
namespace {

// A parameter, or the rows of a table that one modality has.
struct Part {
  std::string name, whole;  // whole: the table's name; else empty
  size_t parameter;
  Range range;
  bool frozen = false;
  std::optional<double> factor;
  std::string factor_by;  // the pattern
};

std::vector<Part> parts_of(const FlatParameters& parameters, const models::ModelImpl& model) {
  std::set<std::string> tables;
  for (const nn::Parameter& parameter : nn::parameters_of(model))
    if (parameter.traits.part == nn::Part::kTokenTable) tables.insert(parameter.name);
  std::vector<Part> parts;
  for (size_t i = 0; i < parameters.names().size(); ++i) {
    const std::string& name = parameters.names()[i];
    const Range range = parameters.range_of(i);
    if (!tables.contains(name) || model.spec().vocabulary.empty()) {
      parts.push_back({name, "", i, range, false, {}, ""});
      continue;
    }
    const int64_t width = parameters.shape_of(i)[1];
    const size_t dot = name.rfind('.');
    for (const modality::Modality& modality : model.spec().vocabulary.modalities())
      if (modality.num_ids() > 0)
        parts.push_back({name.substr(0, dot) + "." + modality.name + name.substr(dot),
                         name,
                         i,
                         {range.begin + modality.begin * width, modality.num_ids() * width},
                         false,
                         {},
                         ""});
  }
  return parts;
}

// The names most like a pattern, three of them.
std::string near_names(std::string pattern, const std::vector<Part>& parts) {
  std::erase(pattern, '*');
  std::vector<std::string> names;
  for (const Part& part : parts) names.push_back(part.name);
  std::string text;
  for (const std::string& name : nearest_inside(pattern, names, 3)) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void for_each_match(const std::string& key, const std::string& pattern, std::vector<Part>& parts,
                    const std::function<void(Part&)>& visit) {
  bool any = false;
  for (Part& part : parts) {
    if (fnmatch(pattern.c_str(), part.name.c_str(), 0) != 0 &&
        (part.whole.empty() || fnmatch(pattern.c_str(), part.whole.c_str(), 0) != 0))
      continue;
    any = true;
    visit(part);
  }
  if (!any)
    throw UserError({key, "patterns of parameter names", "\"" + pattern + "\", which no parameter has",
                     "the nearest names are " + near_names(pattern, parts)});
}

std::vector<Part> parts_with_paces(const TrainConfig& config, const FlatParameters& parameters,
                                   const models::ModelImpl& model) {
  std::vector<Part> parts = parts_of(parameters, model);
  for (const std::string& pattern : config.freeze)
    for_each_match("train.freeze", pattern, parts, [](Part& part) { part.frozen = true; });
  for (const auto& [pattern, factor] : config.learning_rate_factors) {
    const std::string key = "train.learning_rate_factors";
    if (factor < 0) throw UserError({key + ": \"" + pattern + "\"", "0 or more", std::to_string(factor), ""});
    for_each_match(key, pattern, parts, [&](Part& part) {
      if (part.factor && *part.factor != factor)
        throw UserError({key, "one factor for " + part.name,
                         "\"" + part.factor_by + "\" and \"" + pattern + "\" with different ones", ""});
      part.factor = factor, part.factor_by = pattern;
    });
  }
  return parts;
}

}  // namespace

Paces::Paces(const TrainConfig& config, const FlatParameters& parameters, const models::ModelImpl& model) {
  if (config.freeze.empty() && config.learning_rate_factors.empty()) {
    learning_ = {{{0, parameters.length()}, 1}};
    return;
  }
  const std::vector<Part> parts = parts_with_paces(config, parameters, model);
  std::map<size_t, bool> whole;  // by parameter
  for (const Part& part : parts) {
    whole.emplace(part.parameter, true).first->second &= part.frozen;
    if (part.frozen)
      frozen_.push_back(part.range);
    else if (const double factor = part.factor.value_or(1);
             !learning_.empty() && learning_.back().factor == factor &&
             (frozen_.empty() || frozen_.back().begin < learning_.back().range.begin))
      learning_.back().range.length = part.range.begin + part.range.length - learning_.back().range.begin;
    else
      learning_.push_back({part.range, factor});
  }
  for (const auto& [parameter, frozen] : whole)
    if (frozen) frozen_names_.insert(parameters.names()[parameter]);
  if (learning_.empty())
    throw UserError({"train.freeze", "patterns that leave something to learn", "all parameters", ""});
  int64_t numbers = 0, all = 0;
  for (const Range& range : frozen_) numbers += range.length;
  for (const Part& part : parts) all += part.range.length;
  if (!frozen_.empty())
    log_info("train.freeze: " + std::to_string(numbers) + " of " + std::to_string(all) +
             " weights stay as they are");
}

}  // namespace mom::train
