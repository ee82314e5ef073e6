// An image file as the program sees it.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/formats/image_file.h"

namespace mom::test {

inline formats::Image read_image(const Path& path) {
  const std::string bytes = read_file(path);
  return formats::decode_image(std::as_bytes(std::span(bytes)), path.string());
}

}  // namespace mom::test
