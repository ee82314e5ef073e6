#include "mom/quickstart/dictionary.h"

#include <algorithm>
#include <map>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/formats/tar.h"

namespace mom::quickstart {
namespace {

// dictd's numbers: base 64, most significant digit first.
std::optional<uint64_t> parse_base64(std::string_view digits) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (digits.empty() || digits.size() > 8) return std::nullopt;
  uint64_t value = 0;
  for (char c : digits) {
    size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 64 + digit;
  }
  return value;
}

// The few bytes that are no UTF-8 come from Latin-1 and from Windows (0x92 is its apostrophe).
std::string repair_utf8(std::string_view text) {
  std::string repaired;
  while (auto fault = find_invalid_utf8(text)) {
    repaired += text.substr(0, *fault);
    auto byte = static_cast<unsigned char>(text[*fault]);
    append_utf8(repaired, byte == 0x92 ? U'\'' : byte);
    text.remove_prefix(*fault + 1);
  }
  return repaired += text;
}

std::string_view trim_blanks(std::string_view text) {
  size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string headword_of(std::string_view text, const std::string& index_word) {
  std::string_view line = text.substr(0, text.find('\n'));
  std::string_view word = trim_blanks(line.substr(0, line.find('\\')));
  return word.empty() ? index_word : std::string(word);
}

struct Span {
  uint64_t num_bytes;
  std::string index_word;
};

// Offset -> span: several words of the index may name one article.
std::map<uint64_t, Span> read_index(const Path& index, uint64_t dict_bytes) {
  std::map<uint64_t, Span> spans;
  for_each_line(index, [&](std::string_view line, uint64_t number) {
    size_t first = line.find('\t'), second = line.find('\t', first + 1);
    bool split = first != std::string_view::npos && second != std::string_view::npos;
    auto offset = split ? parse_base64(line.substr(first + 1, second - first - 1)) : std::nullopt;
    auto length = split ? parse_base64(line.substr(second + 1, line.find('\t', second + 1) - second - 1))
                        : std::nullopt;
    if (!offset || !length || *offset + *length > dict_bytes)
      throw InputError({index.string() + ":" + std::to_string(number),
                        "WORD<tab>OFFSET<tab>LENGTH within " + std::to_string(dict_bytes) + " bytes",
                        "'" + std::string(line.substr(0, 80)) + "'",
                        "reinstall the package of this dictionary"});
    spans.try_emplace(*offset, Span{*length, std::string(line.substr(0, first))});
  });
  return spans;
}

void replace_braces(std::string& text) {
  std::erase_if(text, [](char c) { return c == '{' || c == '}'; });
}

// Single spaces, none before a comma or full stop.
std::string tidy(std::string_view text) {
  std::string tidied;
  for (char c : text) {
    if (c == ' ' && (tidied.empty() || tidied.back() == ' ')) continue;
    if ((c == ',' || c == '.' || c == ';') && !tidied.empty() && tidied.back() == ' ') tidied.pop_back();
    tidied += c;
  }
  if (!tidied.empty() && tidied.back() == ' ') tidied.pop_back();
  return tidied;
}

// Lines of a text with their indentation (a tab counts as 8); 0 for an empty line.
template <class Visit>
void for_each_indented(std::string_view text, Visit visit) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end), content = trim_blanks(line);
    size_t indent = 0;
    for (char c : line.substr(0, static_cast<size_t>(content.data() - line.data())))
      indent += c == '\t' ? 8 : 1;
    visit(content, content.empty() ? 0 : indent);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// "1913 Webster", "WordNet 1.5 +PJC", "Century Dict. 1906": where an article came from.
bool is_source_mark(std::string_view mark) {
  static constexpr std::string_view kSources[] = {"Webster", "WordNet", "PJC", "Century", "AS", "RP", "RDH"};
  static constexpr std::string_view kDetails[] = {"1913",       "Suppl", "1.5",   "1.6", "Dict",
                                                  "Dictionary", "1906",  "sense", "&"};
  auto among = [](const auto& list, std::string_view word) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
  };
  bool has_source = false;
  while (!mark.empty()) {
    size_t end = std::min(mark.find_first_of(" +,"), mark.size());
    std::string_view word = mark.substr(0, end);
    mark.remove_prefix(std::min(end + 1, mark.size()));
    if (word.ends_with('.')) word.remove_suffix(1);
    bool number = word.size() == 1 && word[0] >= '0' && word[0] <= '9';
    if (among(kSources, word)) {
      has_source = true;
    } else if (!word.empty() && !number && !among(kDetails, word)) {
      return false;
    }
  }
  return has_source;
}

std::string without_pronunciation(std::string_view text) {
  std::string kept;
  for (;;) {
    size_t open = text.find('\\'), close = open == std::string_view::npos ? open : text.find('\\', open + 1);
    if (close == std::string_view::npos) return kept += text;
    kept += text.substr(0, open);
    text.remove_prefix(close + 1);
  }
}

// Text after the last source mark without a full stop is the next article's headword, left there by mistake.
std::string without_source_marks(std::string_view text) {
  std::string kept;
  bool cut = false;
  for (size_t open; (open = text.find('[')) != std::string_view::npos;) {
    size_t close = text.find(']', open);
    if (close == std::string_view::npos) break;
    bool mark = is_source_mark(text.substr(open + 1, close - open - 1));
    kept += text.substr(0, mark ? open : open + 1);
    text.remove_prefix(mark ? close + 1 : open + 1);
    cut = mark;
  }
  if (cut && text.find('.') == std::string_view::npos) return kept;
  return kept += text;
}

}  // namespace

std::vector<Article> read_dictionary(const Path& index, const Path& dict) {
  std::string content = formats::read_compressed(dict);
  std::vector<Article> articles;
  for (const auto& [offset, span] : read_index(index, content.size())) {
    if (span.index_word.starts_with("00-")) continue;
    std::string text = repair_utf8(std::string_view(content).substr(offset, span.num_bytes));
    std::string headword = headword_of(text, span.index_word);
    articles.push_back({std::move(headword), std::move(text)});
  }
  return articles;
}

std::string clean_gcide(std::string_view text) {
  std::string cleaned, paragraph;
  auto end_paragraph = [&] {
    std::string plain = without_source_marks(without_pronunciation(paragraph));
    replace_braces(plain);
    plain = tidy(plain);
    if (!plain.empty()) cleaned += (cleaned.empty() ? "" : "\n") + plain;
    paragraph.clear();
  };
  for_each_indented(text, [&](std::string_view line, size_t) {
    if (line.empty()) return end_paragraph();
    if (!paragraph.empty()) paragraph += ' ';
    paragraph += line;
  });
  end_paragraph();
  return cleaned;
}

std::string clean_foldoc(std::string_view text) {
  static constexpr size_t kProse = 3;  // indentation of prose; headwords have none, program text more
  std::string cleaned;
  bool blank = true, prose_before = false;
  for_each_indented(text, [&](std::string_view line, size_t indent) {
    if (line.empty()) {
      blank = true;
      return;
    }
    bool prose = indent > 0 && indent <= kProse;
    if (!cleaned.empty()) cleaned += !blank && prose && prose_before ? " " : "\n";
    cleaned += line;
    blank = false, prose_before = prose;
  });
  replace_braces(cleaned);
  return cleaned;
}

}  // namespace mom::quickstart
