/**
 * Sockets handed to a child: a mapping "Local\zmailer-PID-sockets", named after
 * the child, holds a WSAPROTOCOL_INFO of each.  The child has the mapping open
 * from before its first instruction, so the name lasts as long as it lives.
 */
#ifndef ZM_WIN32_HANDOVER_H
#define ZM_WIN32_HANDOVER_H

#include "platform/status.h"

#include <winsock2.h>
#include <windows.h>

#define ZM_HANDOVER_LIMIT 64

/** Parent: gives the sockets (at most ZM_HANDOVER_LIMIT; INVALID_SOCKET leaves a place empty) to a
 * process that has not run yet. */
apr_status_t zm_handover_give(const PROCESS_INFORMATION *process, const SOCKET *sockets, int count);

/** Child: the socket at a place, a handle of its own at every call; APR_EBADF when none was given.
 */
apr_status_t zm_handover_take(SOCKET *taken, int place);

#endif
