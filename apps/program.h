// What the programs share: a command line, and what becomes of errors.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "mom/base/json.h"

namespace mom::app {

// Parses the command line, which runs the callbacks of what it names, after `check`. Callbacks throw to fail.
// Returns the exit code (mom/base/error.h); an error is one line on stderr: "mom: error: ...", with the first
// word of the app's name. An Error without a message has been reported.
int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& check = {});

// `--json` prints exactly one JSON object on stdout, through this.
void print_json(const OrderedJson& value);

// Becomes another of our programs, from the folder that this one is in. UserError when it is not there.
[[noreturn]] void become(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace mom::app
