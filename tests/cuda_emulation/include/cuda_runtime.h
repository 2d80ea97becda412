// Stands in for the CUDA toolkit's header of this name, which it hides.
#pragma once
#include "emulation/host.h"
