// Which library multiplies matrices on this processor (gemm.cpp asks once), in words for `mom doctor`.
#pragma once

#include <string>

namespace mom::ops {

struct GemmLibraries {
  std::string f32, bf16;
};
GemmLibraries gemm_libraries();

}  // namespace mom::ops
