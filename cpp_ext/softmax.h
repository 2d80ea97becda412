// What segment_reduce asks of softmax.cpp and softmax.cu.
#pragma once

#include "common.h"

namespace meshop {

struct RowPieces;

// out[i] = log of the sum of exp(values) over row i; values and out contiguous, rows checked.
void logsumexp(const Tensor& values, const int64_t* rowptr, int64_t rows, Tensor& out);
void logsumexp_cuda(const Tensor& values, const RowPieces& rows, Tensor& out);

}  // namespace meshop
