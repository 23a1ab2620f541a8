# What authors of backends need besides the header: pkg-config's file and CMake's package, as component development.
include(CMakePackageConfigHelpers)
set(PATHACCT_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/pathacct)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pathacct)
file(STRINGS ${PROJECT_SOURCE_DIR}/src/plugins/pathacct_plugin.h abi_line REGEX "^#define PA_PLUGIN_ABI [0-9]+$")
string(REGEX MATCH "[0-9]+$" PATHACCT_PLUGIN_ABI "${abi_line}")
file(RELATIVE_PATH PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)

add_library(plugin_header INTERFACE)
add_library(pathacct::plugin ALIAS plugin_header)
set_target_properties(plugin_header PROPERTIES EXPORT_NAME plugin)
target_include_directories(plugin_header INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src/plugins> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

configure_file(${CMAKE_CURRENT_LIST_DIR}/pathacct.pc.in ${PROJECT_BINARY_DIR}/pathacct.pc @ONLY)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/pathacct-config.cmake.in ${PROJECT_BINARY_DIR}/pathacct-config.cmake
    INSTALL_DESTINATION ${package_dir} PATH_VARS PATHACCT_PLUGIN_DIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pathacct-config-version.cmake COMPATIBILITY SameMajorVersion)

install(FILES ${PROJECT_SOURCE_DIR}/src/plugins/pathacct_plugin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/pathacct.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/pathacct-config.cmake ${PROJECT_BINARY_DIR}/pathacct-config-version.cmake
    DESTINATION ${package_dir} COMPONENT development)
install(TARGETS plugin_header EXPORT pathacct)
install(EXPORT pathacct NAMESPACE pathacct:: FILE pathacct-targets.cmake DESTINATION ${package_dir} COMPONENT development)
