# Tool chain: 64-bit Windows with mingw-w64 on a Debian machine, tests under Wine.
#
# The libraries are cross-built once by tools/windeps.sh into the user's cache,
# from here when they are missing.  WIN_DEPS in the environment names another
# place that has them.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(mingw x86_64-w64-mingw32)
set(CMAKE_C_COMPILER ${mingw}-gcc-win32)
set(CMAKE_RC_COMPILER ${mingw}-windres)
set(CMAKE_AR /usr/bin/${mingw}-gcc-ar-win32 CACHE FILEPATH "")
set(CMAKE_RANLIB /usr/bin/${mingw}-gcc-ranlib-win32 CACHE FILEPATH "")
set(CMAKE_CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_LIST_DIR}/../tools/wine-run")

if(NOT WIN_DEPS AND DEFINED ENV{WIN_DEPS})
  set(WIN_DEPS "$ENV{WIN_DEPS}" CACHE PATH "The cross-built libraries")
endif()
if(NOT WIN_DEPS)
  set(windeps "${CMAKE_CURRENT_LIST_DIR}/../tools/windeps.sh")
  execute_process(COMMAND "${windeps}" --where OUTPUT_VARIABLE place
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  find_program(mingw_compiler NAMES ${CMAKE_C_COMPILER} NO_CACHE NO_CMAKE_FIND_ROOT_PATH)
  find_program(mingw_wine NAMES wine NO_CACHE NO_CMAKE_FIND_ROOT_PATH)
  if(NOT mingw_compiler OR NOT mingw_wine)
    execute_process(COMMAND "${CMAKE_CURRENT_LIST_DIR}/../tools/packages.sh" windows COMMAND_ERROR_IS_FATAL ANY)
  endif()
  if(NOT EXISTS "${place}/stamp")
    message(STATUS "The Windows libraries are not in ${place} yet: tools/windeps.sh builds them")
    execute_process(COMMAND "${windeps}" "${place}" COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(WIN_DEPS "${place}" CACHE PATH "The cross-built libraries")
endif()
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WIN_DEPS)

set(CMAKE_FIND_ROOT_PATH "${WIN_DEPS}" /usr/${mingw})
set(CMAKE_PREFIX_PATH /) # searched below each root
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
