#include "mom/codecs/each_alone.h"

#include <torch/torch.h>

#include "mom/base/parallel.h"

namespace mom::codecs {
namespace {

// Sets the number of intra-op threads of this thread and of threads that begin meanwhile.
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
  int before() const { return before_; }

 private:
  int before_;
};

}  // namespace

void for_each_alone(int64_t count, const std::function<void(int64_t)>& body) {
  const IntraOpThreads one(1);
  parallel_for(count, one.before(), [&](int64_t i) {
    // A new thread takes torch's number when it first asks; oneDNN alone would not ask.
    TORCH_INTERNAL_ASSERT(at::get_num_threads() == 1, "for_each_alone: a thread kept its own number");
    torch::NoGradGuard no_grad;
    body(i);
  });
}

}  // namespace mom::codecs
