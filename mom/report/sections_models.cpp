// What the models are and cost: parameters, FLOPs per token and their terms, state, training.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "mom/compare/number_text.h"
#include "mom/report/cells.h"
#include "mom/report/html.h"
#include "mom/report/sections.h"

namespace mom::report {
namespace {

using runs::RunFolder;

struct Part {
  std::string start, words;  // of keys in parameters.json
  std::string (*text)(double);
};

const std::vector<Part>& parts() {
  static const std::vector<Part> all = {{"parameters.total", "parameters, total", grouped},
                                        {"parameters.embedding", "parameters, embedding", grouped},
                                        {"parameters.active.", "parameters active for ", grouped},
                                        {"flops_per_token.", "forward FLOPs per token, ", scaled},
                                        {"sequence_tokens", "longest sequence, tokens", grouped},
                                        {"state_bytes", "state after such a sequence", bytes_text}};
  return all;
}

double number_of(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// Numbers formatted as the part says; other values unchanged.
std::string text_of(const Part& part, const std::string& value) {
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  return value.empty() || *end != '\0' || !std::isfinite(number) ? value : part.text(number);
}

// Keys that are new to this program are left out: the file itself has them.
Cells parameter_rows(const Subject& subject) {
  const auto all = flatten_all(subject.runs, &RunFolder::parameters);
  std::set<std::string> keys;
  for (const Flat& flat : all) {
    for (const auto& [key, value] : flat) keys.insert(key);
  }
  Cells rows;
  for (const Part& part : parts()) {
    for (const std::string& key : keys) {
      if (key.rfind(part.start, 0) != 0) continue;
      rows.push_back({escape(part.words + key.substr(part.start.size()))});
      for (const Flat& flat : all) rows.back().push_back(text_of(part, value_or_absent(flat, key)));
    }
  }
  return rows;
}

double median_rate(const RunFolder& run) {
  std::vector<double> rates;
  for (const auto& point : run.train) {
    if (point.tokens_per_s) rates.push_back(*point.tokens_per_s);
  }
  if (rates.empty()) return 0;
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

Cells training_rows(const Subject& subject) {
  Cells rows = {{"steps"}, {"tokens trained on"}, {"training FLOPs"}, {"tokens/s, median"}};
  for (const RunFolder& run : subject.runs) {
    const bool trained = !run.train.empty();
    rows[0].push_back(grouped(static_cast<double>(run.final_step())));
    rows[1].push_back(trained ? scaled(run.train.back().tokens) : kAbsent);
    rows[2].push_back(trained ? scaled(run.train.back().flops) : kAbsent);
    const double rate = median_rate(run);
    rows[3].push_back(rate > 0 ? grouped(rate) : kAbsent);
  }
  return rows;
}

struct Term {
  std::string key, words;
};

// Terms that cost something in any of the runs.
std::vector<Term> terms_in(const std::vector<RunFolder>& runs) {
  static const std::vector<Term> known = {{"gemm", "projections"},
                                          {"scan", "state space"},
                                          {"attention", "attention"},
                                          {"conv", "convolution"},
                                          {"router", "router"}};
  std::vector<Term> used;
  for (const Term& term : known) {
    bool costs = false;
    for (const RunFolder& run : runs) {
      if (!run.parameters) continue;
      for (const auto& modality : run.parameters->value("flops_per_token_by_term", Json::object()))
        costs = costs || (modality.is_object() && number_of(modality, term.key) > 0);
    }
    if (costs) used.push_back(term);
  }
  return used;
}

// One row per run and modality: all FLOPs per token, and the fraction of each term.
std::string terms_table(const Subject& subject) {
  const std::vector<Term> terms = terms_in(subject.runs);
  if (terms.empty()) return "";
  std::vector<std::string> head = {"Forward FLOPs per token", "all"};
  for (const Term& term : terms) head.push_back(term.words);
  Cells rows;
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    if (!subject.runs[i].parameters) continue;
    const Json by_modality = subject.runs[i].parameters->value("flops_per_token_by_term", Json::object());
    for (const auto& [modality, of_terms] : by_modality.items()) {
      if (!of_terms.is_object()) continue;
      double sum = 0;
      for (const Term& term : terms) sum += number_of(of_terms, term.key);
      rows.push_back({run_name(subject, i) + ", " + escape(modality), scaled(sum)});
      for (const Term& term : terms) {
        const double flops = number_of(of_terms, term.key);
        rows.back().push_back(flops > 0 ? compare::percent_text(flops / sum) : kAbsent);
      }
    }
  }
  return "<h3>What the FLOPs of a token are spent on</h3>\n" + table(head, rows, true);
}

}  // namespace

std::string models_section(const Subject& subject) {
  Cells rows = parameter_rows(subject);
  const Cells training = training_rows(subject);
  rows.insert(rows.end(), training.begin(), training.end());
  const bool experts = std::any_of(subject.runs.begin(), subject.runs.end(),
                                   [](const RunFolder& run) { return run.has_experts(); });
  return "<section id=\"models\"><h2>Models and cost</h2>\n" + table(run_head(subject, ""), rows, true) +
         "<p class=\"remark\">Active: what one token of that modality passes through" +
         (experts ? ", of experts those it is sent to" : "") +
         ". State: recurrent states, and keys and values of attention, of one sequence. Attention&rsquo;s "
         "FLOPs are those of a token in the middle of the longest sequence.</p>\n" +
         terms_table(subject) + "</section>\n";
}

}  // namespace mom::report
