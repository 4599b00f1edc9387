/**
 * Included before everything else in every file of a Windows build (by the
 * compiler's -include), because the order of the system's headers matters:
 * winsock2.h must precede windows.h, and both must precede apr.h, which
 * otherwise takes a cut-down windows.h.  Common words that these headers use up
 * are given back to portable code: types under another name, macros removed.
 */
#ifndef ZM_WIN32_PRELUDE_H
#define ZM_WIN32_PRELUDE_H

#define ATOM ZM_WINDOWS_ATOM

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#undef ATOM
#undef ERROR
#undef FAILED
#undef SUCCEEDED
#undef interface
#undef small
#undef near
#undef far

#endif
