# mom_embed(TARGET HEADER_NAMESPACE FILE... [ROOT FOLDER]): puts files into the binary of TARGET.
#   Generates a source that defines std::string_view NAMESPACE::embedded_file(std::string_view name), where name is the
#   path below web/, or below ROOT. Run as a script (cmake -P) it writes that source; no tool beside CMake is needed.
if(CMAKE_SCRIPT_MODE_FILE)
  set(arrays "")
  set(cases "")
  set(number 0)
  foreach(name ${NAMES})
    file(READ ${ROOT}/${name} hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND arrays "const unsigned char file${number}[] = {\n${hex}0};\n")
    string(APPEND cases "  if (name == \"${name}\") return view(file${number}, sizeof file${number} - 1);\n")
    math(EXPR number "${number} + 1")
  endforeach()
  file(WRITE ${OUT} "// Made by cmake/MomEmbed.cmake.
#include <stdexcept>
#include <string>
#include <string_view>

namespace ${NAMESPACE} {
namespace {
${arrays}
std::string_view view(const unsigned char* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}
}  // namespace

std::string_view embedded_file(std::string_view name);
std::string_view embedded_file(std::string_view name) {
${cases}  throw std::logic_error(\"no embedded file \" + std::string(name));
}

}  // namespace ${NAMESPACE}
")
  return()
endif()

function(mom_embed target namespace)
  cmake_parse_arguments(ARG "" "ROOT" "" ${ARGN})
  set(root ${CMAKE_SOURCE_DIR}/web)
  if(ARG_ROOT)
    set(root ${CMAKE_SOURCE_DIR}/${ARG_ROOT})
  endif()
  set(names ${ARG_UNPARSED_ARGUMENTS})
  list(TRANSFORM names PREPEND ${root}/ OUTPUT_VARIABLE files)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_embedded.cpp)
  add_custom_command(OUTPUT ${out} DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/MomEmbed.cmake
      COMMAND ${CMAKE_COMMAND} -D OUT=${out} -D ROOT=${root} "-DNAMES=${names}" -D NAMESPACE=${namespace}
              -P ${CMAKE_SOURCE_DIR}/cmake/MomEmbed.cmake
      VERBATIM COMMENT "Embedding web files into ${target}")
  target_sources(${target} PRIVATE ${out})
endfunction()
