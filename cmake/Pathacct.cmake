# What every target of the project has in common: warnings, hardening, sanitizers, include paths.

add_library(pathacct_options INTERFACE)
target_compile_definitions(pathacct_options INTERFACE _GNU_SOURCE PATHACCT_VERSION="${PROJECT_VERSION}")
target_include_directories(pathacct_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(pathacct_options INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wpointer-arith -Wundef
    -Wformat=2 -Wvla -Wimplicit-fallthrough $<$<C_COMPILER_ID:Clang>:-Wthread-safety>
    $<$<BOOL:${WERROR}>:-Werror>)
if(THREAD_CHECKS)
    target_compile_definitions(pathacct_options INTERFACE THREAD_CHECKS)
endif()
if(SANITIZE)
    target_compile_options(pathacct_options INTERFACE -fsanitize=${SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(pathacct_options INTERFACE -fsanitize=${SANITIZE})
else()
    target_compile_options(pathacct_options INTERFACE -fstack-protector-strong
        $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
    target_link_options(pathacct_options INTERFACE -Wl,-z,relro,-z,now)
endif()
# What is shipped is optimised across its files: 5 to 8 % less time a flow. The tests link the same objects as they are, since
# a hundred programs would each take some seconds more.
if(LTO)
    target_compile_options(pathacct_options INTERFACE -flto=auto -ffat-lto-objects)
    target_link_options(pathacct_options INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:OPTIMISED_AS_A_WHOLE>>,-flto=auto,-fno-lto>)
endif()
# Rigs of tests would only cost libFuzzer time.
if(FUZZ)
    target_compile_options(pathacct_options INTERFACE $<$<NOT:$<BOOL:$<TARGET_PROPERTY:NO_NEWS_TO_FUZZER>>>:-fsanitize=fuzzer-no-link>)
endif()

# pathacct_library(base SOURCES a.c b.c USES other folders, imported targets): one static library per folder under src/, which
# others link as pathacct::base, so that a name that is none is an error and not a library of the system.
# What stands after USES is this folder's line in docs/layout.md's table of who may include whom.
function(pathacct_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    add_library(pathacct::${name} ALIAS ${name})
    target_link_libraries(${name} PRIVATE pathacct_options PUBLIC ${ARG_USES})
    set_property(GLOBAL APPEND PROPERTY PATHACCT_LIBRARIES ${name})
endfunction()

# pathacct_plugin(print SOURCES ... USES ...): a backend as a shared object that the plugin host loads.
function(pathacct_plugin name)
    cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
    add_library(plugin_${name} MODULE ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/src/plugins/common/own_plugin.c)
    set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}/pathacct OPTIMISED_AS_A_WHOLE ON)
    target_link_libraries(plugin_${name} PRIVATE pathacct_options ${ARG_USES})
    set_property(GLOBAL APPEND PROPERTY PATHACCT_PLUGINS plugin_${name})
    install(TARGETS plugin_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/pathacct)
endfunction()
