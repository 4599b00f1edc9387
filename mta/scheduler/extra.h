/**
 * The program of SCHEDULER_M_EXTRA, whose output stands among the counters that
 * mailq -QQQQ shows.
 *
 * It gets no arguments, an environment of PATH and ZCONFIG, no rights beyond
 * those of nobody when we have any, ten seconds, and room for 64 KiB; the rest
 * of what it says is dropped.
 */
#ifndef ZM_SCHEDULER_EXTRA_H
#define ZM_SCHEDULER_EXTRA_H

#include "mta/conf/zenv.h"
#include "platform/loop.h"
#include "platform/str.h"

typedef struct zm_extra_t zm_extra_t;
/** What it said, whole lines; empty when it failed.  The run is over with this call. */
typedef void zm_extra_fn(void *baton, zm_str_t text);

/** Starts the program.  Null: there is none, or it cannot be started. */
zm_extra_t *zm_extra_start(zm_loop_t *loop, const zm_zenv_t *zenv, zm_extra_fn *done, void *baton);
/** Ends it early, without a call.  Null allowed. */
void zm_extra_cancel(zm_extra_t *extra);

#endif
