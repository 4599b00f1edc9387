/**
 * Included before everything else in every file of a Windows build (by the
 * compiler's -include), because the order of the system's headers matters:
 * winsock2.h must precede windows.h, and both must precede apr.h, which
 * otherwise takes a cut-down windows.h.  Names that windows.h defines as macros
 * although portable code uses them as words are taken back.
 */
#ifndef ZM_WIN32_PRELUDE_H
#define ZM_WIN32_PRELUDE_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#undef ERROR
#undef interface
#undef small
#undef near
#undef far

#endif
