/**
 * The body of a message, read through one window of 64 KiB.
 *
 * Bodies that fit into the window are read from the spool once, however many
 * transactions need them.  Larger ones are never in memory as a whole.
 */
#ifndef ZM_TA_AGENT_BODY_H
#define ZM_TA_AGENT_BODY_H

#include "spool/spool.h"

#define ZM_BODY_WINDOW 65536

typedef struct zm_body_t {
    uint64_t size; /**< octets, with LF line ends */

    /* private */
    zm_object_t *object;
    uint64_t start;
    apr_pool_t *pool;
    char *window;
    uint64_t window_at;
    apr_size_t window_length, window_room;
    bool scanned, eight_bit, long_lines;
} zm_body_t;

/** start: offset of the body in the object; end: size of the object. */
void zm_body_init(zm_body_t *body, zm_object_t *object, uint64_t start, uint64_t end,
                  apr_pool_t *pool);

/** The octets that stand at an offset: at least one, at most a window, valid until the next call.
 * APR_EOF at the end. */
apr_status_t zm_body_at(zm_body_t *body, uint64_t offset, zm_str_t *piece);

typedef struct zm_body_facts_t {
    bool eight_bit;  /**< octets of 128 and more */
    bool long_lines; /**< lines of more than 998 octets */
} zm_body_facts_t;

/** Looks the body through, once. */
apr_status_t zm_body_facts(zm_body_t *body, zm_body_facts_t *facts);

#endif
