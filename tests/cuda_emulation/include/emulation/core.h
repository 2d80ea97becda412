// What the emulated GPU is made of: memory that only "the device" may touch, a stream, and blocks
// whose threads are fibers. Implemented in runtime.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

namespace emulation {

// Throws: the kernel, or the code that launched it, breaks a rule of CUDA.
[[noreturn]] void fail(const std::string& message);

// Fills memory with what no program should rely on.
void poison(void* data, size_t bytes);

// --- memory -------------------------------------------------------------------------------------

bool on_device(const void* data);  // within an allocation of the emulated device
void require_device(const void* data, const char* what);
void require_host(const void* data, const char* what);
void* device_new(size_t bytes);
void device_delete(void* data);

// Device memory is closed to host code; torch's own ops and kernels open it while they run.
struct Open {
  Open();
  ~Open();
  Open(const Open&) = delete;
};

// Around every op: host code runs with device memory closed, new tensors are born on the device,
// a stray access becomes an exception that names the kernel.
void run_op(const std::function<void()>& op);

// --- the stream ---------------------------------------------------------------------------------

void require_stream(const void* stream, const char* what);
void copy_to_host_later(void* to, const void* from, size_t bytes);  // arrives when synchronised
void synchronise();
int take_last_error();
int peek_last_error();
void set_last_error(int error);

// --- threads ------------------------------------------------------------------------------------

struct Index {
  unsigned x, y, z;
};

struct Shape {
  Index grid, block;
  size_t shared_bytes;
};

// Where the running thread is; assigned whenever another thread goes on.
extern Index thread_index, block_index;
extern Shape launched;

size_t& shared_limit();  // raised by cudaFuncSetAttribute
void run_grid(const Shape& shape, const char* kernel, const std::function<void()>& thread);

void* dynamic_shared();
void first_touch(void* shared, size_t bytes);  // poisons a __shared__ variable once a block

// Waits for all threads of the block that have not returned; the sum, and, or of `value`.
struct Votes {
  int count, all, any;
};
Votes block_barrier(int value, const char* file, int line);

constexpr int kWarp = 32;
constexpr size_t kLaneBytes = 16;

// What each lane of the mask brought to a warp-wide operation.
struct Lanes {
  unsigned arrived;
  alignas(16) unsigned char value[kWarp][kLaneBytes];

  template <typename T>
  T of(int lane) const {
    if (!(arrived >> lane & 1)) fail("a warp operation reads a lane that does not take part in it");
    T out;
    std::memcpy(&out, value[lane], sizeof(T));
    return out;
  }
};
const Lanes& warp_barrier(unsigned mask, const char* operation, const void* value, size_t bytes);
int lane_index();

}  // namespace emulation
