#include "mom/study/results_file.h"

#include <algorithm>
#include <functional>

#include "mom/base/error.h"
#include "mom/compare/compare.h"

namespace mom::study {
namespace {

// A value with its place in the file, so that every error can name it.
class Node {
 public:
  Node(const OrderedJson& value, std::string place) : value_(&value), place_(std::move(place)) {}

  bool is_null() const { return value_->is_null(); }
  const OrderedJson& json() const { return *value_; }

  // null when the object has no such key.
  Node optional(const std::string& key) const {
    static const OrderedJson none;
    expect(value_->is_object(), "an object");
    const auto found = value_->find(key);
    return {found == value_->end() ? none : *found, place_ + "." + key};
  }
  Node at(const std::string& key) const {
    Node node = optional(key);
    node.expect(!node.is_null(), "a value");
    return node;
  }
  std::string text() const {
    expect(value_->is_string(), "a string");
    return value_->get<std::string>();
  }
  double number() const {
    expect(value_->is_number(), "a number");
    return value_->get<double>();
  }
  int64_t integer() const {
    expect(value_->is_number_integer(), "an integer");
    return value_->get<int64_t>();
  }
  std::optional<double> number_or_null() const { return is_null() ? std::nullopt : std::optional(number()); }
  std::string text_or(const std::string& otherwise) const { return is_null() ? otherwise : text(); }

  template <class Read>
  auto list(const Read& read) const {
    expect(value_->is_array(), "an array");
    std::vector<decltype(read(*this))> out;
    for (size_t i = 0; i < value_->size(); ++i)
      out.push_back(read(Node((*value_)[i], place_ + "[" + std::to_string(i) + "]")));
    return out;
  }
  template <class Read>
  auto named(const Read& read) const {
    expect(value_->is_object(), "an object");
    Named<decltype(read(*this))> out;
    for (const auto& [key, inner] : value_->items())
      out.emplace_back(key, read(Node(inner, place_ + "." + key)));
    return out;
  }
  void expect(bool holds, const char* kind) const {
    if (!holds) throw InputError({place_, kind, value_->type_name(), "make it again with mom study"});
  }

 private:
  const OrderedJson* value_;
  std::string place_;
};

double number(const Node& node) { return node.number(); }
int64_t integer(const Node& node) { return node.integer(); }
std::string text(const Node& node) { return node.text(); }
std::optional<double> number_or_null(const Node& node) { return node.number_or_null(); }

Summary summary_of(const Node& node) {
  Summary summary{node.at("values").list(number_or_null), node.optional("mean").number_or_null(), {}};
  const Node interval = node.optional("interval");
  if (interval.is_null()) return summary;
  const std::vector<double> ends = interval.list(number);
  interval.expect(ends.size() == 2, "two numbers");
  summary.interval = {ends[0], ends[1]};
  return summary;
}

compare::Match match_in(const Node& node) {
  const auto match = compare::match_named(node.text());
  node.expect(match.has_value(), "\"reached\", \"never\" or \"unknown\"");
  return *match;
}

Row row_of(const Node& node) {
  return {summary_of(node.at("dense_loss")),
          summary_of(node.at("mix_loss")),
          summary_of(node.at("gain")),
          summary_of(node.at("flops_to_match")),
          summary_of(node.at("flops_to_match_slope")),
          summary_of(node.at("tokens_to_match")),
          {},
          {},
          node.at("match").list(match_in)};
}

template <class Read>
auto by_set(const Node& node, const Read& read) {
  return node.named([&](const Node& set) { return set.named(read); });
}

ArmResult arm_of(const std::string& name, const Node& node) {
  ArmResult arm;
  arm.name = name;
  arm.seeds = node.at("seeds").list(integer);
  arm.warnings = node.at("warnings").list(text);
  if (arm.seeds.empty()) return arm;
  arm.model = node.at("model").text();
  arm.baseline_model = node.at("baseline_model").text();
  arm.set = node.at("set").text();
  arm.loss_source = node.at("loss_source").text();
  arm.sets = by_set(node.at("sets"), row_of);
  const bool has_set = std::any_of(arm.sets.begin(), arm.sets.end(), [&](const auto& set) {
    return set.first == arm.set && !set.second.empty();
  });
  node.at("sets").expect(has_set, "the set of the verdict");
  return arm;
}

// The part of the file that belongs to an arm or a run; null when it is not there.
Node part(const Node& file, const std::vector<std::string>& keys) {
  Node node = file;
  for (const std::string& key : keys) {
    if (node.is_null()) return node;
    node = node.optional(key);
  }
  return node;
}

void add_timing(ArmResult& arm, const std::string& group, const Node& timing) {
  const auto read = [](const Node& row, const char* key) {
    const Node summary = part(row, {key});
    return summary.is_null() ? Summary{} : summary_of(summary);
  };
  for (auto& [set, rows] : arm.sets)
    for (auto& [modality, row] : rows) {
      const Node times = part(timing, {"groups", group, arm.name, "sets", set, modality});
      row.seconds_to_match = read(times, "seconds_to_match");
      row.cpu_seconds_to_match = read(times, "cpu_seconds_to_match");
    }
}

GroupResult group_of(const std::string& name, const Node& node, const Node& timing) {
  GroupResult group{name, node.at("recipe").text(), node.at("variant").text(), {}, {}};
  for (auto& [arm_name, arm] : node.at("arms").named([](const Node& inner) { return inner; })) {
    group.arms.push_back(arm_of(arm_name, arm));
    add_timing(group.arms.back(), name, timing);
  }
  const Node interaction = node.optional("interaction");
  if (!interaction.is_null()) group.interaction = by_set(interaction, summary_of);
  return group;
}

bool rises(const std::vector<double>& values) {
  return std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
}

CurvePoints curve_of(const Node& node) {
  CurvePoints curve{
      node.at("step").list(number), node.at("tokens").list(number), node.at("flops").list(number), {}};
  for (const auto& [key, inner] : node.named([](const Node& each) { return each; })) {
    if (key != "loss" && !key.starts_with("loss_")) continue;
    curve.losses.emplace_back(key == "loss" ? compare::kOverall : key.substr(5), inner.list(number_or_null));
    inner.expect(curve.losses.back().second.size() == curve.step.size(), "as many losses as steps");
  }
  node.expect(curve.tokens.size() == curve.step.size() && curve.flops.size() == curve.step.size(),
              "as many tokens and FLOPs as steps");
  node.expect(rises(curve.step) && rises(curve.flops), "steps and FLOPs that rise");
  return curve;
}

// 0 where the end of a process was not recorded.
std::optional<double> positive(const Node& node) {
  const std::optional<double> value = node.number_or_null();
  return value && *value > 0 ? value : std::nullopt;
}

RunTiming timing_of(const Node& node) {
  RunTiming timing;
  if (node.is_null()) return timing;
  timing.train_seconds = node.optional("train_seconds").number_or_null();
  timing.train_cpu_seconds = node.optional("train_cpu_seconds").number_or_null();
  timing.tokens_per_s = node.optional("tokens_per_s").number_or_null();
  timing.process_seconds = positive(node.optional("process_seconds"));
  timing.peak_rss_bytes = positive(node.optional("peak_rss_bytes"));
  const Node clock = node.optional("clock");
  if (clock.is_null()) return timing;
  timing.of_processor = clock.at("of").text() == "processor";
  timing.step = clock.at("step").list(number);
  timing.seconds = clock.at("seconds").list(number);
  clock.expect(timing.step.size() == timing.seconds.size(), "as many seconds as steps");
  clock.expect(rises(timing.step), "steps that rise");
  return timing;
}

RunResult run_of(const std::string& name, const Node& node, const Node& timing) {
  RunResult run;
  run.name = name;
  run.state = node.at("state").text();
  run.error = node.optional("error").text_or("");
  if (!run.finished()) return run;
  run.recipe = node.at("recipe").text();
  run.variant = node.at("variant").text();
  run.arm = node.at("arm").text();
  run.model = node.at("model").text();
  run.seed = node.at("seed").integer();
  run.steps = node.at("steps").number();
  run.tokens = node.at("tokens").number();
  run.flops = node.at("flops").number();
  run.parameters = node.optional("parameters").json();
  run.losses = by_set(node.at("losses"), number);
  // Sets with the most modalities first, and images first within a set: the order of the tables.
  std::stable_sort(run.losses.begin(), run.losses.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  for (const auto& [key, value] : node.at("resolved_recipe").named(text)) run.resolved_recipe[key] = value;
  run.train = curve_of(node.at("curves").at("train"));
  run.held_out = node.at("curves").at("held_out").named(curve_of);
  run.timing = timing_of(part(timing, {"runs", name}));
  return run;
}

Environment environment_of(const Node& node) {
  Environment environment{node.at("runs").list(text), {}};
  for (const auto& [key, value] : node.at("values").named(text)) environment.values[key] = value;
  return environment;
}

template <class Value>
const Value* find_named(const Named<Value>& all, const std::string& name) {
  for (const auto& [key, value] : all)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace

const Row* ArmResult::find(const std::string& of_set, const std::string& modality) const {
  const Named<Row>* rows = find_named(sets, of_set);
  return rows ? find_named(*rows, modality) : nullptr;
}

const Named<Row>& ArmResult::verdict_rows() const { return *find_named(sets, set); }

const ArmResult* GroupResult::find(const std::string& arm) const {
  const auto found =
      std::find_if(arms.begin(), arms.end(), [&](const ArmResult& each) { return each.name == arm; });
  return found == arms.end() ? nullptr : &*found;
}

std::vector<const RunResult*> StudyResults::runs_of(const GroupResult& group, const std::string& arm) const {
  std::vector<const RunResult*> found;
  for (const RunResult& run : runs)
    if (run.finished() && run.recipe == group.recipe && run.variant == group.variant && run.arm == arm)
      found.push_back(&run);
  return found;
}

std::vector<std::string> StudyResults::arms_of(const GroupResult& group) const {
  std::vector<std::string> names;
  if (!runs_of(group, baseline).empty()) names.push_back(baseline);
  for (const ArmResult& arm : group.arms)
    if (!runs_of(group, arm.name).empty()) names.push_back(arm.name);
  return names;
}

StudyResults parse_results(const OrderedJson& results, const OrderedJson& timing, const std::string& where) {
  const Node file(results, where), times(timing, where + ", timing");
  StudyResults study;
  study.title = file.at("title").text();
  study.baseline = file.at("baseline").text();
  study.seeds = file.at("seeds").list(integer);
  study.eval_tokens = file.at("eval_tokens").integer();
  if (const Node command = file.optional("command"); !command.is_null()) study.command = command.list(text);
  if (const Node titles = file.optional("set_titles"); !titles.is_null())
    for (const auto& [set, title] : titles.named(text)) study.set_titles[set] = title;
  for (const auto& [name, node] : file.at("groups").named([](const Node& each) { return each; }))
    study.groups.push_back(group_of(name, node, times));
  for (const auto& [name, node] : file.at("runs").named([](const Node& each) { return each; }))
    study.runs.push_back(run_of(name, node, times));
  study.has_timing = !times.is_null();
  if (const Node all = part(times, {"environments"}); !all.is_null())
    study.environments = all.list(environment_of);
  return study;
}

StudyResults read_results(const Path& folder) {
  const auto read = [](const Path& file) {
    return parse_ordered_json(read_file(file, JsonLimits{}.max_bytes), file.string());
  };
  const Path results = folder / "results.json", timing = folder / "timing.json";
  return parse_results(read(results), std::filesystem::exists(timing) ? read(timing) : OrderedJson(),
                       results.string());
}

bool is_study(const Path& folder) { return std::filesystem::is_regular_file(folder / "results.json"); }

}  // namespace mom::study
