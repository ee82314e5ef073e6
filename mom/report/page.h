// The frame that all pages share: title, styles, contents, scripts, the JSON block of the charts.
#pragma once

#include <string>

#include "mom/base/json.h"

namespace mom::report {

struct Page {
  std::string title;         // text
  std::string header, body;  // HTML; body: whole sections, each <section id="..."><h2>...
  OrderedJson charts;        // see charts.h
};

std::string render(const Page& page);

}  // namespace mom::report
