#include "mom/codecs/each_alone.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/utils.h>

#include "mom/base/parallel.h"

namespace mom::codecs {
namespace {

// Sets the number of intra-op threads of this thread. Torch keeps one number a thread, and gives a new thread
// the one that was set last anywhere: so every thread sets its own, whatever it began with.
class IntraOpThreads {
 public:
  explicit IntraOpThreads(int count) : before_(at::get_num_threads()) {
    if (count != before_) at::set_num_threads(count);
  }
  ~IntraOpThreads() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  IntraOpThreads(const IntraOpThreads&) = delete;
  IntraOpThreads& operator=(const IntraOpThreads&) = delete;

 private:
  int before_;
};

}  // namespace

void for_each_alone(int64_t count, const std::function<void(int64_t)>& body) {
  parallel_for(count, at::get_num_threads(), [&](int64_t i) {
    const IntraOpThreads one(1);
    torch::NoGradGuard no_grad;
    body(i);
  });
}

}  // namespace mom::codecs
