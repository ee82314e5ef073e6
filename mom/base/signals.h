// SIGINT and SIGTERM ask a long operation to stop at its next safe point; a second one ends the process at once.
#pragma once

namespace mom {

class StopSignals {
 public:
  StopSignals();   // installs the handlers
  ~StopSignals();  // restores the previous ones
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  static int received();  // the signal's number, 0 when none came
};

}  // namespace mom
