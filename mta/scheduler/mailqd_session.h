/**
 * A session of mailq: what mailqd.c (connections, login) and mailqd_command.c
 * (commands) share.  Private to them.
 */
#ifndef ZM_SCHEDULER_MAILQD_SESSION_H
#define ZM_SCHEDULER_MAILQD_SESSION_H

#include "mta/net/stream.h"
#include "mta/scheduler/extra.h"
#include "mta/scheduler/mailqd.h"
#include "mta/scheduler/show.h"

#define ZM_CHALLENGE_SIZE 100
/** Listings in pages that a client may have open. */
#define ZM_MAILQ_OPEN 8

typedef struct zm_mailq_session_t {
    zm_mailqd_t *mailqd;
    struct zm_mailq_session_t *next, *previous;
    apr_pool_t *pool;
    zm_stream_t *stream;
    zm_scheduler_t *scheduler;
    zm_ip_t peer;                   /**< family 0: local */
    zm_show_t *show;                /**< being written; null: none */
    zm_show_t *open[ZM_MAILQ_OPEN]; /**< listings in pages: to go on, or being written */
    uint32_t page;                  /**< lines that the command may write; 0: all */
    int rights;
    bool syslog;
    int failures;          /**< commands before the login that were not one */
    zm_loop_t *loop;       /**< for that program; null: do not run it */
    const zm_zenv_t *zenv; /**< that names it */
    zm_extra_t *extra;     /**< the program whose output the counters wait for; null: none */
    bool known;            /**< logged in */
    bool one_shot;         /**< version 1 */
    bool ending;           /**< no more commands; to be finished when the event is over */
    bool finished;         /**< the stream has been told */
    zm_timer_t login_limit;
    char challenge[ZM_CHALLENGE_SIZE];
} zm_mailq_session_t;

/** Does a command of somebody who is logged in.  False: it is unknown, wrong, or not permitted. */
bool zm_mailq_command(zm_mailq_session_t *session, zm_str_t line);
/** Writes a listing as a reply of several lines, or its first page. */
void zm_mailq_show(zm_mailq_session_t *session, zm_show_t *show);
/** Shows the counters, when the program that adds to them has run. */
void zm_mailq_show_counters(zm_mailq_session_t *session);
/** The listing has been written: it ends, unless there are further pages of it. */
void zm_mailq_show_over(zm_mailq_session_t *session);
/** Ends all listings, and the run of that program. */
void zm_mailq_end_shows(zm_mailq_session_t *session);
/** Writes the next page of an open listing. */
void zm_mailq_show_next(zm_mailq_session_t *session, int handle, uint32_t lines);

#endif
