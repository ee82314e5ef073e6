#include "mom/report/media.h"

#include <span>

#include "mom/base/base64.h"
#include "mom/base/error.h"
#include "mom/base/hash.h"

namespace mom::report {

bool is_sound(const Path& path) { return path.extension() == ".wav"; }

size_t Media::add_uri(std::string uri) {
  const auto [found, is_new] = places_.try_emplace(sha256_hex(uri), uris_.size());
  if (is_new) uris_.push_back(std::move(uri));
  return found->second;
}

size_t Media::add(const formats::Image& image) {
  return add_uri("data:image/webp;base64," + encode_base64(formats::encode_webp_lossless(image)));
}

size_t Media::add(const Path& path) {
  const std::string bytes = read_file(path, uint64_t{4} << 20);
  if (!is_sound(path)) return add(formats::decode_image(std::as_bytes(std::span(bytes)), path.string()));
  if (!bytes.starts_with("RIFF") || !bytes.substr(0, 12).ends_with("WAVE"))
    throw InputError({path.string(), "a WAV file", "other bytes at its start", "sample the run again"});
  return add_uri("data:audio/wav;base64," + encode_base64(bytes));
}

}  // namespace mom::report
