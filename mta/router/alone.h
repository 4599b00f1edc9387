/**
 * Routing without a master: what the script command daemon begins.
 */
#ifndef ZM_MTA_ROUTER_ALONE_H
#define ZM_MTA_ROUTER_ALONE_H

#include "mta/router/worker.h"

/**
 * Routes what is in the input directory and what comes into it, oldest first,
 * in this process, until somebody says stop (platform/control.h).  Returns
 * true when there is nothing to do that for: the spool cannot be listed.
 */
bool router_alone(router_worker_t *worker);

#endif
