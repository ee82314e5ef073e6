// Images and sounds inside a page: each once, named by its place in the page's list `media`.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/formats/image_file.h"

namespace mom::report {

bool is_sound(const Path& path);

class Media {
 public:
  // The place of an image, as WebP without loss (a quarter smaller than its PNG), or of a WAV file. InputError when
  // the file is not what its name says, or over 4 MiB.
  size_t add(const Path& path);
  size_t add(const formats::Image& image);
  // "data:image/webp;base64,...", "data:audio/wav;base64,...".
  OrderedJson take() { return std::move(uris_); }

 private:
  size_t add_uri(std::string uri);
  OrderedJson uris_ = OrderedJson::array();
  std::map<std::string, size_t> places_;  // by SHA-256 of the URI
};

}  // namespace mom::report
