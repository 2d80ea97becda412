// Compiles the file MESHOP_KERNELS once for each instruction set, each time in a namespace of its
// own (MESHOP_ISA) and for vectors of kBytes; `MESHOP_PICK` chooses among them. To be included
// after every other header: what those define may be shared with code for lesser machines.
//
// MESHOP_BYTES is kBytes for #if: gcc 12 reads macros before the pragma, so that __AVX512F__ is not
// defined here.
//
// Attributes on a function would not do: the compiler takes vectors apart for the plain machine
// before it inlines.

#define MESHOP_ISA base
#define MESHOP_BYTES 16
namespace meshop::MESHOP_ISA {
constexpr int kBytes = MESHOP_BYTES;
}
#include MESHOP_KERNELS
#undef MESHOP_ISA
#undef MESHOP_BYTES

#ifdef MESHOP_X86

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define MESHOP_ISA v3
#define MESHOP_BYTES 32
namespace meshop::MESHOP_ISA {
constexpr int kBytes = MESHOP_BYTES;
}
#include MESHOP_KERNELS
#undef MESHOP_ISA
#undef MESHOP_BYTES
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define MESHOP_ISA v4
#define MESHOP_BYTES 64
namespace meshop::MESHOP_ISA {
constexpr int kBytes = MESHOP_BYTES;
}
#include MESHOP_KERNELS
#undef MESHOP_ISA
#undef MESHOP_BYTES
#pragma GCC pop_options

#endif
