#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(meshop, m) { m.def("probe(str what, Tensor x) -> Tensor"); }
