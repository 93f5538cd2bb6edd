# How the tree becomes targets.
#   dunlin_layer(NAME [DEPENDS layer...] [LIBS target...] [PRIVATE_LIBS target...])   src/NAME/**.cpp -> static library dunlin_NAME;
#     PRIVATE_LIBS: those that no header of the layer names
#   dunlin_program(NAME GLOB pattern [LIBS target...])       one executable from a folder, if the folder has sources
# An absent or empty folder is no error: it becomes an interface library, or no program at all.
include_guard()

function(dunlin_use_pch target owner)
  if(DUNLIN_PCH AND TARGET ${owner})
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
endfunction()

# Two precompiled headers, one for the program and one for tests, each compiled once and reused by all targets.
# The clang and fuzz presets build without them, so that a file that forgets an include is found.
function(dunlin_add_pch name)
  cmake_parse_arguments(arg "" "" "HEADERS;LIBS" ${ARGN})
  file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/${name}.cpp" CONTENT "")
  add_library(${name} STATIC "${CMAKE_BINARY_DIR}/${name}.cpp")
  target_link_libraries(${name} PRIVATE dunlin_options ${arg_LIBS})
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()

set(DUNLIN_PCH_HEADERS
  <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <cstring> <deque> <filesystem> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
  <fmt/format.h> <nlohmann/json_fwd.hpp>)
set(DUNLIN_PCH_LIBS fmt::fmt spdlog::spdlog nlohmann_json::nlohmann_json Threads::Threads)
if(DUNLIN_PCH)
  dunlin_add_pch(dunlin_pch HEADERS ${DUNLIN_PCH_HEADERS} LIBS ${DUNLIN_PCH_LIBS})
endif()

# Everything the composition root, the crash loop and the end-to-end tests link.
add_library(dunlin_all_layers INTERFACE)

function(dunlin_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBS;PRIVATE_LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${name}/*.cpp")
  list(TRANSFORM arg_DEPENDS PREPEND dunlin_)
  if(sources)
    add_library(dunlin_${name} STATIC ${sources})
    target_link_libraries(dunlin_${name} PUBLIC ${arg_DEPENDS} ${arg_LIBS} PRIVATE ${arg_PRIVATE_LIBS} dunlin_options)
    dunlin_use_pch(dunlin_${name} dunlin_pch)
  else()
    add_library(dunlin_${name} INTERFACE)
    target_link_libraries(dunlin_${name} INTERFACE ${arg_DEPENDS} ${arg_LIBS})
  endif()
  target_link_libraries(dunlin_all_layers INTERFACE dunlin_${name})
endfunction()

function(dunlin_program name)
  cmake_parse_arguments(arg "" "GLOB;PCH" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${arg_GLOB}")
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} dunlin_options)
  if(arg_PCH)
    dunlin_use_pch(${name} ${arg_PCH})
  endif()
endfunction()
