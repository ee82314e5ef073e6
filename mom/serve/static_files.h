// Pages that are part of the program: a table of files, to be filled in by a source that the build generates.
#pragma once

#include <span>
#include <string_view>

namespace mom::serve {

struct StaticFile {
  std::string_view path;  // of the request, "/" or "/app.js"
  std::string_view content_type;
  std::string_view gzip;  // its bytes, compressed
  std::string_view etag;  // quoted
};

std::span<const StaticFile> static_files();

}  // namespace mom::serve
