// The threads of a block, as fibers of one host thread. A fiber runs one emulated thread after the
// other and is only set aside where a thread waits, so kernels without barriers switch nothing.
#undef _FORTIFY_SOURCE  // its longjmp refuses to change stacks
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <deque>
#include <list>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "emulation/core.h"
#include "emulation/options.h"

namespace emulation {

Index thread_index, block_index;
Shape launched;
Options options;

namespace {

constexpr size_t kStack = 512 << 10, kPage = 4096;

struct Fiber {
  char* stack;
  ucontext_t begin;
  jmp_buf at;
  bool started = false;
  int thread = -1;  // whose stack this is while it waits

  Fiber() {
    stack = static_cast<char*>(mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stack == MAP_FAILED) fail("no memory for another thread's stack");
    mprotect(stack, kPage, PROT_NONE);
  }
  ~Fiber() { munmap(stack, kStack); }
};

// Lanes that meet in one warp operation.
struct Meeting {
  unsigned mask;
  const char* operation;
  bool complete = false;
  Lanes lanes{};
};

enum class State { Fresh, Ready, AtBlock, AtWarp, Done };

struct Thread {
  State state = State::Fresh;
  Fiber* fiber = nullptr;
  std::shared_ptr<Meeting> meeting;
  int vote = 0;
};

struct Block {
  std::vector<Thread> threads;
  std::deque<int> fresh, ready;
  std::vector<std::list<std::shared_ptr<Meeting>>> warps;
  int alive = 0, waiting = 0;
  const char* file = nullptr;  // of the barrier that threads wait at
  int line = 0;
  Votes votes{};
};

Block block;
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
Fiber* running = nullptr;
int current = -1;
jmp_buf scheduler;
std::string fault;
const std::function<void()>* body = nullptr;
const char* kernel_name = nullptr;
std::mt19937_64 dice;
size_t limit = 48 << 10;
void* shared_memory = nullptr;
std::set<void*> touched;

std::vector<int64_t> order(int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  if (options.shuffle)
    for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[dice() % i]);
  return out;
}

void become(int t) {
  current = t;
  const unsigned i = static_cast<unsigned>(t), x = launched.block.x, y = launched.block.y;
  thread_index = {i % x, i / x % y, i / (x * y)};
}

std::string place(int t) {
  return "thread " + std::to_string(t) + " of block (" + std::to_string(block_index.x) + ", " +
         std::to_string(block_index.y) + ", " + std::to_string(block_index.z) + ")";
}

void release(State from) {
  for (int64_t t : order(static_cast<int64_t>(block.threads.size())))
    if (block.threads[t].state == from) {
      block.threads[t].state = State::Ready;
      block.ready.push_back(static_cast<int>(t));
    }
}

void settle_block() {
  if (block.waiting == 0 || block.waiting < block.alive) return;
  Votes votes{0, 1, 0};
  for (const Thread& thread : block.threads)
    if (thread.state == State::AtBlock) {
      votes.count += thread.vote;
      votes.all &= thread.vote;
      votes.any |= thread.vote;
    }
  block.votes = votes;
  block.waiting = 0;
  block.file = nullptr;
  release(State::AtBlock);
}

unsigned present(int warp) {  // lanes of the warp that have not returned
  unsigned mask = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    const size_t t = static_cast<size_t>(warp * kWarp + lane);
    if (t < block.threads.size() && block.threads[t].state != State::Done) mask |= 1u << lane;
  }
  return mask;
}

void settle_warp(int warp) {
  auto& meetings = block.warps[static_cast<size_t>(warp)];
  for (auto at = meetings.begin(); at != meetings.end();) {
    Meeting& meeting = **at;
    if ((meeting.mask & present(warp) & ~meeting.lanes.arrived) != 0) {
      ++at;
      continue;
    }
    meeting.complete = true;
    for (int64_t lane : order(kWarp))
      if (meeting.lanes.arrived >> lane & 1) {
        const int t = warp * kWarp + static_cast<int>(lane);
        block.threads[static_cast<size_t>(t)].state = State::Ready;
        block.ready.push_back(t);
      }
    at = meetings.erase(at);
  }
}

void to_scheduler() { _longjmp(scheduler, 1); }

// The running thread stops here until the scheduler picks it again.
void wait(State state) {
  Thread& thread = block.threads[static_cast<size_t>(current)];
  thread.state = state;
  thread.fiber = running;
  running->thread = current;
  const int me = current;
  if (state == State::AtBlock)
    settle_block();
  else
    settle_warp(me / kWarp);
  if (_setjmp(running->at) == 0) to_scheduler();
  become(me);
}

void fiber_main() {
  for (;;) {
    while (!block.fresh.empty() && fault.empty()) {
      const int t = block.fresh.front();
      block.fresh.pop_front();
      become(t);
      try {
        (*body)();
      } catch (const std::exception& error) {
        fault = std::string(error.what()) + ", in " + kernel_name + ", " + place(t);
      }
      Thread& thread = block.threads[static_cast<size_t>(t)];
      thread.state = State::Done;
      --block.alive;
      settle_block();
      settle_warp(t / kWarp);
      if (!block.ready.empty()) break;  // one stack may hold only one unfinished thread
    }
    idle.push_back(running);
    if (_setjmp(running->at) == 0) to_scheduler();
  }
}

void resume(Fiber* fiber) {
  running = fiber;
  if (_setjmp(scheduler) == 0) {
    if (!fiber->started) {
      fiber->started = true;
      getcontext(&fiber->begin);
      fiber->begin.uc_stack.ss_sp = fiber->stack;
      fiber->begin.uc_stack.ss_size = kStack;
      fiber->begin.uc_link = nullptr;
      makecontext(&fiber->begin, fiber_main, 0);
      setcontext(&fiber->begin);
    }
    _longjmp(fiber->at, 1);
  }
  running = nullptr;
}

std::string stuck() {
  for (size_t t = 0; t < block.threads.size(); ++t) {
    const Thread& thread = block.threads[t];
    if (thread.state == State::AtWarp)
      return std::string(kernel_name) + ": deadlock, " + place(static_cast<int>(t)) + " waits in " +
             thread.meeting->operation + " for lanes of its mask";
  }
  return std::string(kernel_name) + ": deadlock at " + (block.file ? block.file : "a barrier") +
         ":" + std::to_string(block.line);
}

void run_block(int64_t threads) {
  block = Block{};
  block.threads.resize(static_cast<size_t>(threads));
  block.warps.resize(static_cast<size_t>((threads + kWarp - 1) / kWarp));
  block.alive = static_cast<int>(threads);
  touched.clear();
  if (shared_memory) poison(shared_memory, launched.shared_bytes);
  for (int64_t t : order(threads)) block.fresh.push_back(static_cast<int>(t));
  while (block.alive > 0 && fault.empty()) {
    if (!block.fresh.empty()) {  // every thread starts before any passes a barrier
      if (idle.empty()) {
        fibers.push_back(std::make_unique<Fiber>());
        idle.push_back(fibers.back().get());
      }
      Fiber* next = idle.back();
      idle.pop_back();
      resume(next);
    } else if (!block.ready.empty()) {
      const int t = block.ready.front();
      block.ready.pop_front();
      resume(block.threads[static_cast<size_t>(t)].fiber);
    } else {
      fault = stuck();
    }
  }
}

}  // namespace

const char* running_kernel() { return kernel_name; }

void forget_threads() {
  fibers.clear();
  idle.clear();
  block = Block{};
  fault.clear();
  kernel_name = nullptr;
  shared_memory = nullptr;
}

size_t& shared_limit() { return limit; }
void* dynamic_shared() { return shared_memory; }

void first_touch(void* shared, size_t bytes) {
  if (touched.insert(shared).second) poison(shared, bytes);
}

int lane_index() { return current % kWarp; }

Votes block_barrier(int value, const char* file, int line) {
  if (block.file && (block.line != line || std::strcmp(block.file, file) != 0))
    fail("threads of one block wait at different barriers, lines " + std::to_string(block.line) +
         " and " + std::to_string(line) + " of " + file);
  block.file = file;
  block.line = line;
  block.threads[static_cast<size_t>(current)].vote = value;
  ++block.waiting;
  wait(State::AtBlock);
  return block.votes;
}

const Lanes& warp_barrier(unsigned mask, const char* operation, const void* value, size_t bytes) {
  const int warp = current / kWarp, lane = current % kWarp;
  if (!(mask >> lane & 1)) fail(std::string(operation) + ": the calling lane is not in its mask");
  auto& meetings = block.warps[static_cast<size_t>(warp)];
  std::shared_ptr<Meeting> mine;
  for (const auto& meeting : meetings) {
    if (meeting->mask == mask && std::strcmp(meeting->operation, operation) == 0)
      mine = meeting;
    else if (meeting->mask & mask & meeting->lanes.arrived)
      fail(std::string("lanes of one mask call different operations, ") + operation + " and " +
           meeting->operation);
  }
  if (!mine) {
    mine = std::make_shared<Meeting>();
    mine->mask = mask;
    mine->operation = operation;
    meetings.push_back(mine);
  }
  mine->lanes.arrived |= 1u << lane;
  if (bytes) std::memcpy(mine->lanes.value[lane], value, bytes);
  // Kept until this thread's next warp operation, so that the reference stays good.
  block.threads[static_cast<size_t>(current)].meeting = mine;
  wait(State::AtWarp);
  return mine->lanes;
}

void run_grid(const Shape& shape, const char* kernel, const std::function<void()>& thread) {
  const Index g = shape.grid, b = shape.block;
  const uint64_t threads = static_cast<uint64_t>(b.x) * b.y * b.z;
  const uint64_t blocks = static_cast<uint64_t>(g.x) * g.y * g.z;
  if (threads == 0 || threads > 1024 || b.z > 64 || blocks == 0 || g.x > 0x7fffffffu ||
      g.y > 65535 || g.z > 65535 || shape.shared_bytes > std::max<size_t>(limit, 48 << 10)) {
    set_last_error(9);  // cudaErrorInvalidConfiguration
    return;
  }
  const Open open;
  launched = shape;
  kernel_name = kernel;
  body = &thread;
  shared_memory = shape.shared_bytes ? device_new(shape.shared_bytes) : nullptr;
  dice.seed(options.shuffle);
  for (int64_t i : order(static_cast<int64_t>(blocks))) {
    const uint64_t at = static_cast<uint64_t>(i);
    block_index = {static_cast<unsigned>(at % g.x), static_cast<unsigned>(at / g.x % g.y),
                   static_cast<unsigned>(at / (static_cast<uint64_t>(g.x) * g.y))};
    run_block(static_cast<int64_t>(threads));
    if (!fault.empty()) break;
  }
  if (shared_memory) device_delete(shared_memory);
  shared_memory = nullptr;
  kernel_name = nullptr;
  if (!fault.empty()) {
    const std::string message = fault;
    forget_threads();
    fail(message);
  }
}

}  // namespace emulation
