/**
 * How much mail the spool has room for.  The system is asked at most once a
 * second; in between what this process took is counted off.
 */
#ifndef ZM_SMTPSERVER_SPACE_H
#define ZM_SMTPSERVER_SPACE_H

#include "spool/spool.h"

typedef struct space_t {
    zm_spool_t *spool;
    uint64_t reserve; /**< bytes that must stay free */
    apr_time_t asked;
    uint64_t free; /**< bytes, as far as known; UINT64_MAX: it cannot be told */
} space_t;

void space_init(space_t *space, zm_spool_t *spool, uint64_t reserve);
/** Bytes that may still be taken; 0 when the reserve is touched. */
uint64_t space_usable(space_t *space);
void space_taken(space_t *space, uint64_t bytes);

#endif
