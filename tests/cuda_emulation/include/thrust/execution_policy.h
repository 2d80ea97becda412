#include <thrust/all.h>
