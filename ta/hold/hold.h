/**
 * The agent of the channel hold: a recipient waits until the condition that is
 * its host is met, and then goes back to the router.
 */
#ifndef ZM_TA_HOLD_HOLD_H
#define ZM_TA_HOLD_HOLD_H

#include "mta/conf/accounts.h"
#include "mta/net/dns.h"
#include "ta/agent/resubmit.h"

/** What the process knows. */
typedef struct zm_hold_t {
    zm_agent_t *agent;
    zm_resubmitter_t resubmitter;
    zm_accounts_t *accounts;
    zm_dns_t *dns;            /**< null until the first question */
    const char *name_servers; /**< as in zm_dns_options_t; null: the system's */
    apr_interval_time_t script_limit;
    bool (*chance)(unsigned of); /**< true once in so many calls, unforeseeably */
} zm_hold_t;

/** Reads the site variables for an agent.  Errors: those of zm_accounts_open. */
apr_status_t zm_hold_open(zm_hold_t *hold, zm_agent_t *agent, zm_error_t *error);
void zm_hold_close(zm_hold_t *hold);

/** Does a job: tries the conditions, resubmits, and reports the outcome of every recipient. */
void zm_hold_job(zm_hold_t *hold, zm_job_t *job);

#endif
