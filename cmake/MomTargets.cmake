# mom_library(NAME [DEPENDS folders...] [LINKS libs...] [TORCH] [COLD] [SHARED] [OUTPUT file])
#   one folder = one target mom_NAME, made of all *.cpp in the folder, joined into one (MOM_UNITY).
#   COLD: nothing in it is worth more than -Og, which takes GCC two thirds of the time of -O2.
function(mom_library name)
  cmake_parse_arguments(ARG "TORCH;COLD;SHARED" "OUTPUT" "DEPENDS;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(kind STATIC)
  if(ARG_SHARED)
    set(kind SHARED)
  endif()
  add_library(mom_${name} ${kind} ${sources})
  mom_compile(mom_${name} ${ARGN})
  if(MOM_COVERAGE AND name IN_LIST MOM_COVERAGE_FOLDERS)
    # Early inlining copies functions before branches are counted; the originals, which nobody calls, count as never taken.
    target_compile_options(mom_${name} PRIVATE --coverage -O1 -fno-early-inlining)
  endif()
  list(TRANSFORM ARG_DEPENDS PREPEND mom_)
  target_link_libraries(mom_${name} PUBLIC ${ARG_DEPENDS} ${ARG_LINKS})
  if(ARG_OUTPUT)
    set_target_properties(mom_${name} PROPERTIES OUTPUT_NAME ${ARG_OUTPUT})
  endif()
endfunction()

# mom_compile(TARGET [TORCH] [COLD]): what is the same for all our code. Joined files share what every file costs by
# itself: headers that are not precompiled, our own above all, and the templates that they and the files instantiate.
function(mom_compile target)
  cmake_parse_arguments(ARG "TORCH;COLD" "" "" ${ARGN})
  set(headers plain)
  if(ARG_TORCH)
    set(headers torch)
    target_link_libraries(${target} PUBLIC mom_torch)
  endif()
  target_precompile_headers(${target} REUSE_FROM mom_${headers}_pch)
  target_compile_definitions(${target} PRIVATE ${MOM_PCH_DEFINITIONS})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${MOM_WARNINGS})
  if(ARG_COLD)
    # -Og takes GCC an eighth less time than -O1, and finds fault with absent values of the standard library.
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>
                           $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-Og;-Wno-maybe-uninitialized>)
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${MOM_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)  # false alarm in joined files
endfunction()

# mom_program(NAME [DEPENDS folders...]): one folder of apps/ = one program.
function(mom_program name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  mom_compile(${name} COLD)
  list(TRANSFORM ARG_DEPENDS PREPEND mom_)
  target_link_libraries(${name} PRIVATE ${MOM_ALLOCATOR} mom_program ${ARG_DEPENDS})  # the allocator first: its malloc is the program's
endfunction()

# Links tests in a quarter of the time; what users run has the default linker.
find_program(MOM_GOLD ld.gold)
if(MOM_GOLD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(MOM_TEST_LINKER -fuse-ld=gold)
endif()

# mom_test_program(NAME DEPENDS folders... [TORCH]): tests/support/NAME.cpp, which writes what tests read.
function(mom_test_program name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPENDS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/support/${name}.cpp)
  mom_compile(${name} COLD ${ARGN})
  list(TRANSFORM ARG_DEPENDS PREPEND mom_)
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE ${MOM_TEST_LINKER})
endfunction()

# mom_tests(NAME [DEPENDS folders...] [TORCH]): the *_test.cpp of a folder are one program, NAME_tests, and one ctest entry each.
#   *_slow_test.cpp carry the label "slow" and run with `make test-slow`.
#   Tests of the quickstart read the packages that scripts/setup unpacked, where it did.
if(EXISTS ${CMAKE_SOURCE_DIR}/.deps/packages)
  set(MOM_TEST_PACKAGES "MOM_PACKAGES=${CMAKE_SOURCE_DIR}/.deps/packages")
endif()
function(mom_tests name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPENDS;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  set(target ${name}_tests)
  add_executable(${target} ${sources})
  mom_compile(${target} COLD ${ARGN})
  list(TRANSFORM ARG_DEPENDS PREPEND mom_)
  target_link_libraries(${target} PRIVATE mom_test_main mom_${name} ${ARG_DEPENDS} ${ARG_LINKS})
  target_link_options(${target} PRIVATE ${MOM_TEST_LINKER})
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    add_test(NAME ${name}.${stem} COMMAND ${target} --file=${stem}.cpp)
    # Threads that wait must not spin: tests run side by side.
    set_tests_properties(${name}.${stem} PROPERTIES TIMEOUT 900
        ENVIRONMENT "MOM_BINARY=$<TARGET_FILE:mom>;MOM_SOURCE=${CMAKE_SOURCE_DIR};OMP_WAIT_POLICY=passive;${MOM_TEST_PACKAGES}")
    if(stem MATCHES "_slow_test$")
      set_tests_properties(${name}.${stem} PROPERTIES LABELS slow)
    else()
      set_tests_properties(${name}.${stem} PROPERTIES LABELS fast)
    endif()
  endforeach()
endfunction()
