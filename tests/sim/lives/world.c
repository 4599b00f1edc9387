#include <apr_strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "tests/sim/lives/sim.h"

const char *const sim_channels[CHANNELS] = {"one", "many"};

uint32_t sim_random(sim_t *sim, uint32_t below)
{
    sim->random += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)((zm_mix(sim->random) >> 33) % below);
}

bool sim_chance(sim_t *sim, int percent)
{
    return sim_random(sim, 100) < (uint32_t)percent;
}

void sim_violation(sim_t *sim, const char *format, ...)
{
    va_list arguments;
    if (sim->violation[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(sim->violation, sizeof sim->violation, format, arguments);
    va_end(arguments);
}

sim_job_t *sim_job(sim_t *sim, uint64_t id)
{
    return id >= 1 && id <= (uint64_t)sim->job_count ? &sim->jobs[id - 1] : NULL;
}

static uint32_t offset_of(int recipient)
{
    return 100 + 10 * (uint32_t)recipient;
}

static bool locked(sim_t *sim, const sim_recipient_t *recipient)
{
    return recipient->tag == '~' && sim->agents[recipient->locked_by - 1].alive;
}

/* -- what the scheduler asks for ----------------------------------------------------------- */

static int channel_of(const zm_thread_t *thread)
{
    return zm_str_equal_c(zm_text_str(thread->ring->channel->name), sim_channels[0]) ? 0 : 1;
}

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    sim_t *sim = baton;
    int number;

    if (sim->faults && sim_chance(sim, 3))
        return zm_error_set(error, APR_ENOMEM, "no process");
    number = sim_agent_start(sim, ta, channel_of(thread));
    if (number < 0)
        return zm_error_set(error, APR_ENOMEM, "too many agents for one life");
    *process = &sim->agents[number];
    return APR_SUCCESS;
}

static bool send_lines(void *baton, zm_ta_t *ta, const char *data, apr_size_t length)
{
    sim_t *sim = baton;
    sim_agent_t *agent = ta->process;
    zm_buf_add(&agent->inbox, data, length);
    if (sim->faults && sim_chance(sim, 5))
        agent->blocked = true;
    return !agent->blocked;
}

static void half_close(void *baton, zm_ta_t *ta, bool quit)
{
    sim_agent_t *agent = ta->process;
    (void)baton;
    agent->end_of_input = true;
    agent->hurry = quit;
}

static void kill_agent(void *baton, zm_ta_t *ta)
{
    sim_agent_t *agent = ta->process;
    (void)baton;
    agent->alive = false;
}

static sim_recipient_t *recipient_of(sim_t *sim, const zm_job_t *job, uint32_t offset)
{
    return &sim_job(sim, job->id)->recipients[(offset - 100) / 10];
}

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    (void)failed;
    (void)notary;
    (void)text;
    if (!sim_job(baton, job->id)->exists)
        sim_violation(baton, "a result is recorded for job %llu, which is removed",
                      (unsigned long long)job->id);
    (void)offset;
    return APR_SUCCESS;
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    sim_t *sim = baton;
    sim_recipient_t *recipient = recipient_of(sim, job, offset);
    (void)notary;
    (void)text;
    if (recipient->tag == '+' || recipient->tag == '-')
        return ZM_E_GONE;
    if (locked(sim, recipient))
        return ZM_E_BUSY;
    if (sim->faults && sim_chance(sim, 5))
        return APR_ENOSPC;
    recipient->tag = '-';
    return APR_SUCCESS;
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    (void)baton;
    (void)job;
    (void)offset;
    (void)number;
    (void)notary;
    (void)text;
    return APR_SUCCESS;
}

static void complete(void *baton, zm_job_t *job)
{
    sim_t *sim = baton;
    sim_job_t *disk = sim_job(sim, job->id);
    int i;
    for (i = 0; i < disk->count; i++)
        if (disk->recipients[i].tag != '+' && disk->recipients[i].tag != '-')
            sim_violation(sim, "job %llu is removed although recipient %d is '%c'",
                          (unsigned long long)job->id, i, disk->recipients[i].tag);
    disk->exists = false;
    zm_job_free(sim->scheduler, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    (void)baton;
    (void)job;
}

/* Recipients still to do, ascending; locks of the dead are taken off. */
static uint32_t pending(sim_t *sim, sim_job_t *job, uint32_t *offsets, bool *is_locked)
{
    uint32_t count = 0;
    int i;
    *is_locked = false;
    for (i = 0; i < job->count; i++) {
        sim_recipient_t *recipient = &job->recipients[i];
        if (locked(sim, recipient))
            *is_locked = true;
        else if (recipient->tag == '~')
            recipient->tag = ' ';
        if (recipient->tag == ' ' || recipient->tag == '~')
            offsets[count++] = offset_of(i);
    }
    return count;
}

static void reread(void *baton, zm_job_t *job)
{
    sim_t *sim = baton;
    uint32_t offsets[MOST_RECIPIENTS], count;
    bool is_locked;

    if (sim->faults && sim_chance(sim, 5)) {
        zm_job_forget(sim->scheduler, job);
        return;
    }
    count = pending(sim, sim_job(sim, job->id), offsets, &is_locked);
    if (sim->plant == PLANT_LOST)
        count = 0;
    zm_resync(sim->scheduler, job, offsets, count, false);
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
    sim_t *sim = baton;
    const zm_thread_t *thread = vertex->lane->thread;
    sim_period_t *period = &sim->periods[channel_of(thread)][sim_host(zm_text_str(thread->host))];
    int64_t now = apr_time_sec(zm_clock_wall());

    (void)ta;
    (void)line;
    if (sim->limits.rate == 0)
        return;
    if (period->count == 0 || now - period->began >= sim->limits.period) {
        period->began = now;
        period->count = 0;
    }
    if (++period->count > sim->limits.rate)
        sim_violation(sim, "%u messages for %s in %u seconds, the rate is %u", period->count,
                      thread->host->data, sim->limits.period, sim->limits.rate);
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)level;
    (void)job;
    (void)text;
}

const zm_outside_t sim_outside = {
    .start = start,
    .send = send_lines,
    .half_close = half_close,
    .kill = kill_agent,
    .record = record,
    .expire = expire,
    .delayed = delayed,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .comment = comment,
    .fed = fed,
    .event = event,
};

/* -- scheduler and jobs -------------------------------------------------------------------- */

void sim_open_scheduler(sim_t *sim)
{
    zm_scheduler_options_t options = {.fork_rate = 10};
    options.seed = sim->random;
    zm_scheduler_create(&sim->scheduler, sim->config, &options, &sim_outside, sim, sim->pool);
    sim_scan(sim);
}

void sim_crash_scheduler(sim_t *sim)
{
    int i;
    sim->crashes++;
    memset(sim->periods, 0, sizeof sim->periods); /* rates are forgotten */
    for (i = 0; i < sim->agent_count; i++) {
        sim_agent_t *agent = &sim->agents[i];
        if (agent->ta == NULL)
            continue;
        zm_ta_gone(sim->scheduler, agent->ta, false); /* frees memory; the world sees nothing */
        agent->ta = NULL;
        agent->end_of_input = true;
    }
    zm_scheduler_destroy(sim->scheduler);
}

static void take_in(sim_t *sim, uint64_t id)
{
    sim_job_t *job = sim_job(sim, id);
    zm_recipient_facts_t recipients[MOST_RECIPIENTS] = {0};
    uint32_t offsets[MOST_RECIPIENTS], i;
    zm_job_facts_t facts = {.id = id, .prefix = "", .recipients = recipients};
    char leaf[24], hosts[MOST_RECIPIENTS][16];
    bool is_locked;

    if (!job->exists || zm_queue_find(sim->scheduler, id) != NULL)
        return;
    facts.recipient_count = pending(sim, job, offsets, &is_locked);
    if (is_locked)
        return;
    if (sim->plant == PLANT_TWICE)
        for (facts.recipient_count = 0; facts.recipient_count < (uint32_t)job->count;
             facts.recipient_count++)
            offsets[facts.recipient_count] = offset_of((int)facts.recipient_count);
    for (i = 0; i < facts.recipient_count; i++) {
        const sim_recipient_t *recipient = &job->recipients[(offsets[i] - 100) / 10];
        if (sim->plant == PLANT_TWICE && recipient->tag == '+')
            job->recipients[(offsets[i] - 100) / 10].tag = ' ';
        snprintf(hosts[i], sizeof hosts[i], "h%d", recipient->host);
        recipients[i].channel = zm_str(sim_channels[recipient->channel]);
        recipients[i].host = zm_str(hosts[i]);
        recipients[i].sender = zm_str(job->sender);
        recipients[i].offset = offsets[i];
    }
    snprintf(leaf, sizeof leaf, "%llu", (unsigned long long)id);
    facts.leaf = leaf;
    facts.arrived = job->arrived;
    facts.routed_at = job->arrived;
    facts.log_id = zm_str(leaf);
    facts.total = (uint32_t)job->count;
    zm_queue_add(sim->scheduler, &facts);
}

void sim_scan(sim_t *sim)
{
    int i;
    zm_scheduler_tick(sim->scheduler);
    for (i = 0; i < sim->job_count; i++)
        take_in(sim, (uint64_t)i + 1);
    zm_scheduler_settle(sim->scheduler);
}

void sim_new_job(sim_t *sim)
{
    sim_job_t *job;
    int i;

    if (sim->job_count == MOST_JOBS)
        return;
    job = &sim->jobs[sim->job_count++];
    job->exists = true;
    job->sender = sim->job_count % 3 == 0 ? "bulk" : "other";
    job->arrived = apr_time_sec(zm_clock_wall()) - (sim_chance(sim, 10) ? 1000 : 0);
    job->count = sim_chance(sim, 60) ? 1 : 1 + (int)sim_random(sim, MOST_RECIPIENTS - 1);
    for (i = 0; i < job->count; i++) {
        sim_recipient_t *recipient = &job->recipients[i];
        recipient->channel = (int)sim_random(sim, CHANNELS);
        recipient->host = (int)sim_random(sim, HOSTS);
        recipient->tag = ' ';
    }
    if (!sim_chance(sim, 70))
        return; /* the hint was lost */
    zm_scheduler_tick(sim->scheduler);
    take_in(sim, (uint64_t)sim->job_count);
    zm_scheduler_settle(sim->scheduler);
}

sim_job_t *sim_plain_job(sim_t *sim, int channel, int host, const char *sender)
{
    sim_job_t *job = &sim->jobs[sim->job_count++];
    job->exists = true;
    job->sender = sender;
    job->arrived = apr_time_sec(zm_clock_wall());
    job->count = 1;
    job->recipients[0].channel = channel;
    job->recipients[0].host = host;
    job->recipients[0].tag = ' ';
    zm_scheduler_tick(sim->scheduler);
    take_in(sim, (uint64_t)sim->job_count);
    return job;
}

/* -- limits ------------------------------------------------------------------------------------ */

/* Which hosts an agent has jobs for that it has not finished: as the lines in its inbox say. */
static unsigned hosts_of(const sim_agent_t *agent)
{
    zm_str_t rest = zm_buf_str(&agent->inbox), line, path, host;
    unsigned hosts = 0;
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        if (zm_str_cut(line, '\t', &path, &host))
            hosts |= 1u << sim_host(host);
        rest = after;
    }
    return hosts;
}

void sim_check_limits(sim_t *sim)
{
    int used[CHANNELS] = {0}, workers[CHANNELS][HOSTS] = {{0}};
    int total = 0, i, host, channel;
    const sim_limits_t *limits = &sim->limits;
    int ring = limits->maxring - (sim->plant == PLANT_LIMITS ? 1 : 0);

    for (i = 0; i < sim->agent_count; i++) {
        const sim_agent_t *agent = &sim->agents[i];
        unsigned hosts;
        if (agent->ta == NULL)
            continue;
        total++;
        hosts = hosts_of(agent);
        if (!agent->multi)
            used[agent->channel]++;
        for (host = 0; host < HOSTS; host++)
            if ((hosts >> host & 1) != 0) {
                workers[agent->channel][host]++;
                used[agent->channel] += agent->multi;
            }
    }
    if (total > limits->maxta)
        sim_violation(sim, "%d agents, maxta is %d", total, limits->maxta);
    for (channel = 0; channel < CHANNELS; channel++) {
        if (used[channel] > limits->maxchannel || used[channel] > ring)
            sim_violation(sim, "channel %s uses %d, maxchannel is %d, maxring %d",
                          sim_channels[channel], used[channel], limits->maxchannel, ring);
        for (host = 0; host < HOSTS; host++)
            if (workers[channel][host] > limits->maxthr)
                sim_violation(sim, "%d agents work on %s/h%d, maxthr is %d", workers[channel][host],
                              sim_channels[channel], host, limits->maxthr);
    }
}
