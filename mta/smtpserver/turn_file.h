/** Command files for the scheduler: what turn.h leaves to the program. */
#ifndef ZM_SMTPSERVER_TURN_FILE_H
#define ZM_SMTPSERVER_TURN_FILE_H

#include "mta/smtpserver/config.h"
#include "mta/smtpserver/turn.h"
#include "spool/spool.h"

/** For a server with that spool, host name and configuration. */
turns_t *turn_file_turns(zm_spool_t *spool, zm_loop_t *loop, const char *hostname,
                         const config_t *config, const zm_zenv_t *zenv, apr_pool_t *pool);

#endif
