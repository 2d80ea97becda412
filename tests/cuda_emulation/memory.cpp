// Device memory: each allocation ends at a page that nobody may touch, and all of it is closed to
// host code. Also the stream and the few functions that only a torch with CUDA has.
#undef _FORTIFY_SOURCE
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "emulation/core.h"
#include "emulation/options.h"

namespace emulation {
namespace {

constexpr size_t kPage = 4096, kAlign = 16;
const uintptr_t kStream = 0x57ea0;  // what torch calls its current stream

struct Region {
  char* pages;
  size_t mapped, bytes;  // with the guard page
};
std::map<char*, Region> regions;  // by the first byte handed out
int opened = 1;                   // host code outside of ops (Python) may look
struct Copy {
  void* to;
  std::vector<char> bytes;
};
std::vector<Copy> copies;
int last_error = 0;

void protect(int access) {
  for (auto& [data, region] : regions) mprotect(region.pages, region.mapped - kPage, access);
}

struct DeviceAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes ? device_new(bytes) : nullptr;
    return {data, data, &device_delete, c10::DeviceType::CPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &device_delete; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    const Open open;
    std::memcpy(to, from, bytes);
  }
};
DeviceAllocator allocator;

const Region* region_of(const void* data, const char** begin) {
  auto after = regions.upper_bound(const_cast<char*>(static_cast<const char*>(data)));
  if (after == regions.begin()) return nullptr;
  --after;
  *begin = after->first;
  // One past the end is an address that empty ranges may have.
  return data <= after->first + after->second.bytes ? &after->second : nullptr;
}

// --- stray accesses
// -------------------------------------------------------------------------------

sigjmp_buf escape;
volatile sig_atomic_t guarded = 0;
char stray[400];
struct sigaction before;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (!guarded) {
    sigaction(signal, &before, nullptr);
    return;
  }
  guarded = 0;
  const char* kind = "touches";
#if defined(__x86_64__)
  kind = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2 ? "writes" : "reads";
#else
  (void)context;
#endif
  const char* at = static_cast<const char*>(info->si_addr);
  const char* where = running_kernel();
  const char* nearest = nullptr;
  auto after = regions.upper_bound(const_cast<char*>(at));
  if (after != regions.begin()) nearest = (--after)->first;
  if (nearest && !where && at < nearest + after->second.bytes)
    snprintf(stray, sizeof(stray), "host code %s device memory", kind);
  else if (nearest && at < after->second.pages + after->second.mapped)
    snprintf(stray, sizeof(stray),
             "%s %s byte %lld of an allocation of %zu (thread %u %u %u, block %u %u %u)",
             where ? where : "host code", kind, static_cast<long long>(at - nearest),
             after->second.bytes, thread_index.x, thread_index.y, thread_index.z, block_index.x,
             block_index.y, block_index.z);
  else
    snprintf(stray, sizeof(stray),
             "%s %s address %p, outside of all allocations (thread %u %u %u, block %u %u %u)",
             where ? where : "host code", kind, static_cast<const void*>(at), thread_index.x,
             thread_index.y, thread_index.z, block_index.x, block_index.y, block_index.z);
  siglongjmp(escape, 1);
}

void close_op(uint8_t priority, c10::Allocator* previous) {
  c10::SetCPUAllocator(previous, priority);
  opened = 1;
  protect(PROT_READ | PROT_WRITE);
  sigaction(SIGSEGV, &before, nullptr);
  copies.clear();
  shared_limit() = 48 << 10;
}

}  // namespace

void fail(const std::string& message) { throw std::runtime_error("CUDA emulation: " + message); }

void poison(void* data, size_t bytes) { std::memset(data, options.garbage, bytes); }

bool on_device(const void* data) {
  const char* begin;
  return region_of(data, &begin) != nullptr;
}
void require_device(const void* data, const char* what) {
  if (!on_device(data)) fail(std::string(what) + ": expected device memory, found host memory");
}
void require_host(const void* data, const char* what) {
  if (on_device(data)) fail(std::string(what) + ": expected host memory, found device memory");
}

void* device_new(size_t bytes) {
  const size_t size = (bytes + kAlign - 1) / kAlign * kAlign;
  const size_t mapped = (size + kPage - 1) / kPage * kPage + kPage;
  char* pages = static_cast<char*>(
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (pages == MAP_FAILED) fail("out of memory");
  char* data = pages + (mapped - kPage - size);
  poison(pages, mapped - kPage);
  mprotect(pages + (mapped - kPage), kPage, PROT_NONE);
  if (!opened) mprotect(pages, mapped - kPage, PROT_NONE);
  regions[data] = {pages, mapped, bytes};
  return data;
}

void device_delete(void* data) {
  const auto found = regions.find(static_cast<char*>(data));
  if (found == regions.end()) return;
  munmap(found->second.pages, found->second.mapped);
  regions.erase(found);
}

Open::Open() {
  if (opened++ == 0) protect(PROT_READ | PROT_WRITE);
}
Open::~Open() {
  if (--opened == 0) protect(PROT_NONE);
}

void run_op(const std::function<void()>& op) {
  static std::recursive_mutex one_at_a_time;
  const std::lock_guard<std::recursive_mutex> lock(one_at_a_time);
  c10::Allocator* previous = c10::GetCPUAllocator();
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &before);
  c10::SetCPUAllocator(&allocator, 0);
  opened = 0;
  last_error = 0;
  protect(PROT_NONE);
  // Nothing is unwound after a stray access: what the op held is lost, the process goes on.
  if (sigsetjmp(escape, 1) != 0) {
    close_op(0, previous);
    forget_threads();
    fail(stray);
  }
  guarded = 1;
  try {
    op();
    if (last_error) fail("a launch failed and nobody looked (cudaGetLastError)");
  } catch (...) {
    guarded = 0;
    close_op(0, previous);
    throw;
  }
  guarded = 0;
  close_op(0, previous);
}

void require_stream(const void* stream, const char* what) {
  if (reinterpret_cast<uintptr_t>(stream) != kStream)
    fail(std::string(what) + " is not on torch's current stream");
}

// A copy to the host is under way until somebody waits for it; until then the target is garbage.
void copy_to_host_later(void* to, const void* from, size_t bytes) {
  const char* begin = static_cast<const char*>(from);
  copies.push_back({to, std::vector<char>(begin, begin + bytes)});
  poison(to, bytes);
}
void synchronise() {
  for (const Copy& copy : copies) std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
  copies.clear();
}

int peek_last_error() { return last_error; }
int take_last_error() {
  const int error = last_error;
  last_error = 0;
  return error;
}
void set_last_error(int error) { last_error = error; }

}  // namespace emulation

extern "C" {

int32_t emulation_current_stream(int32_t, void** stream) {
  *stream = reinterpret_cast<void*>(emulation::kStream);
  return 0;
}
int32_t emulation_create_device_guard(int32_t, void** guard) {
  *guard = std::malloc(1);
  return 0;
}
int32_t emulation_delete_device_guard(void* guard) {
  std::free(guard);
  return 0;
}
int32_t emulation_check_message(int32_t error, const char*, const char* function, uint32_t, bool,
                                char** message) {
  *message = nullptr;
  if (error) {
    const std::string text = std::string("CUDA error ") + std::to_string(error) + " in " + function;
    *message = strdup(text.c_str());
  }
  return 0;
}
void emulation_free_message(char* message) { std::free(message); }

// Called from Python.
__attribute__((visibility("default"))) void emulation_set(uint64_t shuffle, int garbage) {
  emulation::options = {shuffle, static_cast<unsigned char>(garbage)};
}
// Tensors born from now on live on the device.
__attribute__((visibility("default"))) void emulation_allocate(bool on) {
  static c10::Allocator* previous = nullptr;
  if (on) previous = c10::GetCPUAllocator();
  c10::SetCPUAllocator(on ? &emulation::allocator : previous, 0);
}
}
