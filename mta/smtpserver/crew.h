/**
 * A crew: the worker processes that serve one configuration.
 *
 * A crew is complete when all its workers have said that they accept connections.
 * From then on one that ends is replaced, after a pause that grows while it keeps
 * failing.  Before, one that ends is the end of the crew: the configuration does
 * not work.  A retired crew accepts no more; its workers end with their last
 * session.
 */
#ifndef ZM_SMTPSERVER_CREW_H
#define ZM_SMTPSERVER_CREW_H

#include "mta/conf/counters.h"
#include "mta/smtpserver/config.h"
#include "mta/smtpserver/program.h"
#include "mta/smtpserver/tally.h"
#include "platform/control.h"

typedef struct crew_t crew_t;

typedef enum crew_event_t {
    CREW_COMPLETE, /**< all accept connections */
    CREW_FAILED,   /**< one ended before: crew_reason, crew_code; close it */
    CREW_CLOSED,   /**< retired, and none accepts connections any more */
    CREW_ENDED     /**< retired, and all have ended; close it */
} crew_event_t;

typedef void crew_fn(crew_t *crew, crew_event_t event, void *baton);

/** What crews of one master share. */
typedef struct crew_frame_t {
    program_t *program;
    zm_loop_t *loop;
    tally_t *tally;
    zm_counters_t *counters;
    bool used[TALLY_SLOTS];
    crew_fn *fn; /**< never called from within the functions below */
    void *baton;
} crew_frame_t;

/**
 * Starts count workers.  pool becomes the crew's; config must live in it.  sockets
 * and groups as doors_of gives them, in the same pool.
 */
apr_status_t crew_start(crew_t **crew, crew_frame_t *frame, config_t *config, int count,
                        apr_socket_t *const *sockets, const char *groups, apr_pool_t *pool,
                        zm_error_t *error);
const config_t *crew_config(const crew_t *crew);
const char *crew_reason(const crew_t *crew);
int crew_code(const crew_t *crew); /**< exit code that goes with the reason */

/** No new connections; slowly: idle sessions are ended too. */
void crew_retire(crew_t *crew, bool slowly);
void crew_control(crew_t *crew, zm_control_t event);
/** Frees it.  Workers that still live end by themselves. */
void crew_close(crew_t *crew);

#endif
