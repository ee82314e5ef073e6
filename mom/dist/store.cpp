#include "mom/dist/store.h"

#include <c10/util/Logging.h>

#include <cstdlib>
#include <mutex>

namespace mom::dist {
namespace {

constexpr int kNothing = 3;  // but fatal errors
std::mutex quiet_mutex;
int num_quiet = 0, level_before = 0;

bool user_has_a_say() { return std::getenv("TORCH_CPP_LOG_LEVEL") != nullptr; }

}  // namespace

QuietStore::QuietStore() {
  const std::lock_guard lock(quiet_mutex);
  if (num_quiet++ > 0 || user_has_a_say()) return;
  level_before = FLAGS_caffe2_log_level;
  FLAGS_caffe2_log_level = kNothing;
}

QuietStore::~QuietStore() {
  const std::lock_guard lock(quiet_mutex);
  if (--num_quiet == 0 && !user_has_a_say()) FLAGS_caffe2_log_level = level_before;
}

}  // namespace mom::dist
