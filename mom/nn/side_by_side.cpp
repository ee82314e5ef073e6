#include "mom/nn/side_by_side.h"

#include <unistd.h>

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <thread>

#include "mom/ops/parallel.h"
#include "mom/ops/shared_cores.h"

namespace mom::nn {

// Threads that do the same work again and again; the calling thread is number 0.
class Workers::Threads {
 public:
  Threads(int64_t count, int64_t threads_each)
      : threads_each_(threads_each),
        count_(count),
        fill_cores_(threads_each == 1 && count > 1 && count >= std::thread::hardware_concurrency()),
        at_work_(static_cast<size_t>(count)) {
    for (int64_t i = 1; i < count; ++i) threads_.emplace_back([this, i] { serve(static_cast<size_t>(i)); });
  }
  ~Threads() {
    {
      const std::lock_guard lock(mutex_);
      work_ = nullptr;
      ++round_;
    }
    wake_.notify_all();
  }

  // work(worker) on each; the first error of any is thrown here when all have ended.
  void run(const std::function<void(size_t)>& work) {
    {
      const std::lock_guard lock(mutex_);
      work_ = &work;
      busy_ = count_ - 1;
      error_ = nullptr;
      ++round_;
    }
    wake_.notify_all();
    {
      const ops::ScopedThreads threads(threads_each_);
      attempt(work, 0);
    }
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void serve(size_t worker) {
    const ops::ScopedThreads threads(threads_each_);
    for (uint64_t seen = 0;;) {
      const std::function<void(size_t)>* work = nullptr;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
        work = work_;
      }
      if (!work) return;
      attempt(*work, worker);
      const std::lock_guard lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }
  void attempt(const std::function<void(size_t)>& work, size_t worker) {
    try {
      const OwnCore core(*this, worker);
      work(worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  // While others use cores of which each should have a worker, a worker begins on one of its own and ends by giving it to one
  // that is still at work: Linux balances numbers of threads, and beside one that is busy leaves two of ours on one core, or
  // one of ours with it beside a core that idles.
  class OwnCore {
   public:
    OwnCore(Threads& threads, size_t worker)
        : threads_(threads), worker_(worker), shared_(threads.fill_cores_ && ops::cores_are_shared()) {
      if (!shared_) return;
      ops::move_to_core(static_cast<int64_t>(worker));  // before another may move it
      const std::lock_guard lock(threads_.mutex_);
      threads_.at_work_[worker_] = ::gettid();
    }
    ~OwnCore() {
      if (!shared_) return;
      pid_t other = 0;
      {
        const std::lock_guard lock(threads_.mutex_);
        threads_.at_work_[worker_] = 0;
        for (pid_t& one : threads_.at_work_)
          if (other == 0) other = std::exchange(one, 0);
      }
      if (other != 0) ops::give_core_to(other);
    }

   private:
    Threads& threads_;
    const size_t worker_;
    const bool shared_;
  };

  const int64_t threads_each_, count_;
  const bool fill_cores_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  uint64_t round_ = 0;
  int64_t busy_ = 0;
  const std::function<void(size_t)>* work_ = nullptr;
  std::exception_ptr error_;
  std::vector<pid_t> at_work_;         // workers, by number, that may be given a core; else 0
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

Workers::Workers(int64_t count, int64_t threads_each)
    : threads_(std::make_unique<Threads>(count, threads_each)) {}
Workers::~Workers() = default;

void Workers::for_each(size_t end, const std::function<void(size_t piece, size_t worker)>& body, size_t first,
                       size_t stride) {
  std::atomic<size_t> next{first};
  threads_->run([&](size_t worker) {
    for (size_t i = next.fetch_add(stride); i < end; i = next.fetch_add(stride)) body(i, worker);
  });
}

GradientTree::GradientTree(size_t num_pieces, Add add)
    : add_(add ? std::move(add) : [](const at::Tensor& into, const at::Tensor& other) { into.add_(other); }) {
  for (size_t width = num_pieces;; width = (width + 1) / 2) {
    widths_.push_back(width);
    if (width == 1) break;
  }
}

std::vector<at::Tensor> GradientTree::add(size_t piece, at::Tensor gradient) {
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> spent;
  size_t level = 0, index = piece;
  for (; widths_[level] > 1; ++level, index /= 2) {
    const size_t sibling = index ^ 1;
    if (sibling >= widths_[level]) continue;  // the odd last one moves up as it is
    at::Tensor other;
    {
      const std::lock_guard lock(mutex_);
      const auto found = waiting_.find({level, sibling});
      if (found == waiting_.end()) {
        waiting_[{level, index}] = std::move(gradient);
        return spent;
      }
      other = std::move(found->second);
      waiting_.erase(found);
    }
    add_(gradient, other);  // a + b = b + a, bit for bit
    spent.push_back(std::move(other));
  }
  sum_ = std::move(gradient);
  return spent;
}

}  // namespace mom::nn
