#include "mom/report/html.h"

#include <span>
#include <stdexcept>

#include "mom/base/error.h"

namespace mom::report {

std::string script_json(const OrderedJson& value) {
  const std::string text = value.dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j)
      word = word << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[word >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

bool is_sound(const Path& path) { return path.extension() == ".wav"; }

std::string data_uri(const formats::Image& image) {
  return "data:image/webp;base64," + base64(formats::encode_webp_lossless(image));
}

std::string data_uri(const Path& path) {
  const std::string bytes = read_file(path, uint64_t{4} << 20);
  if (!is_sound(path)) {
    const formats::Image image = formats::decode_image(std::as_bytes(std::span(bytes)), path.string());
    return data_uri(image);
  }
  if (!bytes.starts_with("RIFF") || !bytes.substr(0, 12).ends_with("WAVE"))
    throw InputError({path.string(), "a WAV file", "other bytes at its start", "sample the run again"});
  return "data:audio/wav;base64," + base64(bytes);
}

std::string fill_template(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  size_t begin = 0;
  while (true) {
    const size_t open = text.find("{{", begin);
    if (open == std::string_view::npos) return out.append(text.substr(begin));
    const size_t close = text.find("}}", open);
    if (close == std::string_view::npos) throw std::logic_error("report template: {{ without }}");
    const auto found = values.find(std::string(text.substr(open + 2, close - open - 2)));
    if (found == values.end()) throw std::logic_error("report template: unknown name");
    out.append(text.substr(begin, open - begin)).append(found->second);
    begin = close + 2;
  }
}

std::string shell_word(const std::string& word) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

namespace {

std::string without_tags(const std::string& html) {
  std::string out;
  bool inside = false;
  for (char c : html) {
    if (c == '<') inside = true;
    if (!inside) out += c;
    if (c == '>') inside = false;
  }
  return out;
}

}  // namespace

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
                  bool numeric) {
  std::string out = numeric ? "<div class=\"scroll\" tabindex=\"0\"><table class=\"numbers\"><thead><tr>"
                            : "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const std::string& cell : head) out += "<th scope=\"col\">" + cell + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      out += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>"
                    : "<td data-label=\"" + without_tags(head[i]) + "\">" + row[i] + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace mom::report
