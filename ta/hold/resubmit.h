/**
 * Putting held recipients back to the router as a new message: sender, header
 * and body as they were.
 *
 * The message must not gain rights on the way.  Where the agent can act for the
 * account that sent it, that account owns the new file.  Otherwise, and for
 * recipients that were reached on the authority of another (an alias, a
 * .forward), the file is that of a trusted account, so that the sender is
 * believed, and is marked as one from outside, which has nobody's rights.
 */
#ifndef ZM_TA_HOLD_RESUBMIT_H
#define ZM_TA_HOLD_RESUBMIT_H

#include "ta/hold/hold.h"

typedef struct zm_resubmission_t {
    zm_job_t *job;
    const zm_group_t *group;     /**< sender and header */
    zm_recipient_t **recipients; /**< of the group */
    int count;
    bool as_sender; /**< they have the sender's rights */
} zm_resubmission_t;

/** Submits, durably.  published->info gives the spool id. */
apr_status_t zm_hold_resubmit(zm_hold_t *hold, const zm_resubmission_t *letter,
                              zm_published_t *published, apr_pool_t *pool);

#endif
