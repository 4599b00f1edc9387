/**
 * A spool in the test's directory, a scheduler over it, and jobs to put there.
 */
#ifndef ZM_TESTS_SCHEDULER_PLACE_H
#define ZM_TESTS_SCHEDULER_PLACE_H

#include "mta/scheduler/files.h"
#include "mta/scheduler/report.h"
#include "mta/scheduler/take.h"

typedef struct place_t {
    zm_loop_t *loop;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    zm_config_t *config;
    zm_scheduler_t *scheduler;
    zm_files_t files;
    zm_take_t take;
    zm_submitter_t submitter;
    zm_reports_t *reports;
    zm_buf_t log; /* "removed 12", "finished ..." */
} place_t;

/** conf: scheduler.conf. Agents cannot be started: threads stay pending. */
place_t *place_open(const char *conf);
void place_close(place_t *place);

/**
 * Puts a message into queue/ and its control file into transport/, both at the
 * top.  lines: what stands between the preamble (@ i o l e) and the header
 * block; "%OFF%" in tail is replaced by the offset of the first r line.  Null
 * lines: no control file.  Returns the id.
 */
uint64_t place_job(place_t *place, const char *lines, const char *tail);
/** A control file of just this text, named ID + suffix, without message. */
void place_control(place_t *place, uint64_t id, const char *suffix, const char *text);
zm_taken_t place_take(place_t *place, uint64_t id, zm_error_t *reason);
/** Runs the loop until all jobs are reported and gone. */
void place_run(place_t *place);
/** Runs the loop until something is submitted (a report of a job that stays). */
void place_run_until_submitted(place_t *place);
/** Does what can be done now, of jobs that stay. */
void place_run_a_little(place_t *place);
/** Contents of an object; "" when it is not there. */
const char *place_read(place_t *place, const char *name);
const char *place_control_text(place_t *place, uint64_t id);
/** The only message in router/, or "". */
const char *place_submitted(place_t *place);
bool place_exists(place_t *place, const char *directory, uint64_t id);

#endif
