#include "mom/report/page.h"

#include "mom/report/html.h"

namespace mom::report {
namespace {

constexpr size_t kLongPage = 6;  // sections

// Vendored files end with the name of a source map, which would only make debuggers look for it.
std::string script(std::string_view name) {
  std::string text(embedded_file(name));
  const size_t map = text.rfind("//# sourceMappingURL");
  return map == std::string::npos ? text : text.substr(0, map);
}

std::string all_scripts() {
  std::string out;
  for (const char* name : {"vendor/uplot/uPlot.iife.min.js", "vendor/preact/preact.umd.js",
                           "vendor/preact/hooks.umd.js", "vendor/htm/htm.umd.js", "report.js"}) {
    out += "<script>" + script(name) + "</script>\n";
  }
  return out;
}

// Links to the sections of a long page, by their headings.
std::string contents(const std::string& body) {
  static constexpr std::string_view kOpen = "<section id=\"", kHeading = "\"><h2>", kClose = "</h2>";
  std::string links;
  size_t count = 0;
  for (size_t at = 0; (at = body.find(kOpen, at)) != std::string::npos; ++count) {
    const size_t id = at + kOpen.size(), heading = body.find(kHeading, id), end = body.find(kClose, heading);
    const size_t text = heading + kHeading.size();
    links += "<li><a href=\"#" + body.substr(id, heading - id) + "\">" + body.substr(text, end - text) +
             "</a></li>\n";
    at = end;
  }
  return count < kLongPage
             ? ""
             : "<nav class=\"contents\" aria-label=\"Contents\"><ul>\n" + links + "</ul></nav>\n";
}

}  // namespace

std::string render(const Page& page) {
  return fill_template(embedded_file("report.html"),
                       {{"title", escape(page.title)},
                        {"style", std::string(embedded_file("vendor/uplot/uPlot.min.css")) +
                                      std::string(embedded_file("report.css"))},
                        {"header", page.header},
                        {"contents", contents(page.body)},
                        {"body", page.body},
                        {"data", script_json(page.charts)},
                        {"scripts", all_scripts()}});
}

}  // namespace mom::report
