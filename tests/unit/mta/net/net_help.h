/** What the tests of mta/net share: a loop that runs until something has happened. */
#ifndef ZM_TESTS_NET_HELP_H
#define ZM_TESTS_NET_HELP_H

#include "platform/loop.h"
#include "platform/str.h"
#include "tests/unit/harness.h"

/** A loop in the pool of the test.  SIGPIPE is ignored, as programs do. */
zm_loop_t *net_loop(void);
/** Runs rounds until *done is non-zero; a test that hangs fails after 20 s of the real clock. */
void net_run_until(zm_loop_t *loop, const int *done);
/** Runs rounds while something happens at once. */
void net_run_idle(zm_loop_t *loop);
/** Two connected sockets: ours [0] and the peer's [1]. */
void net_pair(apr_socket_t *pair[2]);
/** Sends all of text on a non-blocking socket that has room for it. */
void net_put(apr_socket_t *socket, const char *text);
/** What the peer can read now, NUL terminated, in the pool of the test; "<eof>" is added at the
 * end. */
const char *net_get(apr_socket_t *socket);

#endif
