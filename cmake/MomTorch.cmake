# LibTorch: from CMAKE_PREFIX_PATH, or from the torch package of a Python interpreter.
if(MOM_CUDA)
  include(MomCuda)
elseif(NOT Torch_DIR)
  find_package(Torch CONFIG QUIET)
endif()
if(NOT Torch_FOUND AND NOT MOM_CUDA)
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
