/**
 * Showing how an address is routed: each function called, each relation looked
 * up with its answer, and the result.
 */
#ifndef ZM_MTA_ROUTER_EXPLAIN_H
#define ZM_MTA_ROUTER_EXPLAIN_H

#include "mta/router/worker.h"

/** Prints on standard output.  Returns 0, or 67 when the address ends as an error. */
int router_explain(router_worker_t *worker, zm_str_t address, bool json);

#endif
