# Precompiled headers, each compiled once for all targets that reuse it (mom_compile): mom_plain_pch is for code without Torch,
# mom_torch_pch adds Torch's tensors, operators, custom autograd and modules. Not torch/torch.h, which is twice as much.
# What is in them costs a file that reads them next to nothing: their templates are instantiated there (instantiate.cpp).
find_package(nlohmann_json REQUIRED)
if(MOM_BUILD_TESTS AND NOT (MOM_PYTHON_PACKAGE OR MOM_OPS_ONLY))
  set(test_headers <gtest/gtest.h>)
  set(MOM_PCH_DEFINITIONS GTEST_HAS_PTHREAD=1)  # as GTest::gtest defines it; a precompiled header fits only code that does
endif()

# The plugin is compiled here, without the options of our code: sanitizers do not belong into the compiler.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=plugin OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(plugin ${CMAKE_BINARY_DIR}/CMakeFiles/instantiate.so)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -shared -fPIC -fno-rtti -isystem ${folder}/include
                          ${CMAKE_SOURCE_DIR}/cmake/instantiate.cpp -o ${plugin}.new
                  RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    file(COPY_FILE ${plugin}.new ${plugin} ONLY_IF_DIFFERENT)  # ccache looks at its time
    set(plugin_option -fplugin=${plugin})
  else()
    message(STATUS "No headers of GCC's plugins (gcc-12-plugin-dev): the build takes a fifth longer")
  endif()
endif()

set(torch_headers
    <torch/types.h> <torch/utils.h> <torch/library.h> <torch/fft.h> <torch/csrc/autograd/autograd.h>
    <torch/csrc/autograd/custom_function.h> <torch/nn/module.h> <torch/nn/pimpl.h> <torch/nn/modules/container/sequential.h>
    <torch/nn/modules/conv.h> <ATen/CPUGeneratorImpl.h> <ATen/Parallel.h>)
foreach(kind plain torch)
  add_library(mom_${kind}_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
  target_compile_options(mom_${kind}_pch PRIVATE ${MOM_WARNINGS} ${plugin_option})
  target_compile_definitions(mom_${kind}_pch PRIVATE ${MOM_PCH_DEFINITIONS})
  target_link_libraries(mom_${kind}_pch PRIVATE nlohmann_json::nlohmann_json)
  target_precompile_headers(mom_${kind}_pch PRIVATE
      <algorithm> <atomic> <charconv> <chrono> <condition_variable> <deque> <filesystem> <fstream> <functional> <future>
      <iostream> <map> <memory> <mutex> <nlohmann/json.hpp> <numeric> <optional> <random> <set> <span> <sstream> <string>
      <thread> <unordered_map> <unordered_set> <variant> <vector> ${test_headers} ${${kind}_headers}
      ${CMAKE_SOURCE_DIR}/cmake/instantiate.h)  # after all others
endforeach()
target_link_libraries(mom_torch_pch PRIVATE mom_torch)
