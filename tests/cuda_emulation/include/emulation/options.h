// Set from Python before an op runs.
#pragma once

#include <cstdint>

namespace emulation {
struct Options {
  uint64_t shuffle = 0;          // 0: threads and blocks in index order; else the seed of another
  unsigned char garbage = 0xFB;  // what fresh memory holds
};
extern Options options;

// What stands in the message when a stray access is caught.
const char* running_kernel();  // null while host code runs
void forget_threads();         // after an exception has left a grid
}  // namespace emulation
