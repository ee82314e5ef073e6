// Compiles the including kernel file once per instruction set. Define HWY_TARGET_INCLUDE as that file before.
// No include guard: Highway's own loop re-enters the file.
#include <hwy/foreach_target.h>
