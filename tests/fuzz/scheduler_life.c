#include "tests/fuzz/scheduler_life.h"

#include <stdio.h>

#include "platform/clock.h"
#include "tests/fuzz/fuzz.h"

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    life_t *life = baton;
    (void)thread;
    if (life->agent_count == LIFE_AGENTS)
        return zm_error_set(error, APR_ENOMEM, "enough");
    life->agents[life->agent_count++] = ta;
    *process = life;
    return APR_SUCCESS;
}

static bool send_lines(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    (void)baton;
    (void)ta;
    FUZZ_EXPECT(length > 0 && data[length - 1] == '\n');
    return true;
}

static void half_close(void *baton, zm_ta_t *ta, bool quit)
{
    (void)baton;
    (void)ta;
    (void)quit;
}

static void kill_agent(void *baton, zm_ta_t *ta)
{
    (void)baton;
    (void)ta;
}

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    (void)baton;
    (void)job;
    (void)offset;
    (void)failed;
    (void)notary;
    (void)text;
    return APR_SUCCESS;
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    return record(baton, job, offset, true, notary, text);
}

static apr_status_t discard(void *baton, zm_job_t *job, uint32_t offset)
{
    return record(baton, job, offset, true, ZM_S(""), ZM_S(""));
}

static apr_status_t deadline(void *baton, const zm_job_t *job, uint32_t offset, int64_t *by,
                             char *mode)
{
    (void)baton;
    (void)job;
    (void)offset;
    (void)by;
    (void)mode;
    return APR_ENOENT;
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    (void)number;
    return record(baton, job, offset, true, notary, text);
}

static void complete(void *baton, zm_job_t *job)
{
    life_t *life = baton;
    FUZZ_EXPECT(job->pending == 0);
    zm_job_free(life->scheduler, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    (void)baton;
    (void)job;
}

static void reread(void *baton, zm_job_t *job)
{
    life_t *life = baton;
    const uint32_t left[] = {100};
    zm_resync(life->scheduler, job, left, 1, false);
}

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    (void)baton;
    (void)job;
    (void)thread;
    (void)state;
}

static void comment(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed)
{
    (void)baton;
    (void)ta;
    (void)line;
    (void)malformed;
}

static void fed(void *baton, zm_ta_t *ta, zm_vertex_t *vertex, zm_str_t line)
{
    (void)baton;
    (void)ta;
    (void)vertex;
    (void)line;
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)level;
    (void)job;
    (void)text;
}

static bool has_log_id(void *baton, const zm_job_t *job, zm_str_t log_id)
{
    (void)baton;
    return job->id % 2 == log_id.length % 2;
}

static const zm_outside_t outside = {
    .start = start,
    .send = send_lines,
    .half_close = half_close,
    .kill = kill_agent,
    .record = record,
    .expire = expire,
    .discard = discard,
    .delayed = delayed,
    .deadline = deadline,
    .has_log_id = has_log_id,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};

void life_add_job(life_t *life)
{
    static const zm_recipient_facts_t recipients[] = {
        {ZM_STR("smtp"), ZM_STR("a"), ZM_STR("s"), 100, 0},
        {ZM_STR("smtp"), ZM_STR("b"), ZM_STR("s"), 110, 0},
        {ZM_STR("smtp"), ZM_STR("a"), ZM_STR("s"), 120, 0}};
    char leaf[8];
    zm_job_facts_t facts = {.prefix = "", .leaf = leaf, .recipients = recipients};

    facts.id = life->next_job++ % LIFE_JOBS + 1;
    facts.recipient_count = facts.total = 3;
    facts.log_id = ZM_S("<id@fuzz.test>");
    facts.arrived = 1700000000;
    snprintf(leaf, sizeof leaf, "%d", (int)facts.id);
    zm_queue_add(life->scheduler, &facts);
}

void life_check(life_t *life)
{
    uint64_t id, pending = 0;
    for (id = 1; id <= LIFE_JOBS; id++) {
        const zm_job_t *job = zm_queue_find(life->scheduler, id);
        pending += job != NULL ? job->pending : 0;
    }
    FUZZ_EXPECT(pending == life->scheduler->recipient_count);
    FUZZ_EXPECT(life->scheduler->ta_count <= 3);
}

static zm_config_t *config(apr_pool_t *pool)
{
    zm_config_options_t options = {"fuzz.conf", NULL, false, 100};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_zenv_t *zenv = NULL;
    zm_config_t *made = NULL;
    zm_error_t error;

    FUZZ_EXPECT(zm_zenv_parse(&zenv,
                              zm_str("POSTOFFICE=/po\nMAILSHARE=/s\nMAILBIN=/b\nLOGDIR=/l\n"), "z",
                              "/", NULL, pool, &error) == APR_SUCCESS);
    options.zenv = zenv;
    FUZZ_EXPECT(zm_config_parse(&made,
                                zm_str("*/* interval=1m retries=\"1 2\" expiry=1h overfeed=2 "
                                       "maxta=3 ageorder\nsmtp/* command=x\n"),
                                &options, &problems, pool) == APR_SUCCESS);
    zm_buf_free(&problems);
    return made;
}

void life_pass(life_t *life)
{
    zm_clock_advance(apr_time_from_sec(60));
    zm_scheduler_tick(life->scheduler);
    zm_scheduler_due(life->scheduler);
}

void life_agent_gone(life_t *life, int number)
{
    zm_ta_t *ta = life->agents[number];
    life->agents[number] = life->agents[--life->agent_count];
    zm_ta_gone(life->scheduler, ta, true);
}

void life_open(life_t *life, apr_pool_t *pool)
{
    zm_scheduler_options_t options = {.fork_rate = 100, .seed = 1};
    zm_clock_freeze(apr_time_from_sec(1700000000), apr_time_from_sec(1000));
    zm_scheduler_create(&life->scheduler, config(pool), &options, &outside, life, pool);
    life_add_job(life);
    zm_scheduler_settle(life->scheduler);
}

void life_close(life_t *life)
{
    while (life->agent_count > 0) {
        zm_ta_t *ta = life->agents[--life->agent_count];
        life->scheduler->stopping = true;
        zm_ta_gone(life->scheduler, ta, false);
    }
    zm_scheduler_destroy(life->scheduler);
    zm_clock_thaw();
}
