// The decoder of a codec from outside, as a command. Nothing here runs one unless the user has said so for this very call:
// a codec folder may come from anywhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::codecs {

// "python 'my decoder.py' {in} {out}" -> its words, with {in} and {out} replaced. Blanks part words except inside single or
// double quotes; there is no shell: nothing else has a meaning. UserError: no words, an open quote, {in} or {out} missing.
std::vector<std::string> words_of_command(std::string_view command, const std::string& in,
                                          const std::string& out);

// Runs it in the working folder, without stdin, and waits until `limit_s` have passed. InputError that says what it printed
// last: no such program, an exit code, a signal, too slow, or no file at `out`.
void run_decode_command(std::string_view command, const Path& in, const Path& out, double limit_s);

}  // namespace mom::codecs
