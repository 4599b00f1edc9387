/**
 * One local delivery, in the identity that this process has now.
 *
 * Everything that a delivery needs stands in zm_delivery_t, so that it can be
 * done here, or sent to a worker that has become the recipient (worker.h).
 * Data is durable before success is said; after a failure nothing of the
 * letter is visible.
 */
#ifndef ZM_TA_MAILBOX_DELIVERY_H
#define ZM_TA_MAILBOX_DELIVERY_H

#include <stdarg.h>

#include "platform/identity.h"
#include "platform/loop.h"
#include "platform/str.h"
#include "ta/agent/outcome.h"
#include "ta/agent/run.h"

typedef enum zm_store_t {
    ZM_STORE_MBOX,    /**< append to a mailbox file */
    ZM_STORE_FILE,    /**< append to a file that the recipient named */
    ZM_STORE_MAILDIR, /**< a new file in a Maildir */
    ZM_STORE_PIPE     /**< feed a program */
} zm_store_t;

typedef struct zm_delivery_t {
    zm_store_t kind;
    const char *path;   /**< of the file; of the Maildir, ending in '/'; the command of a pipe */
    const char *detail; /**< Maildir: go into this folder if it exists; empty: none */
    zm_uid_t owner;     /**< files: who must own an existing one; ZM_UID_NONE: do not ask */
    bool create;        /**< a missing mailbox is made */
    bool make_parents;  /**< and the directories above it */
    bool shared; /**< it is made with mode 0660: the directory's group takes part in locking */
    bool dotlock;
    char lock;            /**< the kernel's lock: 'L' lockf, 'F' flock, 0 none */
    bool mmdf;            /**< separate with lines of four bytes 1 */
    bool escape;          /**< '>' before body lines "From " */
    bool quota_permanent; /**< no space left for this user is a permanent failure */
    bool keep_read_time;  /**< files: they look as unread as before, and newly written */
    int64_t quota;        /**< files: octets that one may have; 0: any number */
    int64_t size;         /**< of the letter, about; for the quota */

    const char *const *environment; /**< pipe: the whole environment, null ended */
    const char *directory;          /**< pipe: working directory */
    int64_t stall_limit;            /**< pipe: seconds without progress */
    int64_t total_limit;            /**< pipe: seconds in all */
    zm_child_limits_t limits;       /**< pipe: what it may use */

    zm_str_t separator; /**< the From line with its LF; empty: none */
    zm_str_t head;      /**< header lines, without the empty line */
    zm_piece_fn *body;  /**< pieces of at least one octet */
    void *baton;
} zm_delivery_t;

typedef struct zm_delivered_t {
    zm_result_t result;
    char status[12]; /**< "2.2.0" */
    uint64_t before; /**< size of the file before */
    uint64_t added;  /**< octets added */
    char text[1200]; /**< for people, one line */
} zm_delivered_t;

/** Delivers.  The loop is needed by pipes only. */
void zm_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, zm_loop_t *loop,
                apr_pool_t *pool);

/** Fills in a result; the text is cut to its room and its control bytes become blanks. */
void zm_delivered_set(zm_delivered_t *result, int code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void zm_delivered_vset(zm_delivered_t *result, int code, const char *status, const char *format,
                       va_list arguments);
/** The result of an error while writing to a file or making one: space and quota, permissions, all
 * else. */
void zm_delivered_error(zm_delivered_t *result, const zm_delivery_t *delivery, apr_status_t status,
                        const char *what);

#endif
