/*
 * sim_scheduler: lives of the scheduler, one a seed.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/scheduler/show.h"
#include "platform/clock.h"
#include "tests/sim/lives/sim.h"

#define STEPS 1500
#define LAST_ROUNDS 3000

static const char *const plants[] = {"nothing", "lost", "twice", "limits", "stuck", "unfair"};

/* -- a life -------------------------------------------------------------------------------- */

static zm_config_t *parse(sim_t *sim, zm_str_t text)
{
    static const char site[] = "POSTOFFICE=/po\nMAILSHARE=/share\nMAILBIN=/bin\nLOGDIR=/log\n";
    zm_config_options_t options = {"sim.conf", NULL, false, 1000};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_config_t *config = NULL;
    zm_zenv_t *zenv;
    zm_error_t error;

    if (zm_zenv_parse(&zenv, zm_str(site), "z", "/", NULL, sim->pool, &error) == APR_SUCCESS) {
        options.zenv = zenv;
        if (zm_config_parse(&config, text, &options, &problems, sim->pool) != APR_SUCCESS)
            sim_violation(sim, "configuration: %s", zm_buf_c(&problems));
    }
    zm_buf_free(&problems);
    return config;
}

static void print_config(sim_t *sim, zm_buf_t *text, const char *shaping, const char *rest)
{
    const sim_limits_t *limits = &sim->limits;
    zm_buf_printf(
        text,
        "%s*/* interval=%us retries=\"1 2 3 5\" skew=%u idlemax=%us maxta=%d maxchannel=%d "
        "maxring=%d maxthr=%d overfeed=%d %s %s\none/* command=x\nmany/* command=y\n",
        shaping, 10 + sim_random(sim, 60), 1 + sim_random(sim, 5), 20 + sim_random(sim, 300),
        limits->maxta, limits->maxchannel, limits->maxring, limits->maxthr, limits->overfeed,
        sim_chance(sim, 50) ? "ageorder" : "", rest);
}

static void make_configs(sim_t *sim, bool flood)
{
    sim_limits_t *limits = &sim->limits;
    zm_buf_t text = ZM_BUF_INIT, other = ZM_BUF_INIT;
    char shaping[200] = "";
    const char *expiry = !flood && sim_chance(sim, 30) ? "expiry=20m expiry2=20m" : "";

    limits->maxta = 1 + (int)sim_random(sim, 6);
    limits->maxchannel = 1 + (int)sim_random(sim, 6);
    limits->maxring = 1 + (int)sim_random(sim, 6);
    limits->maxthr = 1 + (int)sim_random(sim, 3);
    if (!flood && sim_chance(sim, 25)) {
        limits->rate = 3 + sim_random(sim, 20);
        limits->period = 20 + sim_random(sim, 60);
        snprintf(shaping, sizeof shaping,
                 "*/* ratethr=%u/%u connring=%u/%u suspend=\"*route*=%us; *later*=20s\"\n",
                 limits->rate, limits->period, 5 + sim_random(sim, 20), limits->period,
                 10 + sim_random(sim, 90));
    }
    limits->overfeed = (int)sim_random(sim, flood ? 150 : 5);
    print_config(sim, &text, shaping, expiry);
    print_config(sim, &other, shaping, expiry);
    sim->config = parse(sim, zm_buf_str(&text));
    sim->other = parse(sim, zm_buf_str(&other));
    zm_buf_free(&text);
    zm_buf_free(&other);
}

static void pass_time(sim_t *sim, uint32_t seconds)
{
    zm_clock_advance(apr_time_from_sec(seconds));
    zm_scheduler_tick(sim->scheduler);
    zm_scheduler_due(sim->scheduler);
    zm_scheduler_settle(sim->scheduler);
}

static int some_agent(sim_t *sim)
{
    int tries, number = -1;
    for (tries = 0; tries < 8 && sim->agent_count > 0; tries++) {
        number = (int)sim_random(sim, (uint32_t)sim->agent_count);
        if (sim->agents[number].alive || sim->agents[number].ta != NULL)
            return number;
    }
    for (number = sim->agent_count - 1; number >= 0; number--)
        if (sim->agents[number].alive || sim->agents[number].ta != NULL)
            return number;
    return -1;
}

static void wild_step(sim_t *sim)
{
    uint32_t dice = sim_random(sim, 1000);
    int number;

    if (dice < 120) {
        sim_new_job(sim);
    } else if (dice < 200) {
        pass_time(sim, sim_random(sim, 60));
    } else if (dice < 220) {
        sim_scan(sim);
    } else if (dice < 235) {
        int host = (int)sim_random(sim, HOSTS);
        sim->down[host] = !sim->down[host];
    } else if (dice < 239) {
        sim_crash_scheduler(sim);
        sim_open_scheduler(sim);
    } else if (dice < 260) {
        sim_command(sim);
    } else if ((number = some_agent(sim)) >= 0) {
        sim_agent_step(sim, number);
    }
    sim_check_limits(sim);
}

static bool anything_left(const sim_t *sim)
{
    int i;
    for (i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].exists)
            return true;
    return false;
}

/* No more faults: now everything has to come to its end. */
static void calm_round(sim_t *sim)
{
    int i, before = sim->agent_count;
    for (i = 0; i < before; i++)
        if (sim->agents[i].alive || sim->agents[i].ta != NULL)
            sim_agent_step(sim, i);
    sim_check_limits(sim);
    if (sim_chance(sim, 30))
        pass_time(sim, 5);
    if (sim_chance(sim, 10))
        sim_scan(sim);
}

static void show_queue(sim_t *sim)
{
    zm_show_t *show =
        zm_show_begin(sim->scheduler, ZM_SHOW_THREADS, ZM_S(""), ZM_S(""), false, false);
    zm_buf_t text = ZM_BUF_INIT;
    while (zm_show_more(show, &text, 4096) == APR_SUCCESS)
        continue;
    zm_show_end(show);
    fwrite(text.data, 1, text.length, stdout);
    zm_buf_free(&text);
}

static void check_end(sim_t *sim)
{
    int i, j;
    if (anything_left(sim) && sim->violation[0] == '\0')
        show_queue(sim);
    if (anything_left(sim))
        sim_violation(sim, "something was not delivered in the end");
    for (i = 0; i < sim->job_count; i++)
        for (j = 0; j < sim->jobs[i].count; j++) {
            const sim_recipient_t *recipient = &sim->jobs[i].recipients[j];
            if (recipient->tag == '+' && recipient->delivered == 0)
                sim_violation(sim, "job %d recipient %d is marked but was not delivered", i + 1, j);
            if (recipient->tag != '+' && recipient->tag != '-')
                sim_violation(sim, "job %d recipient %d was lost", i + 1, j);
        }
    if (sim->violation[0] == '\0' && sim->scheduler->vertex_count != 0)
        sim_violation(sim, "vertices are left over");
}

/* Faults of every kind, then calm, in which everything has to come to its end. */
static void wild_life(sim_t *sim)
{
    int i;
    sim->faults = true;
    for (i = 0; i < STEPS && sim->violation[0] == '\0'; i++)
        wild_step(sim);
    sim->faults = false;
    sim_release_all(sim);
    memset(sim->down, 0, sizeof sim->down);
    for (i = 0; i < LAST_ROUNDS && sim->violation[0] == '\0' && anything_left(sim); i++)
        calm_round(sim);
    check_end(sim);
}

/* One life in eight is a flood. */
static void live(sim_t *sim, uint64_t seed, plant_t plant)
{
    bool flood = seed % 8 == 0 || plant == PLANT_UNFAIR;
    int i;

    memset(sim, 0, sizeof *sim);
    apr_pool_create(&sim->pool, NULL);
    sim->random = seed * 1000003;
    sim->plant = plant;
    zm_clock_freeze(apr_time_from_sec(SIM_START), apr_time_from_sec(1000));
    make_configs(sim, flood);
    sim->multi[0] = sim_chance(sim, 10);
    sim->multi[1] = sim_chance(sim, 90);
    sim_open_scheduler(sim);
    if (flood)
        sim_flood(sim);
    else
        wild_life(sim);
    sim_crash_scheduler(sim);
    for (i = 0; i < sim->agent_count; i++)
        zm_buf_free(&sim->agents[i].inbox);
    apr_pool_destroy(sim->pool);
    zm_clock_thaw();
}

/* -- the program --------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static sim_t sim;
    uint64_t seeds = 100, first = 1, seed, violations = 0, deliveries = 0, crashes = 0;
    uint32_t longest = 0;
    plant_t plant = PLANT_NOTHING;
    int i;

    apr_initialize();
    atexit(apr_terminate);
    for (i = 1; i + 1 < argc; i += 2) {
        int j;
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            first = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--plant") == 0)
            for (j = 0; j < (int)(sizeof plants / sizeof plants[0]); j++)
                if (strcmp(argv[i + 1], plants[j]) == 0)
                    plant = (plant_t)j;
    }
    for (seed = first; seed < first + seeds; seed++) {
        live(&sim, seed, plant);
        deliveries += sim.deliveries;
        crashes += sim.crashes;
        if (sim.longest_wait > longest)
            longest = sim.longest_wait;
        if (sim.violation[0] == '\0')
            continue;
        violations++;
        if (violations <= 10)
            printf("seed %llu: %s\n", (unsigned long long)seed, sim.violation);
    }
    printf(
        "%llu seeds, %llu deliveries, %llu crashes of the scheduler, longest wait behind a flood "
        "%u ms, %llu violations\n",
        (unsigned long long)seeds, (unsigned long long)deliveries, (unsigned long long)crashes,
        longest, (unsigned long long)violations);
    return violations != 0;
}
