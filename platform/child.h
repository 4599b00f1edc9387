/**
 * Child processes with a byte channel.
 *
 * A child gets one bidirectional stream as its standard input, output and
 * error (the classic channel of transport agents), or inherits those of the
 * parent.  No other descriptor reaches it.  Its end is reported on the loop.
 */
#ifndef ZM_PLATFORM_CHILD_H
#define ZM_PLATFORM_CHILD_H

#include <apr_network_io.h>

#include "platform/control.h"
#include "platform/identity.h"
#include "platform/loop.h"
#include "platform/status.h"

typedef struct zm_child_t zm_child_t;

typedef enum zm_child_io_t {
    ZM_CHILD_CHANNEL,    /**< a non-blocking socket on our side, 0, 1 and 2 on the child's */
    ZM_CHILD_CHANNEL_01, /**< the same, but standard error is inherited */
    ZM_CHILD_INHERIT     /**< all three are ours */
} zm_child_io_t;

/** What a process may use of the machine; 0: what we may.  Systems that do not know one do without. */
typedef struct zm_child_limits_t {
    int64_t cpu;       /**< seconds of the processors */
    int64_t memory;    /**< octets of address space */
    int64_t file_size; /**< octets of a file that it writes */
    int64_t files;     /**< that it has open */
    int64_t processes; /**< of its account */
} zm_child_limits_t;

typedef struct zm_child_spec_t {
    const char *const *argv;        /**< null ended; argv[0] is the absolute path of the program, unless that is said: */
    const char *program;            /**< the absolute path of the program; null: argv[0] */
    const char *const *environment; /**< null ended NAME=value list, the whole environment; null: inherit */
    const char *directory;          /**< working directory; null: ours */
    zm_child_io_t io;
    const zm_credentials_t *as;     /**< become this for good, supplementary groups emptied; null: stay */
    int nice;                       /**< nice(2) increment */
    int priority_absolute;          /**< non-zero: nice is an absolute priority */
    apr_uint32_t descriptors;       /**< soft limit of open files; 0: inherit */
    apr_socket_t *const *pass;      /**< null ended: sockets handed over as descriptors 3, 4, ...; null: none */
    bool new_group;                 /**< leader of its own process group */
    const char *groups_of; /**< with `as`: the account whose supplementary groups it has; null: none */
    bool own_session;      /**< leader of its own session, and so of its own process group */
    bool private_files;    /**< what it makes is its owner's alone (umask 077) */
    const zm_child_limits_t *limits; /**< with them it leaves no core file either; null: ours */
} zm_child_spec_t;

typedef struct zm_child_end_t {
    bool signalled; /**< ended by a signal (number in code) or crashed; else code is the exit status */
    int code;
    apr_time_t user_cpu, system_cpu; /**< microseconds, 0 where unknown */
} zm_child_end_t;

typedef void zm_child_fn(zm_child_t *child, const zm_child_end_t *end, void *baton);

/**
 * Starts a program and returns when it is being executed, or fails with the
 * reason (no such program, not permitted, no such directory).  The child starts
 * with default signals.  fn is called once, on the loop, when it has ended; the
 * channel stays open until zm_child_close, so what the child wrote last can
 * still be read.  The object ends with the loop at the latest; its sockets to
 * pass may be closed when this returns.
 */
apr_status_t zm_child_start(zm_child_t **child, const zm_child_spec_t *spec, zm_loop_t *loop, zm_child_fn *fn,
                            void *baton, zm_error_t *error);
apr_socket_t *zm_child_channel(zm_child_t *child); /**< ours, non-blocking; owned by the child object; null with ZM_CHILD_INHERIT */
apr_int64_t zm_child_pid(const zm_child_t *child);
apr_status_t zm_child_half_close(zm_child_t *child); /**< the child reads end of file, and may still write */
apr_status_t zm_child_control(zm_child_t *child, zm_control_t event); /**< ZM_E_GONE when it has ended */
apr_status_t zm_child_kill(zm_child_t *child);                        /**< at once, no clean-up; ZM_E_GONE */
/** Closes the channel and frees the object.  A child still running goes on, unreported.  Close watches of the channel before. */
void zm_child_close(zm_child_t *child);

/**
 * In a child: our standard input/output channel as a non-blocking socket (the
 * other end of ZM_CHILD_CHANNEL).  APR_ENOTSOCK when standard input is none,
 * say at a terminal.  Standard output and, with ZM_CHILD_CHANNEL, standard error
 * are the same socket and become non-blocking with it.
 */
apr_status_t zm_child_own_channel(apr_socket_t **channel, apr_pool_t *pool);
/** In a child: the n-th passed socket (0 = descriptor 3).  APR_EBADF when none was passed.  Call before anything else is opened. */
apr_status_t zm_child_own_passed(apr_socket_t **passed, int index, apr_pool_t *pool);

/** Whether a process of that number lives (a foreign one counts). */
bool zm_process_alive(apr_int64_t pid);
apr_int64_t zm_process_own(void);
/** What this process has used of the processors, in microseconds. */
void zm_process_times(apr_time_t *user, apr_time_t *system);
/** Changes our own priority by so much, or to that; a refusal is returned and changes nothing. */
apr_status_t zm_process_nice(int nice, bool absolute);
/** Raises our soft limit of open files to what is allowed, and returns it; 0: there is none. */
apr_uint32_t zm_process_descriptors(void);

#endif
