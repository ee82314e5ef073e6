#include "mom/base/signals.h"

#include <csignal>

namespace mom {
namespace {

volatile std::sig_atomic_t received_ = 0;
struct sigaction previous_int_, previous_term_;

void on_signal(int signal) {
  if (received_) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  received_ = signal;
}

}  // namespace

StopSignals::StopSignals() {
  received_ = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, &previous_int_);
  sigaction(SIGTERM, &action, &previous_term_);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &previous_int_, nullptr);
  sigaction(SIGTERM, &previous_term_, nullptr);
}

int StopSignals::received() { return received_; }

}  // namespace mom
