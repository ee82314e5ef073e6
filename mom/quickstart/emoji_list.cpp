#include "mom/quickstart/emoji_list.h"

#include <algorithm>
#include <charconv>
#include <pugixml.hpp>

#include "mom/base/error.h"
#include "mom/base/utf8.h"

namespace mom::quickstart {
namespace {

constexpr char32_t kFemale = 0x2640, kMale = 0x2642;
constexpr char32_t kMan = 0x1F468, kWoman = 0x1F469, kPerson = 0x1F9D1;

bool is_skin_tone(char32_t c) { return c >= 0x1F3FB && c <= 0x1F3FF; }

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::string hex(const std::vector<char32_t>& code_points) {
  std::string text;
  for (char32_t c : code_points) {
    char digits[9];
    auto end = std::to_chars(digits, digits + sizeof digits, static_cast<uint32_t>(c), 16).ptr;
    if (!text.empty()) text += '-';
    text.append(digits, end);
  }
  return text;
}

std::vector<char32_t> parse_code_points(std::string_view text, const std::string& where) {
  std::vector<char32_t> code_points;
  for (text = trim(text); !text.empty(); text = trim(text)) {
    uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc() || value > 0x10FFFF)
      throw InputError({where, "hexadecimal code points", "'" + std::string(text) + "'", ""});
    code_points.push_back(value);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return code_points;
}

// "1F34E    ; fully-qualified     # 🍎 E0.6 red apple"
Emoji parse_line(std::string_view line, size_t comment, const std::string& where) {
  std::string_view note = trim(line.substr(comment + 1));
  size_t version = note.find(" E");
  size_t name = version == std::string_view::npos ? version : note.find(' ', version + 2);
  if (name == std::string_view::npos)
    throw InputError({where, "'# EMOJI E<version> <name>'", "'" + std::string(note) + "'", ""});
  return {parse_code_points(line.substr(0, line.find(';')), where), std::string(trim(note.substr(name)))};
}

std::vector<std::string> split_keywords(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    size_t bar = list.find('|');
    std::string_view word = trim(list.substr(0, bar));
    if (!word.empty()) words.emplace_back(word);
    list.remove_prefix(bar == std::string_view::npos ? list.size() : bar + 1);
  }
  return words;
}

}  // namespace

bool Emoji::has_skin_tone() const {
  return std::any_of(code_points.begin(), code_points.end(), is_skin_tone);
}

std::string Emoji::key() const { return hex(code_points); }

std::vector<Emoji> read_emoji_list(const Path& emoji_test) {
  std::vector<Emoji> list;
  for_each_line(emoji_test, [&](std::string_view line, uint64_t number) {
    size_t status = line.find("; fully-qualified"), comment = line.find('#');
    if (status == std::string_view::npos || comment < status || comment == std::string_view::npos) return;
    list.push_back(parse_line(line, comment, emoji_test.string() + ":" + std::to_string(number)));
  });
  if (list.empty()) throw InputError({emoji_test.string(), "lines with '; fully-qualified'", "none", ""});
  return list;
}

std::string concept_of(const Emoji& emoji) {
  std::vector<char32_t> kept;
  for (char32_t c : emoji.code_points) {
    if (c == kPresentation || c == kJoiner || c == kFemale || c == kMale || is_skin_tone(c)) continue;
    kept.push_back(c == kMan || c == kWoman ? kPerson : c);
  }
  return hex(kept.empty() ? emoji.code_points : kept);  // the signs for male and female themselves
}

Keywords read_keywords(const std::vector<Path>& files) {
  Keywords keywords;
  for (const Path& file : files) {
    pugi::xml_document xml;
    pugi::xml_parse_result result = xml.load_file(file.c_str());
    if (!result)
      throw InputError({file.string() + ": byte " + std::to_string(result.offset), "XML",
                        result.description(), "reinstall the package unicode-cldr-core"});
    for (const pugi::xml_node& node : xml.child("ldml").child("annotations").children("annotation")) {
      if (node.attribute("type")) continue;  // the name for speech output
      keywords[node.attribute("cp").value()] = split_keywords(node.text().get());
    }
  }
  return keywords;
}

std::vector<std::string> keywords_of(const Emoji& emoji, const Keywords& keywords) {
  std::string sequence;
  for (char32_t c : emoji.code_points)
    if (c != kPresentation) append_utf8(sequence, c);
  auto found = keywords.find(sequence);
  if (found == keywords.end()) return {};
  std::vector<std::string> words = found->second;
  std::erase(words, emoji.name);
  return words;
}

}  // namespace mom::quickstart
