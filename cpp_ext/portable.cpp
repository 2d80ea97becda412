// Lets the library load on a glibc older than the one it was built with.
//
// libstdc++'s shared_ptr asks glibc 2.32 and newer whether the process has one thread only, to save
// atomic increments. This answer, "it may have several", is always right; with it the newest glibc
// symbol in the library is of 2.16. Hidden: nobody else sees it.
#if defined(__GLIBC__) || __has_include(<sys/single_threaded.h>)
extern "C" {
__attribute__((visibility("hidden"))) extern char __libc_single_threaded;
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
#endif
