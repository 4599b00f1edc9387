#include "tests/unit/mta/scheduler/world.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "tests/unit/harness.h"

static world_agent_t *agent_of(world_t *world, zm_ta_t *ta)
{
    int i;
    for (i = 0; i < world->agent_count; i++)
        if (world->agents[i].ta == ta)
            return &world->agents[i];
    return NULL;
}

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    world_t *world = baton;
    world_agent_t *agent = &world->agents[world->agent_count];

    if (world->refuse_start || world->agent_count == WORLD_AGENTS)
        return zm_error_set(error, APR_ENOMEM, "no more processes");
    world->agent_count++;
    agent->ta = ta;
    *process = agent;
    snprintf(agent->command, sizeof agent->command, "%s/%s", thread->ring->channel->name->data,
             thread->host->data);
    return APR_SUCCESS;
}

static bool send_line(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    world_agent_t *agent = agent_of(baton, ta);
    zm_buf_add(&agent->sent, data, length);
    return true;
}

static void half_close(void *baton, zm_ta_t *ta, bool quit)
{
    (void)quit;
    agent_of(baton, ta)->half_closed = true;
}

static void kill_agent(void *baton, zm_ta_t *ta)
{
    agent_of(baton, ta)->killed = true;
}

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    world_t *world = baton;
    (void)notary;
    zm_buf_printf(&world->log, "record %llu/%u %s %.*s\n", (unsigned long long)job->id, offset,
                  failed ? "failed" : "ok", (int)text.length, text.data);
    return APR_SUCCESS;
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    world_t *world = baton;
    if (world->refuse_expire)
        return ZM_E_BUSY;
    zm_buf_printf(&world->log, "expire %llu/%u [%.*s] %.*s\n", (unsigned long long)job->id, offset,
                  (int)notary.length, notary.data, (int)text.length, text.data);
    return APR_SUCCESS;
}

static apr_status_t discard(void *baton, zm_job_t *job, uint32_t offset)
{
    world_t *world = baton;
    (void)job;
    if (world->refuse_expire)
        return ZM_E_BUSY;
    zm_buf_printf(&world->log, "discard %u\n", offset);
    return APR_SUCCESS;
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    world_t *world = baton;
    (void)notary;
    zm_buf_printf(&world->log, "delayed %llu/%u %d %.*s\n", (unsigned long long)job->id, offset,
                  number, (int)text.length, text.data);
    return APR_SUCCESS;
}

static void complete(void *baton, zm_job_t *job)
{
    world_t *world = baton;
    zm_buf_printf(&world->log, "complete %llu\n", (unsigned long long)job->id);
    zm_job_free(world->scheduler, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    world_t *world = baton;
    zm_buf_printf(&world->log, "reportable %llu\n", (unsigned long long)job->id);
}

static void reread(void *baton, zm_job_t *job)
{
    world_t *world = baton;
    zm_buf_printf(&world->log, "reread %llu\n", (unsigned long long)job->id);
}

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    world_t *world = baton;
    zm_buf_printf(&world->log, "finished %llu %s %s/%s\n", (unsigned long long)job->id,
                  zm_state_name(state), thread->ring->channel->name->data, thread->host->data);
}

static void comment(void *baton, zm_ta_t *ta, zm_str_t line, bool malformed)
{
    world_t *world = baton;
    (void)ta;
    zm_buf_printf(&world->log, "%s %.*s\n", malformed ? "malformed" : "comment", (int)line.length,
                  line.data);
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
    world_t *world = baton;
    (void)level;
    (void)job;
    zm_buf_printf(&world->log, "event %s\n", text);
}

const char *world_log_id(uint64_t id)
{
    return apr_psprintf(zm_test_pool(), "<%" APR_UINT64_T_FMT "@world.test>", id);
}

/* Those of world_add; but the file of one says something else than its hash. */
static bool has_log_id(void *baton, const zm_job_t *job, zm_str_t log_id)
{
    (void)baton;
    return job->id != WORLD_OTHER_LOG_ID && zm_str_equal_c(log_id, world_log_id(job->id));
}

static const zm_outside_t outside = {
    .start = start,
    .send = send_line,
    .half_close = half_close,
    .kill = kill_agent,
    .record = record,
    .expire = expire,
    .discard = discard,
    .delayed = delayed,
    .has_log_id = has_log_id,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};

world_t *world_open(const char *conf)
{
    static const char site[] = "POSTOFFICE=/po\nMAILSHARE=/share\nMAILBIN=/bin/z\nLOGDIR=/log\n";
    world_t *world = apr_pcalloc(zm_test_pool(), sizeof *world);
    zm_zenv_t *zenv = NULL;
    zm_error_t error;
    zm_buf_t problems = ZM_BUF_INIT;
    zm_scheduler_options_t options = {.fork_rate = 1000, .seed = 42};
    zm_config_options_t config_options = {"s.conf", NULL, false, 1000};

    zm_clock_freeze(apr_time_from_sec(WORLD_START), apr_time_from_sec(1000));
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, zm_str(site), "z", "/", NULL, zm_test_pool(), &error));
    config_options.zenv = zenv;
    ZM_ASSERT_OK(
        zm_config_parse(&world->config, zm_str(conf), &config_options, &problems, zm_test_pool()));
    zm_buf_free(&problems);
    zm_scheduler_create(&world->scheduler, world->config, &options, &outside, world,
                        zm_test_pool());
    return world;
}

void world_add(world_t *world, uint64_t id, int64_t age, const char *sender, const char *places)
{
    zm_recipient_facts_t recipients[100] = {0};
    zm_job_facts_t facts = {.id = id, .prefix = "", .recipients = recipients};
    zm_str_t rest = zm_str(places), word;

    facts.leaf = apr_psprintf(zm_test_pool(), "%" APR_UINT64_T_FMT, id);
    facts.arrived = WORLD_START + age;
    facts.routed_at = facts.arrived + 1;
    while (zm_str_word(&rest, &word)) {
        zm_recipient_facts_t *recipient = &recipients[facts.recipient_count];
        zm_str_cut(word, '/', &recipient->channel, &recipient->host);
        recipient->sender = zm_str(sender);
        recipient->offset = 100 + 10 * facts.recipient_count++;
    }
    facts.total = facts.recipient_count;
    facts.log_id = zm_str(world_log_id(id));
    facts.owner = 1000;
    zm_scheduler_tick(world->scheduler);
    ZM_ASSERT_OK(zm_queue_add(world->scheduler, &facts));
    zm_scheduler_settle(world->scheduler);
}

void world_say(world_t *world, int agent, const char *line)
{
    zm_scheduler_tick(world->scheduler);
    zm_ta_line(world->scheduler, world->agents[agent].ta, zm_str(line));
    zm_scheduler_settle(world->scheduler);
}

const char *world_sent(world_t *world, int agent)
{
    char *text = zm_str_c(zm_test_pool(), zm_buf_str(&world->agents[agent].sent));
    zm_buf_clear(&world->agents[agent].sent);
    return text;
}

void world_gone(world_t *world, int agent, bool abnormal)
{
    zm_ta_t *ta = world->agents[agent].ta;
    world->agents[agent].ta = NULL;
    zm_scheduler_tick(world->scheduler);
    zm_ta_gone(world->scheduler, ta, abnormal);
    zm_scheduler_settle(world->scheduler);
}

void world_pass(world_t *world, int64_t seconds)
{
    zm_clock_advance(apr_time_from_sec(seconds));
    zm_scheduler_tick(world->scheduler);
    zm_scheduler_due(world->scheduler);
    zm_scheduler_settle(world->scheduler);
}

int world_logged(world_t *world, const char *piece)
{
    const char *at = zm_buf_c(&world->log);
    int count = 0;
    while ((at = strstr(at, piece)) != NULL) {
        count++;
        at += strlen(piece);
    }
    return count;
}

zm_thread_t *world_thread(world_t *world, const char *channel, const char *host)
{
    return zm_queue_thread(world->scheduler, zm_str(channel), zm_str(host));
}

void world_close(world_t *world)
{
    int i;
    for (i = 0; i < world->agent_count; i++) {
        if (world->agents[i].ta != NULL)
            world_gone(world, i, false);
        zm_buf_free(&world->agents[i].sent);
    }
    zm_scheduler_destroy(world->scheduler);
    zm_buf_free(&world->log);
    zm_clock_thaw();
}
