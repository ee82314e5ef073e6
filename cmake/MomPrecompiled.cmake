# Precompiled headers, each compiled once for all targets that reuse it (mom_compile): mom_torch_pch has Torch's tensors, custom
# autograd and modules, mom_plain_pch is for code without Torch. Not torch/torch.h, which costs each file 1 s more also when
# precompiled (its templates are instantiated again) and 20-40 s where it is not.
find_package(nlohmann_json REQUIRED)
foreach(kind plain torch)
  add_library(mom_${kind}_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp)
  target_compile_options(mom_${kind}_pch PRIVATE ${MOM_WARNINGS})
  target_link_libraries(mom_${kind}_pch PRIVATE nlohmann_json::nlohmann_json)
  target_precompile_headers(mom_${kind}_pch PRIVATE
      <algorithm> <filesystem> <functional> <map> <nlohmann/json.hpp> <set> <string> <vector>)
endforeach()
target_link_libraries(mom_torch_pch PRIVATE mom_torch)
target_precompile_headers(mom_torch_pch PRIVATE
    <torch/types.h> <torch/csrc/autograd/custom_function.h> <torch/nn/module.h> <torch/nn/pimpl.h>)
