/**
 * Why something waits, in words: the clause, the limit or the reply that is the
 * cause, what was tried, and when the next attempt comes.
 */
#ifndef ZM_SCHEDULER_EXPLAIN_QUEUE_H
#define ZM_SCHEDULER_EXPLAIN_QUEUE_H

#include "mta/scheduler/scheduler.h"

/** A destination: several lines. */
void zm_explain_thread(zm_buf_t *out, zm_scheduler_t *scheduler, zm_thread_t *thread);
/** A destination that has none: what it would get. */
void zm_explain_place(zm_buf_t *out, zm_scheduler_t *scheduler, zm_str_t channel, zm_str_t host);
/** A message's recipients at one destination, and that destination. */
void zm_explain_vertex(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex);

#endif
