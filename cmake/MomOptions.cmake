# Language, warnings, sanitizers and compiler cache: everything that is the same for all targets.
option(MOM_BUILD_TESTS "Build the tests" ON)
option(MOM_UNITY "Compile a folder as one file: a faster clean build, a slower rebuild after a small change" ON)
option(MOM_PYTHON_PACKAGE "Build only the library of the Python package (python/)" OFF)
option(MOM_OPS_ONLY "Build only the ops library" OFF)
option(MOM_CUDA "Build for NVIDIA GPUs, too (docs/gpu.md)" OFF)
option(MOM_FUZZ "Build mom-fuzz, which needs Clang (fuzz/)" OFF)
option(MOM_COVERAGE "Count which branches of the folders in MOM_COVERAGE_FOLDERS are taken (make coverage)" OFF)
set(MOM_COVERAGE_FOLDERS base config formats data http serve)  # what reads bytes from outside
set(MOM_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Programs too: the shared precompiled header fits only code compiled with the same option.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# -O2: our tensor code is glue around large calls, and builds a third faster than with -O3; mom/kernels adds -O3 itself, and
# folders whose speed does not matter have -Og (COLD in mom_library).
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# Always, as LibTorch was built: its headers have members of classes (at::RecordFunction) that are there without NDEBUG alone.
add_compile_definitions($<$<NOT:$<CONFIG:Release>>:NDEBUG>)
set(MOM_WARNINGS -Wall -Wextra -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  set(MOM_WARNINGS "")  # compiled with GCC; Clang is for fuzz/ alone
endif()
# Sums are ordered by us, not by the compiler: no -ffast-math, and no contraction differences between twins.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fno-math-errno>)
# GCC looks for garbage often by default; with these it hardly does: a tenth less time, a few percent more memory.
add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU>:--param=ggc-min-expand=1000;--param=ggc-min-heapsize=4000000>")

if(MOM_SANITIZE)
  # Only with sanitizers GCC 12 takes an absent generator in torch headers for one that is not initialised, and a choice between
  # an element and nothing for a read of the element. Its thread sanitizer does not know the fences in torch's headers.
  add_compile_options(-fsanitize=${MOM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined
                      "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-array-bounds;-Wno-tsan>")
  add_link_options(-fsanitize=${MOM_SANITIZE})
endif()

if(MOM_COVERAGE)
  add_link_options(--coverage)
endif()

find_program(MOM_CCACHE ccache)
if(MOM_CCACHE)
  # A precompiled header is only cacheable with these (ccache manual, "Precompiled headers").
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${MOM_CCACHE})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
