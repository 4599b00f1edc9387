# How every folder of the tree is built. Folders call
#   zm_library(NAME SOURCES a.c b.c LINKS zm_other zm::apr)
#   zm_program(NAME IN bin|libexec|ta SOURCES main.c LINKS ...)
#   zm_unit_test(NAME SOURCES test_x.c LINKS ...)
#   zm_tool(NAME SOURCES main.c LINKS ...)
# and nothing else; flags are decided here.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # libzmailer is shared
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

option(ZM_WERROR "Warnings are errors" ON)
set(ZM_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
option(ZM_COVERAGE "Instrument for coverage" OFF)
option(ZM_FUZZ "Build the libFuzzer targets (clang)" OFF)

# The build tree has the shape of an installation, so that programs find each
# other the same way in both: relative to their own place.
set(ZM_STAGE "${CMAKE_BINARY_DIR}/stage")
set(ZM_LIBEXEC_REL "libexec/zmailer")
set(ZM_SHARE_REL "share/zmailer")

add_library(zm_flags INTERFACE)
target_include_directories(zm_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(zm_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wvla -Wundef
  $<$<C_COMPILER_ID:Clang>:-Wno-format-nonliteral> # gcc asks only where no va_list is passed on
  -fno-common -fno-strict-aliasing $<$<BOOL:${ZM_WERROR}>:-Werror>)
target_compile_definitions(zm_flags INTERFACE
  ZM_VERSION="${PROJECT_VERSION}"
  ZM_LIBEXEC_REL="${ZM_LIBEXEC_REL}" ZM_SHARE_REL="${ZM_SHARE_REL}")
if(WIN32)
  enable_language(RC)
  # The texts of the event log, as a resource of every program.
  set(zm_messages "${CMAKE_BINARY_DIR}/messages")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/win32/messages.mc")
  file(MAKE_DIRECTORY "${zm_messages}")
  string(REPLACE "windres" "windmc" zm_windmc "${CMAKE_RC_COMPILER}")
  execute_process(COMMAND "${zm_windmc}" -h "${zm_messages}" -r "${zm_messages}" "${CMAKE_SOURCE_DIR}/win32/messages.mc"
    COMMAND_ERROR_IS_FATAL ANY)
  add_library(zm_start OBJECT "${CMAKE_SOURCE_DIR}/win32/program.rc" "${zm_messages}/messages.rc"
    "${CMAKE_SOURCE_DIR}/win32/startup.c")
  target_include_directories(zm_start PRIVATE "${zm_messages}")
  set(zm_windows_definitions __USE_MINGW_ANSI_STDIO=1 UNICODE _UNICODE
    _WIN32_WINNT=0x0602 FD_SETSIZE=1024) # the set size that APR was built with
  target_compile_definitions(zm_flags INTERFACE ${zm_windows_definitions})
  # Reading the system's headers takes most of the time, so it is done once: the
  # compiler takes prelude.h.gch for prelude.h where its options allow.
  set(zm_prelude "${CMAKE_BINARY_DIR}/prelude/prelude.h")
  configure_file(win32/prelude.h "${zm_prelude}" COPYONLY)
  if("${zm_prelude}" IS_NEWER_THAN "${zm_prelude}.gch")
    string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
    separate_arguments(options UNIX_COMMAND "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${type}}")
    list(TRANSFORM zm_windows_definitions PREPEND -D OUTPUT_VARIABLE definitions)
    execute_process(COMMAND ${CMAKE_C_COMPILER} ${options} ${definitions} -std=c11 -fno-common
      -fno-strict-aliasing "${zm_prelude}" -o "${zm_prelude}.gch" COMMAND_ERROR_IS_FATAL ANY)
  endif()
  # Formats are checked by the Unix builds: here the compiler would check them by
  # Microsoft's rules, while __USE_MINGW_ANSI_STDIO makes them follow C's.
  target_compile_options(zm_flags INTERFACE -include "${zm_prelude}" -fpch-deps -Wno-format)
  target_link_options(zm_flags INTERFACE -static)
else()
  target_compile_definitions(zm_flags INTERFACE _POSIX_C_SOURCE=200809L _XOPEN_SOURCE=700)
  target_compile_options(zm_flags INTERFACE -fstack-protector-strong)
endif()
if(ZM_SANITIZE)
  target_compile_options(zm_flags INTERFACE -fsanitize=${ZM_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=undefined
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>) # gcc errs in instrumented code
  target_link_options(zm_flags INTERFACE -fsanitize=${ZM_SANITIZE})
elseif(NOT WIN32)
  target_compile_options(zm_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
if(ZM_COVERAGE)
  target_compile_options(zm_flags INTERFACE --coverage)
  target_link_options(zm_flags INTERFACE --coverage)
endif()

function(zm_library NAME)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${NAME} STATIC ${A_SOURCES})
  target_link_libraries(${NAME} PUBLIC zm_flags ${A_LINKS})
endfunction()

# IN bin: for people (PREFIX/bin); libexec: $MAILBIN; ta: $MAILBIN/ta
function(zm_program NAME)
  cmake_parse_arguments(A "" "IN" "SOURCES;LINKS" ${ARGN})
  if(A_IN STREQUAL "bin")
    set(dir bin)
  elseif(A_IN STREQUAL "ta")
    set(dir ${ZM_LIBEXEC_REL}/ta)
  else()
    set(dir ${ZM_LIBEXEC_REL})
  endif()
  add_executable(${NAME}_program ${A_SOURCES})
  set_target_properties(${NAME}_program PROPERTIES OUTPUT_NAME ${NAME}
    RUNTIME_OUTPUT_DIRECTORY "${ZM_STAGE}/${dir}")
  if(WIN32) # the manifest (UTF-8 everywhere, long paths) and binary streams
    target_sources(${NAME}_program PRIVATE $<TARGET_OBJECTS:zm_start>)
  endif()
  target_link_libraries(${NAME}_program PRIVATE zm_flags ${A_LINKS})
  install(TARGETS ${NAME}_program RUNTIME DESTINATION ${dir})
endfunction()

function(zm_unit_test NAME)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  add_executable(test_${NAME} ${A_SOURCES})
  set_target_properties(test_${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(test_${NAME} PRIVATE zm_flags zm_harness ${A_LINKS})
  add_test(NAME unit.${NAME} COMMAND test_${NAME})
  set_tests_properties(unit.${NAME} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# A program that measures or tests: built, and not installed.
function(zm_tool NAME)
  cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${NAME} ${A_SOURCES})
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${NAME} PRIVATE zm_flags ${A_LINKS})
endfunction()

# A map type in a shared library of its own, with only zm_map_module visible (mta/map/module.h).
function(zm_map_module NAME)
  cmake_parse_arguments(A "" "" "SOURCES;INCLUDES;LINKS" ${ARGN})
  add_library(map_${NAME} MODULE ${A_SOURCES})
  target_include_directories(map_${NAME} SYSTEM PRIVATE ${A_INCLUDES})
  target_link_libraries(map_${NAME} PRIVATE zm_platform ${A_LINKS})
  set_target_properties(map_${NAME} PROPERTIES OUTPUT_NAME ${NAME} PREFIX "" SUFFIX ".so"
    LIBRARY_OUTPUT_DIRECTORY "${ZM_STAGE}/${ZM_LIBEXEC_REL}/map")
  if(NOT APPLE)
    file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${NAME}.map" "{ global: zm_map_module; local: *; };\n")
    target_link_options(map_${NAME} PRIVATE
      "-Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/${NAME}.map")
  endif()
  install(TARGETS map_${NAME} LIBRARY DESTINATION ${ZM_LIBEXEC_REL}/map)
endfunction()

# A configuration file or form that is installed as it stands below share/zmailer.
function(zm_share DESTINATION)
  foreach(file ${ARGN})
    get_filename_component(base ${file} NAME)
    configure_file(${file} "${ZM_STAGE}/${ZM_SHARE_REL}/${DESTINATION}/${base}" COPYONLY)
    install(FILES ${file} DESTINATION ${ZM_SHARE_REL}/${DESTINATION})
  endforeach()
endfunction()

# Manual pages: man/NAME.8 is installed as share/man/man8/NAME.8, and can be read
# from the build tree with man -M BUILD/stage/share/man NAME.
function(zm_man)
  foreach(file ${ARGN})
    get_filename_component(base ${file} NAME)
    string(REGEX REPLACE ".*\\." "" section ${base})
    configure_file(${file} "${ZM_STAGE}/share/man/man${section}/${base}" COPYONLY)
    install(FILES ${file} DESTINATION share/man/man${section})
  endforeach()
endfunction()

function(zm_add_folders)
  foreach(folder ${ARGN})
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()

# A library for other people's programs: shared, with only the names in EXPORTS visible.
function(zm_public_library NAME)
  cmake_parse_arguments(A "" "HEADER" "SOURCES;LINKS;EXPORTS" ${ARGN})
  add_library(${NAME}_shared SHARED ${A_SOURCES})
  target_link_libraries(${NAME}_shared PRIVATE zm_flags ${A_LINKS})
  set_target_properties(${NAME}_shared PROPERTIES OUTPUT_NAME ${NAME} SOVERSION 1
    LIBRARY_OUTPUT_DIRECTORY "${ZM_STAGE}/lib" RUNTIME_OUTPUT_DIRECTORY "${ZM_STAGE}/lib")
  if(NOT WIN32 AND NOT APPLE)
    string(REPLACE ";" "; " names "${A_EXPORTS}")
    file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/${NAME}.map" "{ global: ${names}; local: *; };\n")
    target_link_options(${NAME}_shared PRIVATE "-Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/${NAME}.map")
  endif()
  configure_file(${A_HEADER} "${ZM_STAGE}/include/${A_HEADER}" COPYONLY)
  install(TARGETS ${NAME}_shared LIBRARY DESTINATION lib RUNTIME DESTINATION bin ARCHIVE DESTINATION lib)
  install(FILES ${A_HEADER} DESTINATION include)
endfunction()
