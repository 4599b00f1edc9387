/**
 * The agent expirer: ends the attempts for recipients that an administrator has
 * chosen.
 */
#ifndef ZM_TA_EXPIRER_EXPIRER_H
#define ZM_TA_EXPIRER_EXPIRER_H

#include "ta/agent/job.h"

typedef struct zm_expirer_t {
    const char *user; /**< only this recipient, ASCII case not counting; null: any */
    const char *text; /**< diagnostic of the report; null: a stock one */
    bool silent;      /**< as if delivered: no report, unless one of success was asked for */
    bool dry;         /**< only say what would be done; the agent looks only */
    zm_buf_t *log;    /**< a line for each recipient is put here; null: none */
} zm_expirer_t;

/** For zm_agent_options_t.wanted, with a zm_expirer_t as baton. */
bool zm_expirer_wants(const zm_agent_t *agent, zm_str_t user, void *baton);
void zm_expirer_job(zm_expirer_t *expirer, zm_job_t *job);

#endif
