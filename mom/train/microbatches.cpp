#include "mom/train/microbatches.h"

#include <torch/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "mom/base/error.h"
#include "mom/base/stopwatch.h"
#include "mom/models/counts.h"
#include "mom/ops/parallel.h"

namespace mom::train {
namespace {

bool is_power_of_two(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

// Process counts that can share out the microbatches.
std::string possible_sizes(int64_t microbatches, bool interleaved) {
  std::string sizes = "1";
  for (int64_t size = 2; size <= microbatches; ++size)
    if (microbatches % size == 0 &&
        (is_power_of_two(interleaved ? size : microbatches / size) || size == microbatches))
      sizes += ", " + std::to_string(size);
  return sizes;
}

models::BlockCalls calls_of(Pass* pass) {
  if (!pass) return {};
  return {[pass](int64_t block) { pass->before_block(block); },
          [pass](int64_t block) { pass->blocks_done(block); }};
}

}  // namespace

Division divide(int64_t microbatches, int rank, int processes, int64_t threads, bool interleaved) {
  const int64_t own = microbatches / processes;
  const bool fits = own * processes == microbatches &&
                    (interleaved ? own == 1 || is_power_of_two(processes) : is_power_of_two(own));
  if (processes > 1 && !fits)
    throw UserError(
        {"train.microbatches = " + std::to_string(microbatches),
         interleaved ? "a multiple of the number of processes, which is a power of two"
                     : "a number that shares out evenly among the processes, with a power of two for each",
         std::to_string(processes) + " processes",
         "start " + possible_sizes(microbatches, interleaved) + " processes, or train another run with " +
             "train.microbatches=" + std::to_string(processes)});
  if (interleaved && processes > 1) return {{rank, own, processes}, 1, threads};
  return {{rank * own, own}, std::min(threads, own), std::max<int64_t>(1, threads / own)};
}

void Microbatches::Part::append_to(std::vector<double>& numbers) const {
  for (const models::LossSum& of_modality : loss)
    numbers.insert(numbers.end(), {of_modality.sum, of_modality.count});
  for (const auto& [block, load] : experts) {
    const int64_t* choices = load.choices_ME.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < load.choices_ME.numel(); ++i) numbers.push_back(static_cast<double>(choices[i]));
    numbers.insert(numbers.end(),
                   {static_cast<double>(load.num_tokens), static_cast<double>(load.num_choices),
                    static_cast<double>(load.num_dropped), load.entropy_nats, load.balance});
  }
  numbers.insert(numbers.end(), {attended_pairs, forward_seconds, backward_seconds});
}

Microbatches::Part Microbatches::Part::read(const std::vector<double>& numbers, size_t& at,
                                            const Part& like) {
  Part part = like;
  for (models::LossSum& of_modality : part.loss) {
    of_modality.sum = numbers.at(at++);
    of_modality.count = numbers.at(at++);
  }
  for (auto& [block, load] : part.experts) {
    load.choices_ME = torch::empty_like(load.choices_ME);
    int64_t* choices = load.choices_ME.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < load.choices_ME.numel(); ++i) choices[i] = static_cast<int64_t>(numbers.at(at++));
    for (int64_t* count : {&load.num_tokens, &load.num_choices, &load.num_dropped})
      *count = static_cast<int64_t>(numbers.at(at++));
    load.entropy_nats = numbers.at(at++);
    load.balance = numbers.at(at++);
  }
  part.attended_pairs = numbers.at(at++);
  part.forward_seconds = numbers.at(at++);
  part.backward_seconds = numbers.at(at++);
  return part;
}

// Threads that do the same work again and again; the calling thread is number 0.
class Microbatches::Workers {
 public:
  Workers(int64_t count, int64_t threads_each) : threads_each_(threads_each), count_(count) {
    for (int64_t i = 1; i < count; ++i) threads_.emplace_back([this, i] { serve(i); });
  }
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      work_ = nullptr;
      ++round_;
    }
    wake_.notify_all();
  }

  // work(worker) on each; the first error of any is thrown here when all have ended.
  void run(const std::function<void(int64_t)>& work) {
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
  void serve(int64_t worker) {
    const ops::ScopedThreads threads(threads_each_);
    for (uint64_t seen = 0;;) {
      const std::function<void(int64_t)>* work = nullptr;
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
  void attempt(const std::function<void(int64_t)>& work, int64_t worker) {
    try {
      work(worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  const int64_t threads_each_, count_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  uint64_t round_ = 0;
  int64_t busy_ = 0;
  const std::function<void(int64_t)>* work_ = nullptr;
  std::exception_ptr error_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

// Adds gradients as they come, each to its neighbour in the tree.
class Microbatches::GradientTree {
 public:
  GradientTree(size_t num_leaves, const std::vector<Range>& ranges, std::vector<at::Tensor>& free)
      : ranges_(ranges), free_(free) {
    for (size_t width = num_leaves;; width = (width + 1) / 2) {
      widths_.push_back(width);
      if (width == 1) break;
    }
  }
  void add(size_t leaf, at::Tensor gradient) {
    torch::NoGradGuard no_grad;
    size_t level = 0, index = leaf;
    for (; widths_[level] > 1; ++level, index /= 2) {
      const size_t sibling = index ^ 1;
      if (sibling >= widths_[level]) continue;  // the odd last one moves up as it is
      at::Tensor other;
      {
        const std::lock_guard lock(mutex_);
        const auto found = waiting_.find({level, sibling});
        if (found == waiting_.end()) {
          waiting_[{level, index}] = std::move(gradient);
          return;
        }
        other = found->second;
        waiting_.erase(found);
      }
      for (const Range& range : ranges_)  // a + b = b + a, bit for bit
        gradient.narrow(0, range.begin, range.length).add_(other.narrow(0, range.begin, range.length));
      const std::lock_guard lock(mutex_);
      free_.push_back(other);
    }
    sum_ = std::move(gradient);
  }
  // A gradient of zeros.
  at::Tensor take(const FlatParameters& parameters) {
    at::Tensor gradient;
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        gradient = free_.back();
        free_.pop_back();
      }
    }
    if (!gradient.defined()) return parameters.zeros();
    for (const Range& range : ranges_) gradient.narrow(0, range.begin, range.length).zero_();
    return gradient;
  }
  const at::Tensor& sum() const { return sum_; }

 private:
  const std::vector<Range>& ranges_;
  std::vector<at::Tensor>& free_;
  std::vector<size_t> widths_;  // of the levels, from the leaves up
  std::mutex mutex_;
  std::map<std::pair<size_t, size_t>, at::Tensor> waiting_;  // by level and index
  at::Tensor sum_;
};

Microbatches::Microbatches(models::Model model, const models::Compute& compute, FlatParameters& parameters,
                           const Division& division, std::vector<Range> own)
    : parameters_(parameters), own_(std::move(own)), models_{model} {
  if (own_.empty()) own_ = {{0, parameters.length()}};
  for (int64_t i = 1; i < division.at_once; ++i) {
    const nn::WithoutMemory shared;
    models::Model replica(model->spec());
    parameters.share_with(replica);
    models_.push_back(replica);
  }
  for (models::Model& each : models_) each->set_compute(compute);
  workers_ = std::make_unique<Workers>(division.at_once, division.threads_each);
}

Microbatches::~Microbatches() = default;

Microbatches::Result Microbatches::run(const std::vector<data::Batch>& batches,
                                       const models::Objective& objective,
                                       const models::LossReport& step_terms, const BeginPass& begin_pass) {
  Result result;
  result.parts.resize(batches.size());
  GradientTree tree(batches.size(), own_, free_);
  std::atomic<size_t> next{0};
  const auto start = std::chrono::steady_clock::now();
  workers_->run([&](int64_t worker) {
    models::Model& model = models_[static_cast<size_t>(worker)];
    for (size_t i = next++; i < batches.size(); i = next++) {
      const auto begin = std::chrono::steady_clock::now();
      Part& part = result.parts[i];
      at::Tensor gradient = tree.take(parameters_);
      parameters_.collect_gradients(*model, gradient);
      const std::unique_ptr<Pass> pass = begin_pass ? begin_pass(gradient) : nullptr;
      models::BatchLoss loss =
          objective(*model, batches[i], step_terms, models::Timesteps::kUniform, calls_of(pass.get()));
      part.forward_seconds = seconds_since(begin);
      if (loss.total.requires_grad()) loss.total.backward();
      if (pass) pass->finish();
      part.loss = std::move(loss.report);
      part.experts = std::move(loss.experts);
      part.attended_pairs = models::attended_pairs(model->spec(), batches[i].routing);
      tree.add(i, std::move(gradient));
      part.backward_seconds = seconds_since(begin) - part.forward_seconds;
    }
  });
  result.seconds = seconds_since(start);
  result.gradient = tree.sum();
  free_.push_back(result.gradient);
  return result;
}

std::vector<models::LossReport> Microbatches::held_out(const std::vector<data::Batch>& batches,
                                                       const models::Objective& objective, size_t first,
                                                       size_t stride, const BeginPass& begin_pass) {
  std::vector<models::LossReport> losses(batches.size());
  const size_t end = (batches.size() + stride - 1) / stride * stride;
  std::atomic<size_t> next{first};
  workers_->run([&](int64_t worker) {
    torch::NoGradGuard no_grad;
    models::ModelImpl& model = *models_[static_cast<size_t>(worker)];
    for (size_t i = next.fetch_add(stride); i < end; i = next.fetch_add(stride)) {
      const std::unique_ptr<Pass> pass = begin_pass ? begin_pass({}) : nullptr;
      if (i < batches.size())
        losses[i] = objective(model, batches[i], models::count_terms(batches[i], model.spec()),
                              models::Timesteps::kStratified, calls_of(pass.get()))
                        .report;
      if (pass) pass->finish();
    }
  });
  return losses;
}

}  // namespace mom::train
