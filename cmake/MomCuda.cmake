# A CUDA LibTorch from the Python environment of scripts/cuda-env, by its files: its own CMake package asks for a whole CUDA
# toolkit, of which the wheels have headers and libraries in folders of their own, without the names that are linked by.
set(MOM_CUDA_TORCH ${CMAKE_SOURCE_DIR}/.deps/cuda CACHE PATH "A Python environment with a CUDA build of torch")
file(GLOB packages ${MOM_CUDA_TORCH}/lib/python3*/site-packages)
if(NOT EXISTS ${packages}/torch/lib/libtorch_cuda.so)
  message(FATAL_ERROR "no CUDA LibTorch in ${MOM_CUDA_TORCH}: run scripts/cuda-env (5 GB), or set MOM_CUDA_TORCH")
endif()
set(MOM_PYTHON ${MOM_CUDA_TORCH}/bin/python3)  # whose torch the ops library fits
find_program(CMAKE_CUDA_COMPILER nvcc HINTS /usr/local/cuda/bin REQUIRED)
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90 100 120)
endif()
# CMake 3.25 does not know nvcc 13's C++20.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)

set(folder ${packages}/torch)
file(STRINGS ${folder}/version.py Torch_VERSION REGEX "^__version__")
string(REGEX REPLACE ".*'([0-9.]+).*" "\\1" Torch_VERSION ${Torch_VERSION})
set(TORCH_INCLUDE_DIRS ${folder}/include ${folder}/include/torch/csrc/api/include ${packages}/nvidia/cu13/include)
set(TORCH_LIBRARIES "")
foreach(library torch torch_cpu torch_cuda c10 c10_cuda)
  add_library(cuda_torch_${library} SHARED IMPORTED)
  set_target_properties(cuda_torch_${library} PROPERTIES IMPORTED_LOCATION ${folder}/lib/lib${library}.so)
  list(APPEND TORCH_LIBRARIES cuda_torch_${library})
endforeach()
# The GPU's operators register themselves when their library is loaded: nothing of it is named.
add_link_options(-Wl,--no-as-needed)
add_compile_definitions(USE_C10D_GLOO USE_DISTRIBUTED USE_RPC USE_TENSORPIPE)  # as torch was built

# The runtime's wheel lacks headers that its headers include: nvcc brings them.
function(mom_use_cuda_headers target)
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
endfunction()

set(MOM_NCCL_HEADERS ${packages}/nvidia/nccl/include)
# c10d's NCCL, and MOM_CUDA, for TARGET.
function(mom_use_nccl target)
  target_compile_definitions(${target} PRIVATE MOM_CUDA USE_C10D_NCCL)
  target_include_directories(${target} SYSTEM PRIVATE ${MOM_NCCL_HEADERS})
  mom_use_cuda_headers(${target})
endfunction()

# mom_add_gpu_kernels(TARGET): what nvcc makes of mom/kernels/cuda, and MOM_CUDA for TARGET and who links it.
function(mom_add_gpu_kernels target)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/mom/kernels/cuda/*.cu)
  add_library(${target}_kernels STATIC ${kernels})
  target_include_directories(${target}_kernels PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${target} PUBLIC MOM_CUDA)
  target_link_libraries(${target} PUBLIC ${target}_kernels)
  mom_use_cuda_headers(${target})
endfunction()
