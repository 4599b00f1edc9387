#include <stdio.h>
#include <string.h>

#include "tests/sim/lives/sim.h"

int sim_host(zm_str_t name)
{
    return name.length == 2 && name.data[1] >= '0' && name.data[1] < '0' + HOSTS
               ? name.data[1] - '0'
               : 0;
}

int sim_agent_start(sim_t *sim, zm_ta_t *ta, int channel)
{
    sim_agent_t *agent;
    if (sim->agent_count == MOST_AGENTS)
        return -1;
    agent = &sim->agents[sim->agent_count];
    agent->ta = ta;
    agent->alive = true;
    agent->channel = channel;
    ta->pid = sim->agent_count + 1;
    return sim->agent_count++;
}

void sim_agent_die(sim_t *sim, int number, bool abnormal)
{
    sim_agent_t *agent = &sim->agents[number];
    zm_ta_t *ta = agent->ta;

    agent->alive = false;
    zm_buf_free(&agent->inbox);
    agent->ta = NULL;
    if (ta == NULL)
        return;
    zm_scheduler_tick(sim->scheduler);
    zm_ta_gone(sim->scheduler, ta, abnormal);
    zm_scheduler_settle(sim->scheduler);
}

static void say(sim_t *sim, sim_agent_t *agent, const char *line)
{
    if (agent->ta == NULL)
        return;
    if (sim->plant == PLANT_STUCK && strncmp(line, "#hungry", 7) == 0 && sim_chance(sim, 5))
        return;
    zm_scheduler_tick(sim->scheduler);
    zm_ta_line(sim->scheduler, agent->ta, zm_str(line));
}

static void deliver(sim_t *sim, sim_recipient_t *recipient)
{
    if (recipient->recorded)
        sim_violation(sim, "delivered again after the success was recorded");
    recipient->delivered++;
    sim->deliveries++;
}

/* One recipient: what happens, and what is said of it.  False: the agent died of it. */
static bool attempt(sim_t *sim, int number, uint64_t id, int index, bool *stop)
{
    sim_agent_t *agent = &sim->agents[number];
    sim_recipient_t *recipient = &sim->jobs[id - 1].recipients[index];
    const char *word;
    char line[200];
    bool transient = true;

    if (sim->down[recipient->host]) {
        word = sim_chance(sim, 50) ? "deferall no route" : "retryat +30 refused";
        *stop = true;
    } else if (sim->faults && sim_chance(sim, 15)) {
        word = sim_chance(sim, 50) ? "deferred later" : "deferback later";
    } else {
        bool bad = sim_chance(sim, 8);
        if (!bad)
            deliver(sim, recipient);
        if (sim->faults && sim_chance(sim, 3))
            return false; /* delivered, and dead before it was recorded: allowed */
        recipient->tag = bad ? '-' : '+';
        recipient->recorded = !bad;
        word = bad ? "error2 no such user" : "ok3 delivered";
        transient = false;
    }
    if (transient)
        recipient->tag = ' ';
    if (sim->faults && sim_chance(sim, 3))
        return false; /* recorded, but not told */
    snprintf(line, sizeof line, "%llu/%d\ta@b\1failed\0014.0.0\1smtp; 4\1\t%s",
             (unsigned long long)id, 100 + 10 * index, word);
    say(sim, agent, line);
    return true;
}

static bool work(sim_t *sim, int number, zm_str_t line, uint64_t id)
{
    sim_agent_t *agent = &sim->agents[number];
    sim_job_t *job = sim_job(sim, id);
    zm_str_t path, host = ZM_S("");
    int i, taken = 0;
    bool stop = false;
    char text[64];

    zm_str_cut(line, '\t', &path, &host);
    for (i = 0; job->exists && i < job->count; i++) {
        sim_recipient_t *recipient = &job->recipients[i];
        if (recipient->channel != agent->channel || recipient->host != sim_host(host) ||
            recipient->tag != ' ')
            continue;
        recipient->tag = '~';
        recipient->locked_by = number + 1;
        taken++;
        if (!attempt(sim, number, id, i, &stop))
            return false;
    }
    if (taken == 0) {
        snprintf(text, sizeof text, "#resync %llu", (unsigned long long)id);
        say(sim, agent, text);
    }
    return true;
}

static void babble(sim_t *sim, sim_agent_t *agent)
{
    static const char *const lines[] = {"assertion failed", "9999/100\t\tok3 not mine",
                                        "\t\t\t",           "",
                                        "#a comment",       "#resync 0",
                                        "#multi 3",         "99999/1"};
    const char *line = lines[sim_random(sim, sizeof lines / sizeof lines[0])];
    if (agent->greeted || strncmp(line, "#multi", 6) != 0)
        say(sim, agent, line);
}

static void greet(sim_t *sim, sim_agent_t *agent)
{
    char line[24];
    agent->greeted = true;
    if (sim->multi[agent->channel]) {
        agent->multi = true;
        snprintf(line, sizeof line, "#multi %u", 2 + sim_random(sim, 4));
        say(sim, agent, line);
    }
    say(sim, agent, "#hungry");
}

/* A #multi agent works on all its hosts at once: the first line of the next host. */
static zm_str_t line_in_turn(sim_agent_t *agent)
{
    zm_str_t rest = zm_buf_str(&agent->inbox), line, path, host, chosen = ZM_S("");
    int best = HOSTS + 1;

    while (zm_str_cut(rest, '\n', &line, &rest)) {
        int turn = 0;
        if (zm_str_cut(line, '\t', &path, &host))
            turn = (sim_host(host) - agent->last_host - 1 + HOSTS) % HOSTS;
        else if (chosen.data == NULL || best <= HOSTS)
            continue; /* a command waits until the jobs before it are done */
        if (turn < best) {
            best = turn;
            chosen = line;
        }
    }
    if (best > HOSTS)
        zm_str_cut(zm_buf_str(&agent->inbox), '\n', &chosen, &rest);
    else
        agent->last_host = (agent->last_host + 1 + best) % HOSTS;
    return chosen;
}

/* The line to be done next, where it stands in the inbox.  False: none is whole. */
static bool next_line(sim_agent_t *agent, zm_str_t *line)
{
    zm_str_t rest;
    if (!zm_str_cut(zm_buf_str(&agent->inbox), '\n', line, &rest))
        return false;
    if (agent->multi)
        *line = line_in_turn(agent);
    return true;
}

static void remove_line(sim_agent_t *agent, apr_size_t start, apr_size_t length)
{
    zm_buf_t *inbox = &agent->inbox;
    memmove(inbox->data + start, inbox->data + start + length, inbox->length - start - length);
    inbox->length -= length;
}

/* The job stays in the inbox while it is worked on, so that the checks of limits see it. */
static void read_line(sim_t *sim, int number)
{
    sim_agent_t *agent = &sim->agents[number];
    char line[64], answer[80];
    uint64_t id = 0;
    apr_size_t digits = 0, start;
    zm_str_t found;

    if (!next_line(agent, &found) || found.length >= sizeof line) {
        if (agent->end_of_input)
            sim_agent_die(sim, number, false);
        return;
    }
    start = (apr_size_t)(found.data - agent->inbox.data);
    memcpy(line, found.data, found.length);
    line[found.length] = '\0';
    if (line[0] == '\0') {
        sim_agent_die(sim, number, false);
        return;
    }
    snprintf(answer, sizeof answer, "#hungry");
    if (line[0] != '#') {
        while (zm_is_digit(line[digits]))
            digits++;
        (void)zm_str_u64(zm_str_of(line, digits), &id);
        if (!work(sim, number, zm_str(line), id)) {
            sim_agent_die(sim, number, true);
            return;
        }
        if (agent->multi)
            snprintf(answer, sizeof answer, "#hungry %s", line);
    }
    remove_line(agent, start, strlen(line) + 1);
    say(sim, agent, answer);
}

void sim_agent_step(sim_t *sim, int number)
{
    sim_agent_t *agent = &sim->agents[number];

    if (!agent->alive) {
        if (agent->ta != NULL)
            sim_agent_die(sim, number, true); /* it was killed */
        return;
    }
    if (sim->faults && sim_chance(sim, 1)) {
        sim_agent_die(sim, number, true);
        return;
    }
    if (sim->faults && sim_chance(sim, 3))
        babble(sim, agent);
    if (agent->blocked && agent->ta != NULL) {
        agent->blocked = false;
        zm_scheduler_tick(sim->scheduler);
        zm_ta_writable(sim->scheduler, agent->ta);
    } else if (!agent->greeted) {
        greet(sim, agent);
    } else {
        read_line(sim, number);
    }
    zm_scheduler_settle(sim->scheduler);
}
