// Decodes files for the Python oracles (tests/e2e/media_oracle_test.py). Usage: decode_media FILE...
// Beside each FILE appears FILE.decoded: a line of JSON, then the pixels (u8) or samples (f32) of it, or an error alone.
#include <cstdio>
#include <fstream>
#include <string>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/formats/image_file.h"
#include "mom/formats/media_kinds.h"
#include "mom/formats/sound_file.h"

namespace mom::formats {
namespace {

struct Decoded {
  Json header;
  std::string data;
};

Decoded decode(const Path& path, std::span<const std::byte> bytes) {
  const std::string extension = path.extension().string(), where = path.filename().string();
  if (!extension.empty() && is_sound_extension(extension.substr(1))) {
    const Sound sound = decode_sound(bytes, where);
    return {{{"rate_hz", sound.rate_hz}, {"channels", sound.channels}, {"num_frames", sound.num_frames()}},
            {reinterpret_cast<const char*>(sound.samples.data()), sound.samples.size() * sizeof(float)}};
  }
  const Image image = decode_image(bytes, where);
  return {{{"width", image.width}, {"height", image.height}, {"channels", image.channels}},
          {reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()}};
}

void decode_file(const Path& path) {
  Decoded decoded;
  try {
    const std::string bytes = read_file(path);
    decoded = decode(path, std::as_bytes(std::span(bytes)));
  } catch (const InputError& error) {
    decoded.header["error"] = error.what();
  }
  std::ofstream(path.string() + ".decoded", std::ios::binary) << decoded.header.dump() << '\n'
                                                              << decoded.data;
}

}  // namespace
}  // namespace mom::formats

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) mom::formats::decode_file(argv[i]);
  return 0;
}
