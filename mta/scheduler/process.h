/**
 * Agents as processes: the real side of zm_outside_t's start, send, half_close
 * and kill.  An agent has one byte channel, which is its standard input, output
 * and error, works in $POSTOFFICE/transport, and gets only the environment that
 * its command names.
 */
#ifndef ZM_SCHEDULER_PROCESS_H
#define ZM_SCHEDULER_PROCESS_H

#include "mta/scheduler/scheduler.h"
#include "platform/loop.h"

typedef struct zm_processes_t {
    zm_loop_t *loop;
    zm_scheduler_t *scheduler;
    const zm_zenv_t *zenv;
    const char *directory;       /**< where agents work */
    uint32_t descriptors;        /**< their soft limit of open files */
    bool privileged;             /**< user and group of the clause are used */
    uint32_t told_since, told;   /**< bad ends of agents logged in this minute */
    uint32_t untold;             /**< and left out since */
    void (*settle)(void *baton); /**< called after each batch of events */
    void *baton;
} zm_processes_t;

typedef struct zm_process_t zm_process_t;

apr_status_t zm_process_start(zm_processes_t *processes, zm_ta_t *ta, zm_thread_t *thread,
                              zm_process_t **process, zm_error_t *error);
/** The agent said something that is no result: the last such line tells why it ended. */
void zm_process_said(zm_process_t *process, zm_str_t line);
/** Its words: "'/path/agent' '-c' 'x'". */
const char *zm_process_words(const zm_process_t *process);
/** False: some of it waits. */
bool zm_process_send(zm_process_t *process, const char *data, apr_size_t length);
void zm_process_half_close(zm_process_t *process, bool quit);
void zm_process_kill(zm_process_t *process);
/** The scheduler ends and leaves the agent to itself: it sees the end of its input. */
void zm_process_leave(zm_process_t *process);

#endif
