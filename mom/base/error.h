// Errors that end an operation, and the exit codes they become. One line each: where, expected, found, next step.
#pragma once

#include <stdexcept>
#include <string>

namespace mom {

// What `mom` exits with; scripts rely on these numbers.
enum class ExitCode {
  kOk = 0,
  kInternal = 1,    // a defect of ours
  kUsage = 2,       // command line, recipe or config
  kBadInput = 3,    // a file that is damaged, foreign or does not fit
  kNoResource = 4,  // no disk space or memory
  kDiverged = 5,    // loss or gradient not finite
  kStopped = 75,    // stopped by a signal after a good save (EX_TEMPFAIL: run again to continue)
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// The parts of a good message. `where` is a file with line or byte, an option or a recipe key.
struct ErrorParts {
  std::string where;
  std::string expected;
  std::string found;
  std::string next;  // what to do about it; may be empty
};
std::string format_error(const ErrorParts& parts);  // "WHERE: expected EXPECTED, found FOUND; NEXT"

// A wrong command line, recipe, config or request.
class UserError : public Error {
 public:
  explicit UserError(const std::string& message) : Error(ExitCode::kUsage, message) {}
  explicit UserError(const ErrorParts& parts) : UserError(format_error(parts)) {}
};

// A file that cannot be used: missing, truncated, corrupt, of another kind.
class InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(ExitCode::kBadInput, message) {}
  explicit InputError(const ErrorParts& parts) : InputError(format_error(parts)) {}
};

// Disk full, out of memory, no permission to write.
class ResourceError : public Error {
 public:
  explicit ResourceError(const std::string& message) : Error(ExitCode::kNoResource, message) {}
};

class DivergedError : public Error {
 public:
  explicit DivergedError(const std::string& message) : Error(ExitCode::kDiverged, message) {}
};

class StoppedError : public Error {
 public:
  explicit StoppedError(const std::string& message) : Error(ExitCode::kStopped, message) {}
};

}  // namespace mom
