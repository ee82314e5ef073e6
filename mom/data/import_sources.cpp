#include "mom/data/import_sources.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/data/import_names.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxExpanded = 1'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// {000..012}: numbers of the same width as the first.
std::optional<std::vector<std::string>> numbers_of(std::string_view range) {
  const size_t dots = range.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  uint64_t ends[2];
  const std::string_view texts[2] = {range.substr(0, dots), range.substr(dots + 2)};
  for (int i = 0; i < 2; ++i) {
    const char* end = texts[i].data() + texts[i].size();
    const auto read = std::from_chars(texts[i].data(), end, ends[i]);
    if (texts[i].empty() || read.ptr != end || read.ec != std::errc()) return std::nullopt;
  }
  if (ends[0] > ends[1] || ends[1] - ends[0] >= kMaxExpanded) return std::nullopt;
  std::vector<std::string> numbers;
  for (uint64_t i = 0; i <= ends[1] - ends[0]; ++i) {
    std::string number = std::to_string(ends[0] + i);
    if (number.size() < texts[0].size()) number.insert(0, texts[0].size() - number.size(), '0');
    numbers.push_back(std::move(number));
  }
  return numbers;
}

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> words;
  for (size_t begin = 0;;) {
    const size_t comma = list.find(',', begin);
    words.emplace_back(list.substr(begin, comma - begin));
    if (comma == std::string_view::npos) return words;
    begin = comma + 1;
  }
}

// Patterns do not nest; the first is expanded, then those after it. A name without one is itself.
std::vector<std::string> expand(const std::string& pattern) {
  const size_t open = pattern.find('{'), close = pattern.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {pattern};
  const std::string_view inside = std::string_view(pattern).substr(open + 1, close - open - 1);
  auto choices = numbers_of(inside);
  if (!choices && inside.find(',') != std::string_view::npos) choices = words_of(inside);
  if (!choices) return {pattern};
  std::vector<std::string> expanded;
  const std::vector<std::string> tails = expand(pattern.substr(close + 1));
  for (const std::string& choice : *choices)
    for (const std::string& tail : tails) expanded.push_back(pattern.substr(0, open) + choice + tail);
  return expanded;
}

void check_kind(const Path& path) {
  const std::string name = path.filename().string(), place = printable(path.string());
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    throw InputError({place, "a file or folder", "nothing", "check the path"});
  if (std::filesystem::is_directory(status)) return;
  if (!std::filesystem::is_regular_file(status))
    throw InputError({place, "a file or folder", "a device, pipe or socket", "write it to a file first"});
  if (is_tar_name(name) || is_json_lines_name(name) || lower_case(name).ends_with(".txt")) return;
  throw InputError(
      {place, "a folder, .tar, .jsonl (also .gz, .xz, .zst) or .txt", "another kind of file", ""});
}

// Letters, digits, '_' and '-', from the first to the last letter or digit.
std::string plain_name(std::string_view text) {
  std::string name(text);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = '-';
  name.erase(0, std::min(name.find_first_not_of("-"), name.size()));
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "data" : name;
}

// The base name up to its first dot.
std::string stem_of(const Path& path) {
  std::error_code ignored;
  const Path whole = std::filesystem::canonical(path, ignored);
  const std::string name = (whole.empty() ? path : whole).filename().string();
  return name.substr(0, name.find('.', 1));
}

// "shard-#-of-#.tar" of "shard-00-of-12.tar"; empty when there is no number.
std::string numbers_hidden(const std::string& name) {
  std::string pattern;
  for (const char c : name)
    if (!is_digit(c)) {
      pattern += c;
    } else if (pattern.empty() || pattern.back() != '#') {
      pattern += '#';
    }
  return pattern.find('#') == std::string::npos ? "" : pattern;
}

// What the names have in common before their numbers, else the folder's name.
std::string common_name(const std::vector<Path>& paths) {
  const std::string first = without_ending(paths[0].filename().string());
  size_t common = first.size();
  for (const Path& path : paths) {
    const std::string name = without_ending(path.filename().string());
    const auto differ = std::mismatch(first.begin(), first.end(), name.begin(), name.end()).first;
    common = std::min(common, static_cast<size_t>(differ - first.begin()));
  }
  while (common > 0 && !std::isalpha(static_cast<unsigned char>(first[common - 1]))) --common;
  if (common > 0) return plain_name(std::string_view(first).substr(0, common));
  return plain_name(stem_of(std::filesystem::absolute(paths[0]).parent_path()));
}

// Files that are shards of one source have the same group.
std::string group_of(const Path& path) {
  std::error_code ignored;
  const std::string pattern = numbers_hidden(path.filename().string());
  if (pattern.empty() || std::filesystem::is_directory(path, ignored)) return path.string();
  return (path.parent_path() / pattern).string() + '\0';
}

enum class ItemKind { kFolder, kTar, kLines, kPlainText };

ItemKind kind_of_item(const Path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return ItemKind::kFolder;
  const std::string name = path.filename().string();
  return is_tar_name(name)          ? ItemKind::kTar
         : is_json_lines_name(name) ? ItemKind::kLines
                                    : ItemKind::kPlainText;
}

std::string stem_of_item(const Path& path) {
  const std::string name = path.filename().string();
  return kind_of_item(path) == ItemKind::kFolder ? name : without_ending(name);
}

void name_items(ImportSource& source) {
  std::map<std::pair<ItemKind, std::string>, int> stems;
  for (const auto& item : source.items) ++stems[{kind_of_item(item.path), stem_of_item(item.path)}];
  for (auto& item : source.items) {
    const ItemKind kind = kind_of_item(item.path);
    const std::string stem = stem_of_item(item.path);
    const bool is_only = stems.at({kind, stem}) == 1;
    item.stem = printable(is_only ? stem : (item.path.parent_path() / stem).generic_string());
    const bool is_one_of_several = source.items.size() > 1 && kind == ItemKind::kTar;
    if (is_one_of_several || (kind == ItemKind::kFolder && !is_only)) item.prefix = item.stem + "/";
  }
}

}  // namespace

std::vector<ImportSource> plan_sources(const std::vector<Path>& arguments, const std::string& name) {
  std::vector<std::vector<Path>> groups;
  std::map<std::string, size_t> positions;
  for (const Path& argument : arguments) {
    std::error_code ignored;
    const bool is_there = std::filesystem::exists(argument, ignored);
    const auto paths = is_there ? std::vector{argument.string()} : expand(argument.string());
    for (const Path path : paths) {
      check_kind(path);
      const std::string group = paths.size() > 1 ? argument.string() : group_of(path);
      const auto [position, added] = positions.try_emplace(group, groups.size());
      if (added) groups.emplace_back();
      groups[position->second].push_back(path);
    }
  }
  std::vector<ImportSource> sources;
  for (const std::vector<Path>& paths : groups) {
    const std::string its_name = !name.empty()      ? name
                                 : paths.size() > 1 ? common_name(paths)
                                                    : plain_name(stem_of(paths[0]));
    auto source = std::find_if(sources.begin(), sources.end(),
                               [&](const ImportSource& other) { return other.name == its_name; });
    if (source == sources.end()) source = sources.insert(source, {its_name, {}});
    for (const Path& path : paths) source->items.push_back({path, "", ""});
  }
  for (ImportSource& source : sources) name_items(source);
  return sources;
}

}  // namespace mom::data
