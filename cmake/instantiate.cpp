// A plugin of GCC for the precompiled headers (MomPrecompiled.cmake): `#pragma mom instantiate` instantiates the templates that
// the headers before it use. GCC leaves them, 17,000 with LibTorch's headers, to the end of a file, and so to every file that
// reads a precompiled header: 2 to 4 s each. Clang has -fpch-instantiate-templates for the same.
#include <gcc-plugin.h>
#include <plugin-version.h>

#include <c-family/c-pragma.h>
#include <cp/cp-tree.h>

int plugin_is_GPL_compatible;

int plugin_init(plugin_name_args* info, plugin_gcc_version* version) {
  if (!plugin_default_version_check(version, &gcc_version)) return 1;
  register_callback(
      info->base_name, PLUGIN_PRAGMAS,
      [](void*, void*) {
        c_register_pragma("mom", "instantiate", [](cpp_reader*) { instantiate_pending_templates(0); });
      },
      nullptr);
  return 0;
}
