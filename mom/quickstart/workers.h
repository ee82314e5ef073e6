// Work in child processes: for C libraries whose state belongs to the process (flite draws from rand() and
// may write to stdout), and for programs of other packages.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mom::quickstart {

// Calls body(0) ... body(count - 1), each once, in up to `num_processes` forked children whose stdout and
// stderr are closed off, and returns the results in order. `progress` (in this process) gets the number of
// finished ones. An InputError of a body is thrown here; a child that dies is an Error naming `what`. The calling
// process must have one thread.
std::vector<std::string> run_in_processes(int64_t count, int64_t num_processes, const std::string& what,
                                          const std::function<std::string(int64_t)>& body,
                                          const std::function<void(int64_t)>& progress);

// As many as there are processors to run on.
int64_t default_processes();

// What a program writes to its stdout. InputError with `where` when it cannot be started, naming the Debian
// `package` that brings it, or when it fails.
std::string run_program(const std::vector<std::string>& command, const std::string& where,
                        const std::string& package);

}  // namespace mom::quickstart
