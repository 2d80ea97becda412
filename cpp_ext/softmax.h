// What segment_reduce asks of softmax.cpp.
#pragma once

#include "common.h"

namespace meshop {

// out[i] = log of the sum of exp(values) over row i; values and out contiguous.
void logsumexp(const Tensor& values, const int64_t* rowptr, int64_t rows, Tensor& out);

}  // namespace meshop
