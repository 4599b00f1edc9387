/**
 * What programs that mail is given to may use of the machine: the site variable MBOX_PIPE_LIMITS.
 *
 *     cpu=30m memory=500M filesize=1G files=1024 processes=100
 *
 * memory and filesize are octets, K, M and G multiply them by 1024 and so on; processes counts all
 * of the account.  0 is no limit.  Without the variable cpu is half an hour and files are 1024.
 * None of them leaves a core file.
 */
#ifndef ZM_TA_AGENT_LIMITS_H
#define ZM_TA_AGENT_LIMITS_H

#include "platform/child.h"
#include "platform/str.h"

/** text: null where the variable is not set.  ZM_E_SYNTAX. */
apr_status_t zm_limits_parse(zm_child_limits_t *limits, const char *text, zm_error_t *error);

#endif
