// Sources that are one file of text: .txt and .jsonl.
#include "mom/base/error.h"
#include "mom/data/import_run.h"

namespace mom::data {
namespace {

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

// Blocks of lines between blank lines.
std::vector<std::string> paragraphs_of(std::string_view text) {
  std::vector<std::string> paragraphs(1);
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!is_blank(line)) {
      paragraphs.back().append(line).push_back('\n');
    } else if (!paragraphs.back().empty()) {
      paragraphs.emplace_back();
    }
  }
  if (paragraphs.back().empty()) paragraphs.pop_back();
  return paragraphs;
}

Draft text_draft(const std::string& key, std::string text, const std::string& where) {
  Draft draft{.key = key, .segments = {}};
  draft.segments.push_back(text_segment(std::move(text), where));
  return draft;
}

}  // namespace

void import_text(ImportRun& run, const std::string& key, std::string text, const std::string& where) {
  auto paragraphs = run.options().paragraphs ? paragraphs_of(text) : std::vector<std::string>{};
  if (paragraphs.empty()) return run.sample([&] { return text_draft(key, std::move(text), where); });
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    std::string number = std::to_string(i + 1);
    run.sample([&] {
      return text_draft(key + ":" + number, std::move(paragraphs[i]), where + ": paragraph " + number);
    });
  }
}

void import_text_file(ImportRun& run, const Path& file) {
  import_text(run, file.stem().string(), read_file(file), file.string());
}

void import_json_lines(ImportRun& run, const Path& file) {
  FindMedia find = [&](const std::string& name, const std::string& where) -> Found {
    Path path = file.parent_path() / name;
    if (!std::filesystem::is_regular_file(path))
      throw InputError({where, "a file '" + path.string() + "'", "none", "add it, or correct the line"});
    return {read_file(path), where + ": " + path.string()};
  };
  uint64_t num_lines = 0;
  for_each_line(file, [&](std::string_view line, uint64_t number) {
    if (is_blank(line)) return;
    ++num_lines;
    std::string where = file.string() + ":" + std::to_string(number);
    std::string key = file.stem().string() + ":" + std::to_string(number);
    run.sample([&] { return parse_draft(parse_json(line, where), key, where, find); });
  });
  if (num_lines == 0) run.bad(format_error({file.string(), "a document a line", "an empty file", ""}));
}

}  // namespace mom::data
