/**
 * The router daemon's master: finds submitted messages and has workers route
 * them.
 *
 * It opens no message.  Work comes from hints (notify.h), from a watch on the
 * input directories, and from a scan of them at start and once a minute.  The
 * primary directory has a farm of workers; each secondary directory
 * (ROUTERDIRS) that exists has one worker of its own, so bulk mail never stands
 * in the way.  Before the first worker starts, the spool is recovered.
 */
#ifndef ZM_MTA_ROUTER_MASTER_H
#define ZM_MTA_ROUTER_MASTER_H

#include "mta/conf/zenv.h"
#include "platform/child.h"

typedef struct router_master_options_t {
    const zm_zenv_t *zenv;
    const zm_child_spec_t *worker; /**< how to start a worker */
    int workers;                   /**< for the primary directory, 1 to 40 */
    const char
        *pickup_socket; /**< workers have no rights: run the pickup helper here; null: not needed */
    zm_uid_t pickup_client; /**< the account that it serves */
} router_master_options_t;

/** Runs until a stop event.  Returns the exit code.  Calls zm_service_ready once a worker has
 * loaded the configuration. */
int router_master_run(const router_master_options_t *options, apr_pool_t *pool);

#endif
