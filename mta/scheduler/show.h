/**
 * The queue as text, for mailq.  A listing is made piece by piece: it holds no
 * more than it is about to write, and stays valid while the queue changes, so
 * that a long one disturbs nothing.
 */
#ifndef ZM_SCHEDULER_SHOW_H
#define ZM_SCHEDULER_SHOW_H

#include "mta/scheduler/scheduler.h"

typedef enum zm_show_kind_t {
    ZM_SHOW_VERSION1,       /**< vertices, channels, hosts, then threads */
    ZM_SHOW_SHORT,          /**< ring heads and summaries, totals */
    ZM_SHOW_THREADS,        /**< and the threads */
    ZM_SHOW_THREADS2,       /**< one TAB-separated line a thread, nothing else */
    ZM_SHOW_THREAD,         /**< one thread and its recipients */
    ZM_SHOW_JOB,            /**< one message and its recipients */
    ZM_SHOW_EXPLAIN_THREAD, /**< why it waits, for people */
    ZM_SHOW_EXPLAIN_JOB,
    ZM_SHOW_TOTALS,
    ZM_SHOW_COUNTERS
} zm_show_kind_t;

typedef struct zm_show_t zm_show_t;

/** channel and host: of ZM_SHOW_THREAD.  summary: version 1 without vertices. dots: double a dot
 * that begins a line, and end with a line ".". */
zm_show_t *zm_show_begin(zm_scheduler_t *scheduler, zm_show_kind_t kind, zm_str_t channel,
                         zm_str_t host, bool summary, bool dots);
/** What is shown of one message; with dots. */
zm_show_t *zm_show_begin_job(zm_scheduler_t *scheduler, zm_show_kind_t kind, uint64_t job);
/**
 * From now on the listing ends after so many lines.  If it is not at its end
 * then, the last line is "#more HANDLE", and zm_show_has_more says so; paging
 * it again lets it go on.  Only with dots.
 */
void zm_show_page(zm_show_t *show, uint32_t lines, int handle);
bool zm_show_has_more(const zm_show_t *show);
/** Of ZM_SHOW_COUNTERS: lines that go behind the load averages. */
void zm_show_extra(zm_show_t *show, zm_str_t text);
/** Appends about room bytes.  APR_SUCCESS: there is more; APR_EOF: that was all, or the page. */
apr_status_t zm_show_more(zm_show_t *show, zm_buf_t *out, apr_size_t room);
void zm_show_end(zm_show_t *show); /**< null allowed */

/* -- single lines (show_text.c) ------------------------------------------------------------ */

void zm_show_ring_head(zm_buf_t *out, const zm_ring_t *ring);
void zm_show_ring_summary(zm_buf_t *out, const zm_ring_t *ring);
/** "N=2 R=3 A=7 ...": separated by blanks and padded, or by TABs. */
void zm_show_thread_fields(zm_buf_t *out, zm_scheduler_t *scheduler, zm_thread_t *thread,
                           bool tabs);
void zm_show_thread_name(zm_buf_t *out, const zm_thread_t *thread);
void zm_show_totals(zm_buf_t *out, const zm_scheduler_t *scheduler, bool seconds);
void zm_show_counters(zm_buf_t *out, zm_scheduler_t *scheduler, zm_str_t extra);
/** Lines of SHOW THREAD for one vertex; with its thread in front, "CHANNEL TAB HOST TAB", those of
 * SHOW MSG. */
void zm_show_recipients(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex,
                        bool with_thread);
/** The line about a message: of SHOW MSG, or for people. */
void zm_show_job(zm_buf_t *out, const zm_job_t *job, bool fields);
/** The vertex line of version 1. */
void zm_show_vertex(zm_buf_t *out, zm_scheduler_t *scheduler, zm_vertex_t *vertex, uint64_t key);

#endif
