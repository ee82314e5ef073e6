// Log lines on stderr. Results go to stdout, never through here.
#pragma once

#include <string_view>

namespace mom {

void set_quiet(bool quiet);
bool is_quiet();
void log_info(std::string_view message);     // "mom: message"
void log_warning(std::string_view message);  // "mom: warning: message", also when quiet

// Logs `message` at info level the first time it is called with this key in the process.
void log_once(std::string_view key, std::string_view message);

}  // namespace mom
