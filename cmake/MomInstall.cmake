# What `cmake --install` puts where, and the same as a Debian package (`make deb`). docs/install.md lists it.
# Nothing installed refers to the source tree or to the LibTorch of the build: that one's libraries are carried along, in
# lib/mom with our own, and programs find them from where they lie.
set(libraries lib/mom)
set(doc share/doc/mom)
set_target_properties(mom mom-bench mom-quickstart-data PROPERTIES INSTALL_RPATH "\$ORIGIN/../${libraries}")
set_target_properties(mom_ops mom_engine PROPERTIES INSTALL_RPATH "\$ORIGIN")
install(TARGETS mom mom-bench mom-quickstart-data RUNTIME DESTINATION bin)
install(TARGETS mom_ops mom_engine LIBRARY DESTINATION ${libraries})
# Its libgomp is the system's own, by the same name.
set(torch_libraries libc10.so libtorch.so libtorch_cpu.so)
list(TRANSFORM torch_libraries PREPEND ${TORCH_INSTALL_PREFIX}/lib/ OUTPUT_VARIABLE torch_files)
install(FILES ${torch_files} DESTINATION ${libraries})
install(CODE "
  if(CMAKE_INSTALL_DO_STRIP)
    foreach(name ${torch_libraries})
      execute_process(COMMAND ${CMAKE_STRIP} --strip-unneeded \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${libraries}/\${name}\"
                      COMMAND_ERROR_IS_FATAL ANY)
    endforeach()
  endif()")

# Headers of mom::engine, which include one another and the standard library; of mom::ops, which include ATen's alone.
foreach(header engine/engine generate/wish generate/asked generate/token_sampler modality/modality
               ops/selective_scan ops/causal_conv1d ops/modality_linear ops/rms_norm)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES mom/${header}.h DESTINATION include/mom/${folder})
endforeach()
include(CMakePackageConfigHelpers)
configure_file(packaging/mom-config.cmake.in mom-config.cmake @ONLY)
write_basic_package_version_file(mom-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mom-config.cmake ${CMAKE_BINARY_DIR}/mom-config-version.cmake DESTINATION lib/cmake/mom)

install(DIRECTORY configs DESTINATION share/mom)
# compressed(FILE NAME): a copy in the build folder, as Debian has manual pages and changelogs.
function(compressed file name)
  file(ARCHIVE_CREATE OUTPUT ${CMAKE_BINARY_DIR}/${name}.gz PATHS ${file} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
endfunction()
foreach(program mom mom-bench mom-quickstart-data)
  compressed(${CMAKE_SOURCE_DIR}/packaging/mom.1 ${program}.1)
  install(FILES ${CMAKE_BINARY_DIR}/${program}.1.gz DESTINATION share/man/man1)
endforeach()
compressed(${CMAKE_SOURCE_DIR}/CHANGELOG.md changelog)
install(FILES README.md NOTICE LICENSE ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${doc})
install(DIRECTORY docs/ DESTINATION ${doc}/docs PATTERN decisions EXCLUDE PATTERN LOG.md EXCLUDE PATTERN results EXCLUDE)

# Licences of all that is not ours.
foreach(name htm preact uplot)
  install(FILES web/vendor/${name}/LICENSE DESTINATION ${doc}/licenses/${name})
endforeach()
file(GLOB torch_licenses ${TORCH_INSTALL_PREFIX}/../torch-*.dist-info/licenses)
if(torch_licenses)
  install(DIRECTORY ${torch_licenses}/ DESTINATION ${doc}/licenses/libtorch)
else()
  install(CODE "message(FATAL_ERROR \"no licences of LibTorch beside ${TORCH_INSTALL_PREFIX}: its libraries may not be \"
          \"passed on without them; build with the torch wheel (scripts/setup)\")")
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")  # LibTorch has oneMKL in it
  install(DIRECTORY packaging/licenses/ DESTINATION ${doc}/licenses/onemkl)
endif()

# The Debian package.
install(FILES packaging/mom.service DESTINATION lib/systemd/system COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/serve.env DESTINATION /etc/mom PERMISSIONS OWNER_READ OWNER_WRITE COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/copyright DESTINATION ${doc} COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME mom COMPONENT debian EXCLUDE_FROM_ALL)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${CMAKE_BINARY_DIR}/changelog.Debian
     "mom (${PROJECT_VERSION}-1) unstable; urgency=medium\n\n  * changelog.gz says what is new.\n\n"
     " -- the mom authors <mom@localhost>  ${date}\n")
compressed(${CMAKE_BINARY_DIR}/changelog.Debian changelog.Debian)
install(FILES ${CMAKE_BINARY_DIR}/changelog.Debian.gz DESTINATION ${doc} COMPONENT debian EXCLUDE_FROM_ALL)
set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};mom;ALL;/;${CMAKE_BINARY_DIR};mom;debian;/")
set(CPACK_PACKAGE_NAME mom)
set(CPACK_PACKAGE_VENDOR "the mom authors")
set(CPACK_PACKAGE_CONTACT "the mom authors <mom@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Mixture-of-Mamba: train, compare and serve multimodal models")
set(CPACK_PACKAGE_DESCRIPTION "mom trains multimodal state-space models, compares them, generates
text, images and speech with them, and serves them over HTTP.
It carries its own LibTorch.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)  # for the one file outside the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_LIBRARY_OUTPUT_DIRECTORY} ${TORCH_INSTALL_PREFIX}/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
