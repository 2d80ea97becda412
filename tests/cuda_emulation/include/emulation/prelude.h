// Included before everything else in every emulated file.
#pragma once

// What only a torch with CUDA has; runtime.cpp has it here.
#define aoti_torch_get_current_cuda_stream emulation_current_stream
#define aoti_torch_create_device_guard emulation_create_device_guard
#define aoti_torch_delete_device_guard emulation_delete_device_guard
#define torch_c10_cuda_check_msg emulation_check_message
#define torch_c10_cuda_free_error_msg emulation_free_message

#include <torch/csrc/inductor/aoti_torch/generated/c_shim_aten.h>
#include <torch/csrc/stable/library.h>

#include "host.h"

// torch's own ops run on the device.
#define torch_call_dispatcher(...) (::emulation::Open(), ::torch_call_dispatcher(__VA_ARGS__))
#define aoti_torch_aten_fill__Scalar(...) \
  (::emulation::Open(), ::aoti_torch_aten_fill__Scalar(__VA_ARGS__))
#define aoti_torch_aten_amax(...) (::emulation::Open(), ::aoti_torch_aten_amax(__VA_ARGS__))
#define aoti_torch_aten_pad(...) (::emulation::Open(), ::aoti_torch_aten_pad(__VA_ARGS__))
#define aoti_torch_aten_full(...) (::emulation::Open(), ::aoti_torch_aten_full(__VA_ARGS__))
#define aoti_torch_aten_subtract_Tensor(...) \
  (::emulation::Open(), ::aoti_torch_aten_subtract_Tensor(__VA_ARGS__))

namespace emulation {
template <void (*Boxed)(StableIValue*, uint64_t, uint64_t)>
void boxed_op(StableIValue* stack, uint64_t inputs, uint64_t outputs) {
  run_op([&] { Boxed(stack, inputs, outputs); });
}
}  // namespace emulation

#undef TORCH_BOX
#define TORCH_BOX(function)                              \
  (::emulation::boxed_op<::torch::stable::detail::boxer< \
       std::remove_pointer_t<std::remove_reference_t<decltype(function)>>, (function)>::boxed_fn>)
