/*
 * zm-walk: what mailq costs a scheduler with a long queue.
 *
 * A million recipients, half of them at one destination, are put into the core
 * of a scheduler in this process.  Listings are made in the pieces in which
 * mailq's clients get them; between two pieces the scheduler delivers, so the
 * longest one is how long mail may stand still.  Times are CPU time of this process.
 */
#include <apr_general.h>
#include <stdio.h>
#include <time.h>

#include "mta/scheduler/aside.h"
#include "mta/scheduler/show.h"

#define VERTICES 1000000
#define BIG "big.example"
#define PIECE 65536

static zm_scheduler_t *scheduler;

/* -- an outside that does nothing ---------------------------------------------------------- */

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    (void)baton;
    (void)ta;
    (void)thread;
    (void)process;
    return zm_error_set(error, APR_ENOTIMPL, "there are no agents here");
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)level;
    (void)job;
    (void)text;
}

static void complete(void *baton, zm_job_t *job)
{
    (void)baton;
    zm_job_free(scheduler, job);
}

static apr_status_t discard(void *baton, zm_job_t *job, uint32_t offset)
{
    (void)baton;
    (void)job;
    (void)offset;
    return APR_SUCCESS;
}

static const zm_outside_t outside = {
    .start = start, .event = event, .complete = complete, .discard = discard};

/* -- the queue ----------------------------------------------------------------------------- */

static void add(uint64_t id)
{
    char sender[40], host[40], leaf[30];
    zm_recipient_facts_t recipient = {0};
    zm_job_facts_t facts = {0};

    snprintf(sender, sizeof sender, "s%d@x.example", (int)(id % 5000));
    snprintf(host, sizeof host, "h%d.example", (int)(id % 100000));
    snprintf(leaf, sizeof leaf, "%d", (int)id);
    recipient.channel = zm_str("smtp");
    recipient.host = zm_str(id <= VERTICES / 2 ? BIG : host);
    recipient.sender = zm_str(sender);
    recipient.offset = 100;
    facts.id = id;
    facts.leaf = leaf;
    facts.prefix = "A/B/";
    facts.arrived = scheduler->now - 1000 + (int64_t)(id % 900);
    facts.routed_at = scheduler->now;
    facts.log_id = zm_str(leaf);
    facts.recipients = &recipient;
    facts.recipient_count = facts.total = 1;
    if (zm_queue_add(scheduler, &facts) != APR_SUCCESS)
        fprintf(stderr, "cannot add %s\n", leaf);
}

static bool fill(apr_pool_t *pool)
{
    zm_config_options_t options = {"walk", NULL, false, 1000};
    zm_scheduler_options_t core = {.frozen = true, .seed = 1};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_config_t *config;
    uint64_t id;

    if (zm_config_parse(&config,
                        zm_str("*/* interval=1m retries=\"1\" expiry=3d ageorder\n"
                               "smtp/* command=smtp\n"),
                        &options, &problems, pool) != APR_SUCCESS)
        return false;
    zm_scheduler_create(&scheduler, config, &core, &outside, NULL, pool);
    for (id = 1; id <= VERTICES; id++)
        add(id);
    return true;
}

/* -- measuring ----------------------------------------------------------------------------- */

static double milliseconds(clock_t since)
{
    return (double)(clock() - since) * 1000 / CLOCKS_PER_SEC;
}

static void list(const char *what, zm_show_kind_t kind)
{
    clock_t began = clock();
    zm_show_t *show = zm_show_begin(scheduler, kind, zm_str("smtp"), zm_str(BIG), false, true);
    double longest = 0;
    zm_buf_t piece = ZM_BUF_INIT;
    uint64_t octets = 0;
    apr_status_t status;

    do {
        clock_t start_of_piece = clock();
        double took;
        status = zm_show_more(show, &piece, PIECE);
        took = milliseconds(start_of_piece);
        longest = took > longest ? took : longest;
        octets += piece.length;
        zm_buf_clear(&piece);
    } while (status == APR_SUCCESS);
    zm_show_end(show);
    zm_buf_free(&piece);
    printf("%-24s %7.1f MB %9.0f ms   longest piece %7.1f ms\n", what, (double)octets / 1e6,
           milliseconds(began), longest);
}

static void kill_thread(void)
{
    clock_t began = clock();
    double command, longest = 0;

    zm_aside_thread(scheduler, zm_queue_thread(scheduler, zm_str("smtp"), zm_str(BIG)),
                    ZM_ASIDE_KILL);
    command = milliseconds(began);
    while (scheduler->condemned != NULL) {
        clock_t start_of_step = clock();
        double took;
        zm_scheduler_due(scheduler);
        took = milliseconds(start_of_step);
        longest = took > longest ? took : longest;
    }
    printf("%-24s command %.3f ms, all %.0f ms   longest step  %7.1f ms\n", "KILL THREAD, no files",
           command, milliseconds(began), longest);
}

int main(void)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    if (!fill(pool))
        return 1;
    printf("%u recipients at %u destinations\n", scheduler->vertex_count, scheduler->thread_count);
    list("SHOW QUEUE THREADS2", ZM_SHOW_THREADS2);
    list("SHOW THREAD, 500,000", ZM_SHOW_THREAD);
    list("version 1", ZM_SHOW_VERSION1);
    kill_thread();
    return 0;
}
