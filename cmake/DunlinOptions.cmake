# What every translation unit of ours is compiled with: `dunlin_options`, an interface target that all of our targets link.
include_guard()

option(DUNLIN_TESTS "Build the tests" ON)
option(DUNLIN_BENCH "Build the benchmarks" OFF)
option(DUNLIN_FUZZ "Build the fuzz targets instead of the tests (clang only)" OFF)
option(DUNLIN_CRASH_POINTS "Compile the crash points in (never in a released program)" OFF)
option(DUNLIN_PCH "Use precompiled headers" ON)
option(DUNLIN_WERROR "Warnings are errors" ON)
set(DUNLIN_SANITIZE "" CACHE STRING "Sanitizers, comma separated as for -fsanitize=")

add_library(dunlin_options INTERFACE)
target_include_directories(dunlin_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_options(dunlin_options INTERFACE
  -Wall -Wextra -Wshadow -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wimplicit-fallthrough -Wundef
  $<$<BOOL:${DUNLIN_WERROR}>:-Werror>
  # clang sees the deprecated temporary buffer inside libstdc++ 12's own stable_sort; g++ reports what is deprecated in our code.
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-c2y-extensions -Wno-deprecated-declarations>
  # g++ 12 reports overlapping, overflowing and uninitialised memory inside inlined std::string (GCC bugs 105651, 105329); the sanitizers look for the real ones.
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-maybe-uninitialized>"
  # Paths inside objects are relative to the checkout: reproducible, and shared by ccache between checkouts.
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
if(CMAKE_UNITY_BUILD)
  # g++ takes every source of a unity build for a header, where a type may not lean on an unnamed namespace.
  target_compile_options(dunlin_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
target_compile_definitions(dunlin_options INTERFACE _GLIBCXX_ASSERTIONS)

# Read by src/base/crash_point.h only. No definition on the command line: what has no crash point in it is the same object with and without.
set(dunlin_crash_points_value 0)
if(DUNLIN_CRASH_POINTS)
  set(dunlin_crash_points_value 1)
endif()
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/settings/crash_point_setting.h" CONTENT "#define DUNLIN_CRASH_POINTS @dunlin_crash_points_value@\n" @ONLY)
target_include_directories(dunlin_options INTERFACE "${CMAKE_BINARY_DIR}/settings")

if(DUNLIN_SANITIZE)
  target_compile_options(dunlin_options INTERFACE
    -fsanitize=${DUNLIN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    # Instrumented code defeats g++'s flow analysis: these two report the instrumentation, not the program.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-stringop-overflow>
    # g++ 12 warns that its thread sanitizer does not model atomic_thread_fence; libstdc++ headers contain such fences.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_options(dunlin_options INTERFACE -fsanitize=${DUNLIN_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(dunlin_options INTERFACE _FORTIFY_SOURCE=2)
endif()
if(DUNLIN_FUZZ)
  target_compile_options(dunlin_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# lld links several times faster than bfd; nothing depends on it.
find_program(DUNLIN_LLD NAMES ld.lld-19 ld.lld)
mark_as_advanced(DUNLIN_LLD)
if(DUNLIN_LLD)
  file(REAL_PATH "${DUNLIN_LLD}" dunlin_lld_real)
  cmake_path(GET dunlin_lld_real PARENT_PATH dunlin_lld_dir)
  target_link_options(dunlin_options INTERFACE -fuse-ld=lld $<$<CXX_COMPILER_ID:GNU>:-B${dunlin_lld_dir}>)
endif()

# ccache, if installed: paths below the checkout are made relative, so build folders and checkouts share results.
find_program(DUNLIN_CCACHE ccache)
mark_as_advanced(DUNLIN_CCACHE)
if(DUNLIN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 CCACHE_COMPRESSLEVEL=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    "${DUNLIN_CCACHE}")
endif()
