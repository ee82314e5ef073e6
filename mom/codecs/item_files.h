// Items as files: images, sounds, and of a codec from outside arrays, beside what its own command decodes them to.
#pragma once

#include <string>
#include <vector>

#include "mom/codecs/external_codec.h"

namespace mom::codecs {

// Whether decode commands (decode_command.h) may be run: where the user trusts the codec folders.
struct Decoding {
  bool run_commands = false;
  double limit_s = 120;  // of each
};

// Writes FOLDER/NAME with the ending of `media`, and of an array that `external` (null: not one from outside) has a command for,
// which may be run, what that writes. The files' names. InputError: the command failed.
std::vector<std::string> write_item(const Media& media, const ExternalCodec* external, const Path& folder,
                                    const std::string& name, const Decoding& decoding);

}  // namespace mom::codecs
