#include "tests/kernels/cuda/emulator.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// Compiled without sanitizers for speed: where the code beside it has them, they are told of every change of stacks.
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#pragma weak __asan_unpoison_memory_region
#pragma weak __sanitizer_start_switch_fiber
#pragma weak __sanitizer_finish_switch_fiber

// Keeps the registers that a called function must keep on the stack, and goes on where the other stack stopped.
extern "C" void mom_switch_stack(void** from, void* to);
asm(R"(
.text
.globl mom_switch_stack
.type mom_switch_stack, @function
mom_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mom_switch_stack, .-mom_switch_stack
)");

namespace mom::kernels::cuda::emulated {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int kMaxThreads = 1024;

// One stack, and where it stopped. The scheduler is a fiber as well, on the stack of whoever called launch().
struct Fiber {
  void* stopped_at = nullptr;
  void* fake_stack = nullptr;
  const void* stack = nullptr;
  size_t stack_bytes = 0;

  void start(char* memory, void (*entry)()) {
    if (__asan_unpoison_memory_region)
      __asan_unpoison_memory_region(memory, kStackBytes);  // what the frames of an abandoned thread left
    stack = memory, stack_bytes = kStackBytes;
    auto** top = reinterpret_cast<void**>(memory + kStackBytes);
    *--top = nullptr;  // alignment, and an end for who walks the stack
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    stopped_at = top;
  }
};

void switch_fibers(Fiber& from, Fiber& to, bool ends) {
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.stack, to.stack_bytes);
  mom_switch_stack(&from.stopped_at, to.stopped_at);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
}

enum class Waits { kNo, kBarrier, kShuffle, kDone };

struct Thread {
  Fiber fiber;
  Waits waits = Waits::kNo;
  Site site = Site::current();
  uint32_t value = 0;  // given to the shuffle, then received
  int from_lane = 0;
  unsigned mask = 0;
  size_t next_array = 0;
};

struct Array {
  std::unique_ptr<char[]> memory;
  size_t bytes;
};

// Threads that can go on, as bits.
class Ready {
 public:
  void clear() { words_.fill(0); }
  void insert(size_t thread) { words_[thread / 64] |= uint64_t{1} << thread % 64; }
  // Takes out the one that goes on next by the schedule; -1 where there is none.
  int take(Schedule schedule, std::mt19937& random, size_t count) {
    const size_t words = (count + 63) / 64;
    if (schedule == Schedule::kReversed) {
      for (size_t w = words; w-- > 0;)
        if (words_[w] != 0) return remove(w, 63 - static_cast<size_t>(std::countl_zero(words_[w])));
      return -1;
    }
    const size_t begin = schedule == Schedule::kInOrder ? 0 : random() % count;
    for (size_t i = 0; i <= words; ++i) {  // the first word once more, for its bits before `begin`
      const size_t w = (begin / 64 + i) % words;
      const uint64_t bits = i == 0 ? words_[w] & (~uint64_t{0} << begin % 64) : words_[w];
      if (bits != 0) return remove(w, static_cast<size_t>(std::countr_zero(bits)));
    }
    return -1;
  }

 private:
  int remove(size_t word, size_t bit) {
    words_[word] &= ~(uint64_t{1} << bit);
    return static_cast<int>(word * 64 + bit);
  }
  std::array<uint64_t, kMaxThreads / 64> words_{};
};

struct Machine {
  Schedule schedule = Schedule::kInOrder;
  std::mt19937 random;
  std::unique_ptr<char[]> stacks{new char[kMaxThreads * kStackBytes]};
  Fiber scheduler;
  std::vector<Thread> threads;
  Ready ready;
  std::vector<Array> arrays;
  const std::function<void()>* kernel = nullptr;
  Index index{};
};
Machine& machine() {
  static Machine instance;
  return instance;
}
Thread& running() { return machine().threads[static_cast<size_t>(machine().index.thread)]; }

void enter_thread() {
  Fiber& scheduler = machine().scheduler;
  if (__sanitizer_finish_switch_fiber)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler.stack, &scheduler.stack_bytes);
  (*machine().kernel)();
  running().waits = Waits::kDone;
  switch_fibers(running().fiber, machine().scheduler, true);
}

void wait(Waits why, Site site) {
  Thread& self = running();
  self.waits = why, self.site = site;
  switch_fibers(self.fiber, machine().scheduler, false);
}

std::string place(const Thread& thread) {
  const std::string file = thread.site.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(thread.site.line());
}

[[noreturn]] void fail(const std::string& what, const std::string& where) {
  const Index& at = machine().index;
  throw std::runtime_error(what + " at " + where + ", block " + std::to_string(at.block_x) + ", " +
                           std::to_string(at.block_y));
}

bool same_place(const Thread& a, const Thread& b) {
  return a.site.line() == b.site.line() &&
         a.site.file_name() == b.site.file_name();  // of one kernel: one pointer
}

// Lets the lanes of a shuffle go on once all have come. `first` is the first thread of their warp.
void meet_in_shuffle(std::vector<Thread>& threads, size_t arrived) {
  const size_t first = arrived / kWarp * kWarp, lanes = std::min<size_t>(kWarp, threads.size() - first);
  const Thread& self = threads[arrived];
  if ((self.mask >> (arrived - first) & 1) == 0) fail("a shuffle's mask lacks the calling lane", place(self));
  std::array<uint32_t, kWarp> given{};
  for (size_t lane = 0; lane < kWarp; ++lane) {
    if ((self.mask >> lane & 1) == 0) continue;
    if (lane >= lanes) fail("a shuffle waits for a lane that the block does not have", place(self));
    const Thread& other = threads[first + lane];
    if (other.waits != Waits::kShuffle) return;
    if (other.mask != self.mask || !same_place(self, other))
      return;  // it may go on; else nobody can, in the end
    given[lane] = other.value;
  }
  for (size_t lane = 0; lane < lanes; ++lane) {
    if ((self.mask >> lane & 1) == 0) continue;
    Thread& other = threads[first + lane];
    const int from = other.from_lane;
    if (from < 0 || from >= kWarp || (other.mask >> from & 1) == 0)
      fail("a shuffle reads a lane that does not take part", place(other));
    other.value = given[static_cast<size_t>(from)];
    other.waits = Waits::kNo;
    machine().ready.insert(first + lane);
  }
}

// Nobody can go on: they have met at one barrier, or the kernel is wrong.
void meet_at_barrier(std::vector<Thread>& threads) {
  const Thread* first = nullptr;
  for (const Thread& thread : threads) {
    if (thread.waits == Waits::kShuffle) fail("not all lanes reach the shuffle", place(thread));
    if (thread.waits == Waits::kBarrier && first == nullptr) first = &thread;
  }
  for (const Thread& thread : threads) {
    if (thread.waits == Waits::kDone) fail("not all threads reach the barrier", place(*first));
    if (!same_place(thread, *first))
      fail("threads wait at different barriers", place(*first) + " and " + place(thread));
  }
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].waits = Waits::kNo;
    machine().ready.insert(i);
  }
}

void run_block(int num_threads) {
  Machine& m = machine();
  m.arrays.clear();
  m.threads.assign(static_cast<size_t>(num_threads), Thread{});
  m.ready.clear();
  for (size_t i = 0; i < m.threads.size(); ++i) {
    m.threads[i].fiber.start(m.stacks.get() + i * kStackBytes, &enter_thread);
    m.ready.insert(i);
  }
  auto is_done = [](const Thread& thread) { return thread.waits == Waits::kDone; };
  for (;;) {
    const int next = m.ready.take(m.schedule, m.random, m.threads.size());
    if (next < 0) {
      if (std::all_of(m.threads.begin(), m.threads.end(), is_done)) return;
      meet_at_barrier(m.threads);
      continue;
    }
    m.index.thread = next;
    Thread& thread = m.threads[static_cast<size_t>(next)];
    switch_fibers(m.scheduler, thread.fiber, false);
    if (thread.waits == Waits::kShuffle) meet_in_shuffle(m.threads, static_cast<size_t>(next));
  }
}

}  // namespace

void set_schedule(Schedule schedule) {
  machine().schedule = schedule;
  machine().random.seed(static_cast<unsigned>(schedule));
}

const Index& index() { return machine().index; }

void* shared_memory(size_t bytes) {
  Machine& m = machine();
  const size_t at = running().next_array++;
  if (at == m.arrays.size()) {
    m.arrays.push_back({std::unique_ptr<char[]>(new char[bytes]), bytes});
    std::memset(m.arrays[at].memory.get(), 0xff, bytes);
  }
  if (m.arrays[at].bytes != bytes)
    throw std::logic_error("threads of a block do not agree on its shared memory");
  return m.arrays[at].memory.get();
}

void barrier(Site site) { wait(Waits::kBarrier, site); }

uint32_t shuffle(uint32_t value, int from_lane, unsigned mask, Site site) {
  Thread& self = running();
  self.value = value, self.from_lane = from_lane, self.mask = mask;
  wait(Waits::kShuffle, site);
  return self.value;
}

float atomic_add(float* to, float value) {
  const float before = *to;
  *to = before + value;
  return before;
}

void launch(Grid grid, int num_threads, const std::function<void()>& kernel) {
  if (num_threads < 1 || num_threads > kMaxThreads || grid.y > 65535 || grid.x >= int64_t{1} << 31)
    throw std::runtime_error("launch: more threads or blocks than CUDA has");
  Machine& m = machine();
  m.kernel = &kernel;
  std::vector<int64_t> blocks(static_cast<size_t>(grid.x * grid.y));
  std::iota(blocks.begin(), blocks.end(), 0);
  if (m.schedule == Schedule::kReversed) std::reverse(blocks.begin(), blocks.end());
  if (m.schedule >= Schedule::kRandom1) std::shuffle(blocks.begin(), blocks.end(), m.random);
  for (const int64_t block : blocks) {
    m.index.block_x = block % grid.x, m.index.block_y = block / grid.x;
    run_block(num_threads);
  }
}

}  // namespace mom::kernels::cuda::emulated
