// Does a job as one rank of a group of processes, for processes_test.cpp: a_rank JOB, or a_rank launch. Errors end it as they end `mom`.
#include <ATen/ATen.h>
#include <torch/types.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "mom/base/signals.h"
#include "mom/dist/launch.h"
#include "mom/dist/rendezvous.h"

namespace {

using mom::dist::Group;
using std::chrono::milliseconds;

at::Tensor numbers(int64_t count, int rank) { return at::arange(count, at::kFloat) + 1000 * rank; }

void check(bool right, const char* what) {
  if (!right) throw std::logic_error(std::string("wrong: ") + what);
}

// Every operation, with large and small tensors; two exchanges at once.
void everything(Group& group) {
  const int n = group.size(), rank = group.rank();
  const int64_t part = 300000;  // more than a socket's buffers hold
  const at::Tensor in = numbers(n * part, rank), out = at::empty_like(in), gathered = at::empty_like(in);
  const auto first = group.all_to_all(out, in);
  const at::Tensor own = gathered.narrow(0, rank * part, part);
  own.copy_(numbers(part, rank));
  const auto second = group.all_gather(gathered, own);
  second->wait();
  first->wait();
  check(group.bytes_sent() == 2 * (n - 1) * part * 4, "bytes_sent");
  for (int r = 0; r < n; ++r) {
    check(out.narrow(0, r * part, part).equal(numbers(n * part, r).narrow(0, rank * part, part)),
          "all_to_all");
    check(gathered.narrow(0, r * part, part).equal(numbers(part, r)), "all_gather");
  }
  for (const auto type : {at::kBFloat16, at::kLong})
    for (int root = 0; root < n; ++root) {
      const at::Tensor tensor = numbers(root + 3, rank).to(type);
      group.broadcast(tensor, root);
      check(tensor.equal(numbers(root + 3, root).to(type)), "broadcast");
    }
  const auto texts = group.gather_strings(std::string(static_cast<size_t>(rank), 'x') + "!");
  for (int r = 0; r < n; ++r)
    check(texts[static_cast<size_t>(r)].size() == static_cast<size_t>(r) + 1, "gather_strings");
  group.barrier();
}

void loop(Group& group, int late = -1) {
  for (int64_t i = 0;; ++i) {
    group.barrier();
    if (i == 0) std::printf("started\n"), std::fflush(stdout);
    std::this_thread::sleep_for(group.rank() == late && i == 3 ? std::chrono::hours(1) : milliseconds(5));
  }
}

// By hand: seconds of an operation on 64 MiB, beside the bytes that a rank sent.
void measure(Group& group) {
  const at::Tensor in = numbers(1 << 24, group.rank()), out = at::empty_like(in);
  const at::Tensor part = in.narrow(0, 0, in.numel() / group.size());
  for (int i = 0; i < 6; ++i) {
    using Clock = std::chrono::steady_clock;
    group.barrier();
    const auto begin = Clock::now();
    group.all_to_all(out, in)->wait();
    const auto middle = Clock::now();
    group.all_gather(out, part)->wait();
    const auto end = Clock::now();
    if (group.rank() == 0)
      std::printf("all_to_all %.3f s, all_gather %.3f s, %lld bytes sent\n",
                  std::chrono::duration<double>(middle - begin).count(),
                  std::chrono::duration<double>(end - middle).count(),
                  static_cast<long long>(group.bytes_sent()));
  }
}

// As training does it: a signal to one rank stops all of them.
void until_stopped(Group& group) {
  const mom::StopSignals signals;
  for (int64_t i = 0;; ++i) {
    for (const auto& received : group.gather_doubles({static_cast<double>(mom::StopSignals::received())}))
      if (received[0] != 0) throw mom::StoppedError("stopped, saved");
    if (i == 0) std::printf("started\n"), std::fflush(stdout);
    std::this_thread::sleep_for(milliseconds(5));
  }
}

// a_rank launch PROCESSES RESTARTS LOGS JOB
void launch(const std::vector<std::string>& words) {
  mom::dist::LaunchOptions options;
  options.program = std::filesystem::read_symlink("/proc/self/exe");
  options.processes = std::stoi(words.at(1));
  options.restarts = std::stoi(words.at(2));
  options.logs = words.at(3);
  options.arguments = {words.begin() + 4, words.end()};
  options.patience = milliseconds(700);
  mom::dist::launch(options);
}

int run(const std::vector<std::string>& words) {
  const std::string& job = words.at(0);
  if (job == "launch") return launch(words), 0;
  if (job == "usage") throw mom::UserError("recipe.toml: expected steps");
  if (job == "threads") return std::printf("%s threads\n", std::getenv("OMP_NUM_THREADS")), 0;
  const auto place = mom::dist::place_from_environment();
  const auto group = mom::dist::join(place, mom::dist::timeout_from_environment());
  if (job == "stop") until_stopped(*group);
  // Rank 1 dies, but not after a restart.
  if (job == "crash" && group->rank() == 1 && words.back() != "--resume") std::raise(SIGKILL);
  // Rank 1 does not end by itself.
  if (job == "deaf" && group->rank() == 1) {
    std::signal(SIGTERM, SIG_IGN);
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
  if (job == "deaf") throw mom::ResourceError("the disk is full");
  if (job == "everything" || job == "crash") everything(*group);
  if (job == "measure") measure(*group);
  if (job == "loop") loop(*group);
  if (job == "late") loop(*group, 1);
  if (job == "error" && group->rank() == 1) {
    group->leave("the disk is full");
    return 4;
  }
  if (job == "error") loop(*group);
  if (job == "quit" && group->rank() != 1) loop(*group);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const mom::Error& error) {
    if (*error.what()) std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "internal error: %s\n", error.what());
    return 1;
  }
}
