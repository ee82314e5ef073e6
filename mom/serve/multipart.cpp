#include "mom/serve/multipart.h"

#include <algorithm>
#include <cctype>

#include "mom/serve/api_error.h"

namespace mom::serve {
namespace {

constexpr size_t kMaxParts = 64, kMaxBoundary = 70;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// The value of `key` in "...; key=value" or "...; key="value""; empty: none.
std::string parameter(std::string_view header, std::string_view key) {
  size_t at = 0;
  while ((at = header.find(';', at)) != std::string_view::npos) {
    at = header.find_first_not_of(" \t", at + 1);
    if (at == std::string_view::npos) return "";
    const size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) return "";
    const bool found = lower(header.substr(at, equals - at)) == key;
    const bool quoted = equals + 1 < header.size() && header[equals + 1] == '"';
    const size_t begin = equals + (quoted ? 2 : 1);
    const size_t end = std::min(header.find(quoted ? '"' : ';', begin), header.size());
    if (found) return std::string(header.substr(begin, end - begin));
    at = end;
  }
  return "";
}

ApiError broken(const std::string& what) { return wrong_field("body", "a form (multipart/form-data)", what); }

FormPart parse_part(std::string_view part) {
  const size_t end = part.find("\r\n\r\n");
  if (end == std::string_view::npos) throw broken("a part without a header");
  FormPart result{.name = "", .file_name = "", .content = std::string(part.substr(end + 4))};
  for (size_t at = 0; at < end;) {
    const size_t line_end = std::min(part.find("\r\n", at), end);
    const std::string_view line = part.substr(at, line_end - at);
    if (lower(line.substr(0, 20)) == "content-disposition:") {
      result.name = parameter(line, "name");
      result.file_name = parameter(line, "filename");
    }
    at = line_end + 2;
  }
  if (result.name.empty()) throw broken("a part without a name");
  return result;
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view body, std::string_view content_type) {
  if (!lower(content_type).starts_with("multipart/form-data"))
    throw ApiError(415, "expected Content-Type multipart/form-data", "");
  const std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > kMaxBoundary) throw broken("no boundary");
  const std::string first = "--" + boundary, next = "\r\n--" + boundary;
  if (!body.starts_with(first)) throw broken("another beginning than the boundary");
  std::vector<FormPart> parts;
  size_t at = first.size();
  while (body.substr(at, 2) != "--") {
    if (body.substr(at, 2) != "\r\n") throw broken("a boundary that goes on");
    at += 2;
    const size_t end = body.find(next, at);
    if (end == std::string_view::npos) throw broken("no end");
    if (parts.size() == kMaxParts) throw broken("more than 64 parts");
    parts.push_back(parse_part(body.substr(at, end - at)));
    at = end + next.size();
  }
  return parts;
}

}  // namespace mom::serve
