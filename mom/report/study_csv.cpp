#include "mom/report/study_csv.h"

#include <cstdio>

#include "mom/report/html.h"
#include "mom/report/published.h"
#include "mom/report/study_charts.h"
#include "mom/study/config.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::GroupResult;
using study::RunResult;
using study::Summary;

// The shortest decimal that reads back as the same number.
std::string number_text(double value) { return OrderedJson(value).dump(); }

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

// The first seven columns and the value.
class Lines {
 public:
  explicit Lines(std::string head) : text_(std::move(head)) {}
  void add(const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) text_ += (i > 0 ? "," : "") + field(cells[i]);
    text_ += '\n';
  }
  // One line per seed, then mean and interval where there are any.
  void add(std::vector<std::string> place, const std::string& metric, const Summary& summary,
           const std::vector<int64_t>& seeds) {
    place.push_back(metric);
    const auto line = [&](const std::string& statistic, const std::string& value) {
      std::vector<std::string> cells = place;
      cells.insert(cells.end(), {statistic, value});
      add(cells);
    };
    for (size_t i = 0; i < summary.values.size(); ++i)
      line("seed " + (i < seeds.size() ? std::to_string(seeds[i]) : std::string("?")),
           summary.values[i] ? number_text(*summary.values[i]) : "");
    if (summary.mean) line("mean", number_text(*summary.mean));
    if (summary.interval)
      line("low", number_text(summary.interval->low)), line("high", number_text(summary.interval->high));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_comparison(Lines& lines, const GroupResult& group, const ArmResult& arm) {
  for (const auto& [set, modalities] : arm.sets)
    for (const auto& [modality, row] : modalities) {
      const std::vector<std::string> place = {"comparison", group.name, arm.name, set, modality};
      lines.add(place, "dense_loss", row.dense_loss, arm.seeds);
      lines.add(place, "mix_loss", row.mix_loss, arm.seeds);
      lines.add(place, "gain", row.gain, arm.seeds);
      lines.add(place, "flops_to_match", row.flops_to_match, arm.seeds);
      lines.add(place, "flops_to_match_slope", row.flops_to_match_slope, arm.seeds);
      lines.add(place, "tokens_to_match", row.tokens_to_match, arm.seeds);
      lines.add(place, "seconds_to_match", row.seconds_to_match, arm.seeds);
      lines.add(place, "cpu_seconds_to_match", row.cpu_seconds_to_match, arm.seeds);
    }
}

void add_interaction(Lines& lines, const GroupResult& group) {
  if (!group.interaction) return;
  const ArmResult* joint = group.find(study::kMixture);
  if (!joint) return;
  for (const auto& [set, modalities] : *group.interaction)
    for (const auto& [modality, summary] : modalities)
      lines.add({"interaction", group.name, "", set, modality}, "interaction", summary, joint->seeds);
}

void add_run(Lines& lines, const RunResult& run, const std::string& group) {
  const std::string seed = "seed " + std::to_string(run.seed);
  const auto add = [&](const std::string& set, const std::string& modality, const std::string& metric,
                       const std::optional<double>& value) {
    if (value) lines.add({"run", group, run.arm, set, modality, metric, seed, number_text(*value)});
  };
  for (const auto& [set, modalities] : run.losses)
    for (const auto& [modality, loss] : modalities) add(set, modality, "final_loss", loss);
  add("", "", "steps", run.steps), add("", "", "tokens", run.tokens), add("", "", "flops", run.flops);
  if (run.parameters.is_object() && run.parameters.contains("total") && run.parameters["total"].is_number())
    add("", "", "parameters", run.parameters["total"].get<double>());
  add("", "", "train_cpu_seconds", run.timing.train_cpu_seconds);
  add("", "", "train_seconds", run.timing.train_seconds),
      add("", "", "process_seconds", run.timing.process_seconds);
  add("", "", "tokens_per_s", run.timing.tokens_per_s),
      add("", "", "peak_rss_bytes", run.timing.peak_rss_bytes);
}

void add_published(Lines& lines, const StudySubject& subject) {
  for (const GroupResult& group : subject.results.groups)
    for (const Published& paper : published()) {
      if (paper.setting != setting_of(subject.results, group)) continue;
      const auto add = [&](const char* metric, const std::optional<double>& value) {
        if (value)
          lines.add({"paper", group.name, study::kMixture, "training, " + paper.parameters + " parameters",
                     paper.modality, metric, "value", number_text(*value)});
      };
      add("mix_loss", paper.loss), add("gain", paper.gain), add("flops_to_match", paper.flops_to_match);
    }
}

CsvFile study_csv(const StudySubject& subject) {
  Lines lines("table,group,arm,set,modality,metric,statistic,value\n");
  for (const GroupResult& group : subject.results.groups) {
    for (const ArmResult& arm : group.arms) add_comparison(lines, group, arm);
    add_interaction(lines, group);
    for (const std::string& arm : subject.results.arms_of(group))
      for (const RunResult* run : subject.results.runs_of(group, arm)) add_run(lines, *run, group.name);
  }
  add_published(lines, subject);
  return {"study.csv", lines.take()};
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

CsvFile curves_csv(const CurvePanel& panel) {
  Lines lines("panel,line,set,modality,step,tokens,flops,seconds,loss,low,high\n");
  for (const CurveChart& chart : panel.charts)
    for (const auto& [line, series] : chart.lines)
      for (size_t i = 0; i < series.fit.size(); ++i) {
        const auto at = [&](const std::vector<double>& values) {
          return values.empty() ? std::string() : short_number(values[i]);
        };
        lines.add({panel.name, panel.lines[line], chart.set.empty() ? "training" : chart.set, chart.modality,
                   at(series.steps), at(series.tokens), at(series.flops), at(series.seconds), at(series.fit),
                   at(series.low), at(series.high)});
      }
  std::string name = "curves-" + panel.name + ".csv";
  for (char& c : name)
    if (c == ' ' || c == ',' || c == ':') c = '-';
  return {name, lines.take()};
}

// What may stand in a data URL as it is, and in an attribute.
std::string percent_encoded(const std::string& text) {
  static constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) || c == ',' || c == '.' || c == '-' || c == '_' || c == '+' || c == '/';
    if (plain)
      out += c;
    else
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

}  // namespace

std::vector<CsvFile> csv_files(const StudySubject& subject) {
  std::vector<CsvFile> files = {study_csv(subject)};
  for (const CurvePanel& panel : curve_panels(subject)) files.push_back(curves_csv(panel));
  return files;
}

std::string csv_link(const CsvFile& file) {
  return "<a download=\"" + escape(file.name) + "\" href=\"data:text/csv;charset=utf-8," +
         percent_encoded(file.text) + "\">" + escape(file.name) + "</a>";
}

}  // namespace mom::report
