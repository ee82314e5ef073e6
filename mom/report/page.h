// A page as one HTML file: the data (docs/formats/page.md) with the components of web/ that draw it. It loads nothing,
// and its content security policy allows no other script or style than those inside, by their hashes.
#pragma once

#include <string>
#include <string_view>

#include "mom/base/json.h"

namespace mom::report {

std::string render(const OrderedJson& page);

// A page that asks the server it came from: "dashboard" (GET /api/runs, /api/page: live.h) or "playground" (the API of
// docs/serve.md).
std::string live_page(const std::string& name);

// JSON that may stand inside <script>: no '<', '>' or '&' is left in it. Invalid UTF-8 is replaced.
std::string script_json(const OrderedJson& value);

// Defined by the build from the files in web/ (cmake/MomEmbed.cmake).
std::string_view embedded_file(std::string_view name);

}  // namespace mom::report
