/* What the scheduler counts, in the counters of the system. */
#include "mta/scheduler/scheduler.h"

static void grow(zm_scheduler_t *scheduler, zm_counter_t counter, uint64_t now, uint64_t before)
{
    if (now != before)
        zm_counter_add(scheduler->shared, counter, (int64_t)(now - before));
}

void zm_scheduler_publish(zm_scheduler_t *scheduler)
{
    const zm_scheduler_counters_t *now = &scheduler->counters, *before = &scheduler->published;
    zm_counters_t *shared = scheduler->shared;

    if (shared == NULL)
        return;
    grow(scheduler, ZM_COUNT_SC_ReceivedMessages, now->jobs_in, before->jobs_in);
    grow(scheduler, ZM_COUNT_SC_ReceivedRecipients, now->recipients_in, before->recipients_in);
    grow(scheduler, ZM_COUNT_SC_TransmittedMessages, now->jobs_out, before->jobs_out);
    grow(scheduler, ZM_COUNT_SC_TransmittedRecipients, now->recipients_out, before->recipients_out);
    grow(scheduler, ZM_COUNT_SC_TransportAgentForks, now->ta_starts, before->ta_starts);
    scheduler->published = *now;
    zm_counter_set(shared, ZM_COUNT_SC_StoredMessages_G, scheduler->job_count);
    zm_counter_set(shared, ZM_COUNT_SC_StoredThreads_G, scheduler->thread_count);
    zm_counter_set(shared, ZM_COUNT_SC_StoredVertices_G, scheduler->vertex_count);
    zm_counter_set(shared, ZM_COUNT_SC_StoredRecipients_G, (int64_t)scheduler->recipient_count);
    zm_counter_set(shared, ZM_COUNT_SC_TransportAgentProcesses_G, scheduler->ta_count);
    zm_counter_set(shared, ZM_COUNT_SC_TransportAgentsActive_G,
                   (int64_t)scheduler->ta_count - scheduler->idle_count);
    zm_counter_set(shared, ZM_COUNT_SC_TransportAgentsIdle_G, scheduler->idle_count);
}

void zm_scheduler_publish_start(zm_scheduler_t *scheduler)
{
    static const zm_counter_t gauges[] = {
        ZM_COUNT_SC_MQ2Parallel_G,         ZM_COUNT_TA_SMTP_TaProcCount_G,
        ZM_COUNT_TA_SMCM_TaProcCount_G,    ZM_COUNT_TA_MBOX_TaProcCount_G,
        ZM_COUNT_TA_HOLD_TaProcCount_G,    ZM_COUNT_TA_ERRM_TaProcCount_G,
        ZM_COUNT_TA_EXPI_TaProcCount_G,    ZM_COUNT_TA_RERT_TaProcCount_G,
        ZM_COUNT_TA_SMTP_SmtpConnectsCnt_G};
    unsigned i;
    for (i = 0; i < sizeof gauges / sizeof gauges[0]; i++)
        zm_counter_set(scheduler->shared, gauges[i], 0);
    zm_counters_started(scheduler->shared, ZM_COUNT_SYS_SchedulerMasterPID);
    zm_scheduler_publish(scheduler);
}
