/**
 * Conditions: CLASS:PARAMETER, the class in any case.
 *
 *     ns:NAME/TYPE          DNS answers definitely, be it yes or no
 *     timeout:TIME          that time (Unix seconds) has come
 *     age:INTERVAL          the message is that old
 *     io:ANYTHING           one attempt in ten
 *     home:USER             the user's home is there, or there is nothing to wait for
 *     script:NAME[/WORD]    $MAILBIN/bin/NAME says so (script.h)
 */
#ifndef ZM_TA_HOLD_CONDITION_H
#define ZM_TA_HOLD_CONDITION_H

#include "ta/hold/hold.h"

typedef enum zm_condition_state_t {
    ZM_CONDITION_MET,
    ZM_CONDITION_WAITS,   /**< not yet */
    ZM_CONDITION_UNKNOWN, /**< of no class that we know, or with a parameter that makes no sense */
    ZM_CONDITION_NONE     /**< not a condition at all: there is no colon */
} zm_condition_state_t;

/**
 * Tries a condition; running the agent's loop meanwhile where that takes time.
 * arrived: when the message came, Unix seconds.  text says why it is not met.
 */
zm_condition_state_t zm_condition_try(zm_hold_t *hold, zm_str_t condition, int64_t arrived,
                                      const char **text, apr_pool_t *pool);

#endif
