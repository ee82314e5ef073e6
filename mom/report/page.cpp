#include "mom/report/page.h"

#include <map>
#include <stdexcept>

#include "mom/base/base64.h"
#include "mom/base/hash.h"
#include "mom/base/markup.h"
#include "mom/report/bundle.h"
#include "mom/report/media.h"

namespace mom::report {
namespace {

constexpr const char* kReport = "report.js";  // else a live page

std::string module_source(const std::string& name) {
  static const std::map<std::string, std::string> vendored = {
      {"preact", "vendor/preact/preact.module.js"},
      {"preact/hooks", "vendor/preact/hooks.module.js"},
      {"htm", "vendor/htm/htm.module.js"},
      {"uplot", "vendor/uplot/uPlot.module.js"}};
  const auto found = vendored.find(name);
  return std::string(embedded_file(found == vendored.end() ? name : found->second));
}

// As a source of a content security policy.
std::string hash_of(const std::string& text) {
  const std::string hex = sha256_hex(text);
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return "'sha256-" + encode_base64(bytes) + "'";
}

// What is there without scripts.
std::string plain_verdicts(const OrderedJson& page) {
  std::string html;
  for (const OrderedJson& verdict : page.at("verdicts"))
    html += "<p>" + escape(verdict.get<std::string>()) + "</p>\n";
  return html.empty() ? "<p>No verdict.</p>\n" : html;
}

// Replaces each {{name}} once, in one pass: a value is never looked into.
std::string fill(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (true) {
    const size_t open = text.find("{{");
    if (open == std::string_view::npos) return out.append(text);
    const size_t close = text.find("}}", open);
    out.append(text.substr(0, open)).append(values.at(std::string(text.substr(open + 2, close - open - 2))));
    text = text.substr(close + 2);
  }
}

// The script and the styles of a page, and what allows them.
std::map<std::string, std::string> with_code(const std::string& entry,
                                             std::map<std::string, std::string> values) {
  const std::string script = "\n" + bundle(entry, module_source);
  if (script.find("</script") != std::string::npos || script.find("<!--") != std::string::npos)
    throw std::logic_error("web/: a module that would end its script element");
  const std::string style = std::string(embedded_file("vendor/uplot/uPlot.min.css")) +
                            std::string(embedded_file("page.css")) +
                            std::string(entry == kReport ? "" : embedded_file("live.css"));
  values.insert({{"script-hash", hash_of(script)},
                 {"style-hash", hash_of(style)},
                 {"style", style},
                 {"script", script}});
  return values;
}

}  // namespace

std::string script_json(const OrderedJson& value) {
  const std::string text = value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&')
      out += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    else
      out += c;
  }
  return out;
}

std::string render(const OrderedJson& page) {
  return fill(embedded_file("report.html"),
              with_code(kReport, {{"title", escape(page.at("title").get<std::string>())},
                                  {"verdicts", plain_verdicts(page)},
                                  {"data", script_json(page)}}));
}

std::string live_page(const std::string& name) {
  return fill(embedded_file("live.html"), with_code(name + ".js", {{"title", "mom: " + name}}));
}

}  // namespace mom::report
