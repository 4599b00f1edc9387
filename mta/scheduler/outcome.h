/**
 * Results of agents: the words they use, and what becomes of a recipient.
 */
#ifndef ZM_SCHEDULER_OUTCOME_H
#define ZM_SCHEDULER_OUTCOME_H

#include "mta/scheduler/queue.h"

#define ZM_NOTARY_SEPARATOR '\1'
#define ZM_NOTARY_FROM_FILE '\3' /**< address field: "as in the control file" */

/** Fields of a notary string; missing ones are empty. */
typedef struct zm_notary_t {
    zm_str_t address, action, status, diagnostic, remote, agent;
} zm_notary_t;

/** Also takes the old form of three fields (address, action, diagnostic). */
void zm_notary_parse(zm_notary_t *notary, zm_str_t text);
/** Appends the fields joined. */
void zm_notary_print(zm_buf_t *out, const zm_notary_t *notary);

#endif
