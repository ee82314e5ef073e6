# LibTorch: from CMAKE_PREFIX_PATH, or from the torch package of a Python interpreter.
if(NOT Torch_DIR)
  find_package(Torch CONFIG QUIET)
endif()
if(NOT Torch_FOUND)
  find_program(MOM_PYTHON NAMES python3 HINTS ${CMAKE_SOURCE_DIR}/.venv/bin NO_CACHE)
  execute_process(COMMAND ${MOM_PYTHON} -c "import torch; print(torch.utils.cmake_prefix_path)"
                  OUTPUT_VARIABLE MOM_TORCH_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(PREPEND CMAKE_PREFIX_PATH "${MOM_TORCH_PREFIX}")
  find_package(Torch CONFIG REQUIRED)
endif()

# Only what our sources need of Torch's interface: its headers as system headers, its libraries.
add_library(mom_torch INTERFACE)
target_include_directories(mom_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(mom_torch INTERFACE ${TORCH_LIBRARIES})

# Tensors, custom autograd and modules: compiled once here, every torch-using target reuses it. Not torch/torch.h, which costs
# each file 1 s more also when precompiled (its templates are instantiated again) and 20-40 s where it is not.
add_library(mom_torch_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/torch_pch.cpp)
target_link_libraries(mom_torch_pch PUBLIC mom_torch)
target_compile_options(mom_torch_pch PRIVATE ${MOM_WARNINGS})
target_precompile_headers(mom_torch_pch PRIVATE <torch/types.h> <torch/csrc/autograd/custom_function.h> <torch/nn/module.h>
    <torch/nn/pimpl.h>)
