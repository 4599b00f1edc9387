/**
 * Conditions that a script decides.
 *
 * The script is $MAILBIN/bin/NAME, given to /bin/sh, as the account of the
 * agent; exit status 0 means that the condition is met, and the first line that
 * it prints is what mailq shows while it is not.  The name may have letters,
 * digits, '-' and '_'.  The file must be regular, belong to root or to the
 * agent's account, and be writable by nobody else.
 */
#ifndef ZM_TA_HOLD_SCRIPT_H
#define ZM_TA_HOLD_SCRIPT_H

#include "ta/hold/condition.h"

/** parameter: NAME or NAME/WORD; the word is the script's only argument. */
zm_condition_state_t zm_hold_script(zm_hold_t *hold, zm_str_t parameter, const char **text,
                                    apr_pool_t *pool);

#endif
