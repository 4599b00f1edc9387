/**
 * Running a program that is given a letter: what it reads is the letter, what
 * it prints is for people, its exit status is the outcome.
 *
 * The program leads a session.  When it neither reads nor prints for too long,
 * or takes too long in all, its processes are told to stop, and five seconds
 * later are killed.  It need not read all of the letter; its output is drained,
 * however much there is of it, and the beginning is kept.
 */
#ifndef ZM_TA_AGENT_RUN_H
#define ZM_TA_AGENT_RUN_H

#include "platform/child.h"
#include "platform/loop.h"
#include "platform/status.h"
#include "platform/str.h"

#define ZM_RUN_OUTPUT 1024 /**< octets kept of what a program prints */

/** The next piece of the body, valid until the next call.  APR_EOF at the end; else why it cannot
 * be had. */
typedef apr_status_t zm_piece_fn(void *baton, zm_str_t *piece);

typedef struct zm_run_spec_t {
    const char *program;             /**< its absolute path; null: the first word */
    const char *const *words;        /**< argv, null ended */
    const char *const *environment;  /**< the whole of it, null ended; null: ours */
    const char *directory;           /**< working directory; null: ours */
    bool private_files;              /**< what it makes is its owner's alone (umask 077) */
    const zm_child_limits_t *limits; /**< null: ours */
    int64_t stall_limit;             /**< seconds without progress */
    int64_t total_limit;             /**< seconds in all */
    zm_str_t beginning;              /**< what it reads first; copied */
    zm_piece_fn *body;               /**< and then */
    void *baton;
    bool end_line; /**< an LF that the body lacks at its end is added */
} zm_run_spec_t;

typedef enum zm_run_how_t {
    ZM_RUN_EXITED,    /**< code is its exit status */
    ZM_RUN_SIGNALLED, /**< code is the number of the signal */
    ZM_RUN_TOO_LONG,  /**< and was stopped */
    ZM_RUN_NO_LETTER  /**< the letter could not be read to its end, and the program was killed */
} zm_run_how_t;

typedef struct zm_run_end_t {
    zm_run_how_t how;
    int code;
    zm_str_t line; /**< the first that it printed, as it printed it; in output */
    char output[ZM_RUN_OUTPUT];
} zm_run_end_t;

/** Runs it to its end, on the loop.  Fails, with a reason, when it cannot be started. */
apr_status_t zm_run(zm_run_end_t *end, const zm_run_spec_t *spec, zm_loop_t *loop,
                    zm_error_t *error);

#endif
