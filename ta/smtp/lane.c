#include "ta/smtp/lane.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "ta/agent/report.h"
#include "ta/smtp/canon.h"
#include "ta/smtp/demand.h"
#include "ta/smtp/session.h"
#include "ta/smtp/tally.h"
#include "ta/smtp/tls_client.h"

#define RETRY 60     /* seconds that the scheduler is asked to wait */
#define RETRY_TLS 61 /* the same where TLS failed: later than when mail may go in clear */
#define BELIEVED                                                                                   \
    1 /* seconds that a failure to open a session answers what was fed before it was known */
#define GREETING_PATIENCE 86400 /* seconds of message age until a 5xx greeting is believed */

/* A line of the scheduler that has not been opened yet. */
typedef struct waiting_t {
    struct waiting_t *next;
    apr_size_t path_length;
    bool with_host;
    char path[];
} waiting_t;

/* An open job and how many of its transactions are left. */
typedef struct zm_task_t {
    struct zm_task_t *next;
    zm_job_t *job;
    int left;
} zm_task_t;

typedef struct lane_t {
    zm_smtp_t *smtp;
    char *host;   /* the key: as fed, and a LF behind it when relaxed */
    bool relaxed; /* what the domain demands of TLS does not count */
    waiting_t *first, **last;
    zm_task_t *tasks;                         /* open jobs */
    zm_transaction_t *planned, **planned_end; /* to send, in order */
    zm_timer_t timer; /* the idle session's end; or the moment when a failure is forgotten */

    apr_pool_t *naming; /* of questions about the domains of the first planned one; null: none */
    zm_session_t *session;
    bool open;       /* the session is; else it is being opened */
    apr_pool_t *way; /* holds the route while a session is being opened */
    const zm_route_t *route;
    int hop;
    bool helo_only;

    /* Why no session could be opened. */
    apr_pool_t *failure_pool;
    zm_outcome_t failure;
    bool failure_permanent_greeting;
    apr_time_t believed_until; /* monotonic; 0: there is no failure to remember */
} lane_t;

static void advance(lane_t *lane);

/* -- lanes ----------------------------------------------------------------- */

static void on_timer(zm_timer_t *timer, void *baton);

static lane_t *lane_of(zm_smtp_t *smtp, zm_str_t host)
{
    lane_t *lane = apr_hash_get(smtp->lanes, host.data, (apr_ssize_t)host.length);
    if (lane != NULL)
        return lane;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL || (lane->host = malloc(host.length + 1)) == NULL)
        abort();
    memcpy(lane->host, host.data, host.length);
    lane->host[host.length] = '\0';
    lane->smtp = smtp;
    lane->relaxed = host.length > 0 && host.data[host.length - 1] == '\n';
    lane->failure.result = ZM_RESULT_TEMPFAIL;
    lane->last = &lane->first;
    lane->planned_end = &lane->planned;
    zm_timer_init(&lane->timer, smtp->loop, on_timer, lane);
    apr_hash_set(smtp->lanes, lane->host, (apr_ssize_t)host.length, lane);
    return lane;
}

/* The destination that a lane is for. */
static zm_str_t host_of(const lane_t *lane)
{
    zm_str_t host = zm_str(lane->host);
    host.length -= lane->relaxed;
    return host;
}

static bool has_work(const lane_t *lane)
{
    return lane->first != NULL || lane->tasks != NULL;
}

static void forget_failure(lane_t *lane)
{
    lane->believed_until = 0;
    if (lane->failure_pool != NULL)
        apr_pool_destroy(lane->failure_pool);
    lane->failure_pool = NULL;
    lane->failure = (zm_outcome_t){.result = ZM_RESULT_TEMPFAIL};
}

/* Frees a lane that has nothing to do and nothing to remember. */
static void drop_if_done(lane_t *lane)
{
    if (has_work(lane) || lane->session != NULL || lane->way != NULL || lane->believed_until != 0)
        return;
    zm_timer_cancel(&lane->timer);
    apr_hash_set(lane->smtp->lanes, lane->host, (apr_ssize_t)strlen(lane->host), NULL);
    free(lane->host);
    free(lane);
}

static void on_timer(zm_timer_t *timer, void *baton)
{
    lane_t *lane = baton;
    (void)timer;
    if (lane->session != NULL && zm_session_idle(lane->session) && !has_work(lane)) {
        zm_session_end(lane->session);
        lane->session = NULL;
        lane->open = false;
    }
    if (lane->believed_until != 0 && zm_clock_monotonic() >= lane->believed_until)
        forget_failure(lane);
    drop_if_done(lane);
}

/* -- jobs ------------------------------------------------------------------ */

static void end_task(lane_t *lane, zm_task_t *task)
{
    zm_agent_t *agent = lane->smtp->agent;
    zm_job_t *job = task->job;
    zm_task_t **at;
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t path = job->path.length;
    bool with_host = job->with_host;
    for (at = &lane->tasks; *at != task; at = &(*at)->next)
        ;
    *at = task->next;
    zm_buf_add_str(&line, job->path);
    zm_buf_add_str(&line, job->host);
    zm_job_close(job);
    zm_agent_done(agent, zm_str_of(line.data, path), zm_str_from(zm_buf_str(&line), path),
                  with_host);
    zm_buf_free(&line);
    free(task);
}

static void plan(lane_t *lane, zm_task_t *task, zm_group_t *group, int first, int count)
{
    zm_transaction_t *transaction =
        zm_transaction_create(lane->smtp, task->job, group, group->recipients + first, count);
    transaction->task = task;
    task->left++;
    *lane->planned_end = transaction;
    lane->planned_end = &transaction->next;
}

/* Whether two recipients may share a transaction.  One with EZMLM data has a sender of its own, and
 * MAIL gives one deadline, and says for all whether they need TLS. */
static bool travel_together(const zm_recipient_t *one, const zm_recipient_t *other, bool ezmlm)
{
    const zm_dsn_t *a = &one->dsn, *b = &other->dsn;
    if ((ezmlm && (a->ezmlm.length > 0 || b->ezmlm.length > 0)) || a->require_tls != b->require_tls)
        return false;
    return a->has_by == b->has_by && (!a->has_by || (a->by == b->by && a->by_mode == b->by_mode &&
                                                     a->by_trace == b->by_trace));
}

/* Cuts a group into transactions. */
static void plan_group(lane_t *lane, zm_task_t *task, zm_group_t *group)
{
    bool ezmlm = !lane->smtp->options->ignore_ezmlm;
    int first = 0, next;
    while (first < group->count) {
        next = first + 1;
        while (next < group->count &&
               travel_together(group->recipients[first], group->recipients[next], ezmlm))
            next++;
        plan(lane, task, group, first, next - first);
        first = next;
    }
}

static zm_task_t *begin_task(lane_t *lane, zm_job_t *job)
{
    zm_task_t *task = calloc(1, sizeof *task);
    if (task == NULL)
        abort();
    task->job = job;
    task->next = lane->tasks;
    lane->tasks = task;
    return task;
}

static void plan_all(lane_t *lane, zm_task_t *task)
{
    int i;
    for (i = 0; i < task->job->group_count; i++)
        plan_group(lane, task, &task->job->groups[i]);
}

/* Gives a job to the lane for those that ask for less TLS. */
static void relax(const lane_t *lane, zm_job_t *job)
{
    zm_buf_t key = ZM_BUF_INIT;
    lane_t *other;
    zm_buf_add_str(&key, host_of(lane));
    zm_buf_add_byte(&key, '\n');
    other = lane_of(lane->smtp, zm_buf_str(&key));
    zm_buf_free(&key);
    plan_all(other, begin_task(other, job));
    advance(other);
}

static zm_task_t *open_next(lane_t *lane)
{
    waiting_t *waiting = lane->first;
    zm_job_line_t line = {zm_str_of(waiting->path, waiting->path_length), host_of(lane),
                          waiting->with_host};
    zm_task_t *task = NULL;
    zm_job_t *job;
    lane->first = waiting->next;
    if (lane->first == NULL)
        lane->last = &lane->first;
    if (zm_job_open(&job, lane->smtp->agent, &line) != ZM_JOB_READY)
        zm_agent_done(lane->smtp->agent, line.path, line.host, line.with_host);
    else if (!lane->relaxed && !lane->smtp->agent->stopping && zm_demand_relaxed(job))
        relax(lane, job);
    else
        task = begin_task(lane, job);
    free(waiting);
    return task;
}

/* Opens lines until there is something to send.  False: there is nothing. */
static bool have_planned(lane_t *lane)
{
    while (lane->planned == NULL && lane->first != NULL) {
        zm_task_t *task = open_next(lane);
        if (task != NULL)
            plan_all(lane, task);
    }
    return lane->planned != NULL;
}

/* -- names of recipients' domains ------------------------------------------- */

static void stop_naming(lane_t *lane)
{
    if (lane->naming != NULL)
        apr_pool_destroy(lane->naming);
    lane->naming = NULL;
}

static void on_named(void *baton)
{
    lane_t *lane = baton;
    stop_naming(lane);
    if (lane->session != NULL && lane->open)
        zm_session_work(lane->session);
}

/* Whether the addresses of its recipients are known; else the session is told when they are. */
static bool is_named(lane_t *lane, zm_transaction_t *transaction)
{
    if (lane->naming != NULL)
        return false;
    if (transaction->named || !lane->smtp->options->canon_rcpt)
        return true;
    transaction->named = true;
    apr_pool_create(&lane->naming, lane->smtp->agent->pool);
    if (zm_canon_begin(transaction, lane->smtp->dns, on_named, lane, lane->naming))
        return false;
    stop_naming(lane);
    return true;
}

/* -- failure to open a session --------------------------------------------- */

static void answer(lane_t *lane, zm_task_t *task)
{
    zm_outcome_t outcome = lane->failure;
    int64_t age = (int64_t)apr_time_sec(zm_clock_wall()) - task->job->info.mtime_s;
    if (lane->failure_permanent_greeting && age > GREETING_PATIENCE) {
        outcome.result = ZM_RESULT_UNAVAILABLE;
        outcome.retry = 0;
    }
    outcome.spent = zm_clock_monotonic() - task->job->started;
    zm_job_report_all(task->job, &outcome);
    end_task(lane, task);
}

/* Answers every open job, and the lines behind them, with the failure. */
static void answer_all(lane_t *lane)
{
    bool temporary = zm_result_temporary(lane->failure.result);
    stop_naming(lane);
    lane->planned = NULL;
    lane->planned_end = &lane->planned;
    while (lane->tasks != NULL) {
        zm_task_t *task = lane->tasks, *oldest = task;
        for (; task != NULL; task = task->next)
            oldest = task; /* the list is youngest first */
        answer(lane, oldest);
    }
    lane->failure.result = temporary ? ZM_RESULT_DEFERALL : lane->failure.result;
    while (temporary && lane->first != NULL) {
        zm_task_t *task = open_next(lane);
        if (task != NULL)
            answer(lane, task);
    }
}

static void end_way(lane_t *lane)
{
    if (lane->way != NULL)
        apr_pool_destroy(lane->way);
    lane->way = NULL;
    lane->route = NULL;
}

/* All hops failed: the remembered failure is told. */
static void give_up(lane_t *lane)
{
    end_way(lane);
    answer_all(lane);
    if (zm_result_temporary(lane->failure.result)) {
        lane->believed_until = zm_clock_monotonic() + apr_time_from_sec(BELIEVED);
        zm_timer_set(&lane->timer, apr_time_from_sec(BELIEVED));
    } else
        forget_failure(lane);
    advance(lane);
}

/* Keeps a failure if it says more than the one that is kept: what is worth another try comes first.
 */
static void remember(lane_t *lane, const zm_outcome_t *outcome, bool greeting)
{
    bool had = lane->failure_pool != NULL;
    apr_pool_t *pool;
    if (had && zm_result_temporary(lane->failure.result) &&
        !(zm_result_temporary(outcome->result) && !greeting))
        return;
    apr_pool_create(&pool, lane->smtp->agent->pool);
    lane->failure = *outcome;
    lane->failure.status = zm_str_copy(pool, outcome->status);
    lane->failure.diagnostic = zm_str_copy(pool, outcome->diagnostic);
    lane->failure.remote = zm_str_copy(pool, outcome->remote);
    lane->failure.remote_ip = zm_str_copy(pool, outcome->remote_ip);
    lane->failure.text = zm_str_copy(pool, outcome->text);
    lane->failure.agent = zm_str(lane->smtp->identity);
    lane->failure_permanent_greeting = greeting;
    if (had)
        apr_pool_destroy(lane->failure_pool);
    lane->failure_pool = pool;
}

/* -- the session's side ---------------------------------------------------- */

static void try_hop(lane_t *lane);

static void on_opened(void *baton)
{
    lane_t *lane = baton;
    lane->open = true;
    end_way(lane);
    forget_failure(lane);
}

static void on_failed(void *baton, const zm_refusal_t *refusal)
{
    lane_t *lane = baton;
    const zm_peer_t *peer = zm_session_peer(lane->session);
    zm_outcome_t outcome = {0};
    outcome.result = refusal->result;
    outcome.retry = refusal->tls_failed                     ? RETRY_TLS
                    : refusal->result == ZM_RESULT_TEMPFAIL ? RETRY
                                                            : 0;
    outcome.status = zm_str(refusal->status);
    outcome.diagnostic = zm_str(refusal->diagnostic);
    outcome.text = zm_str(refusal->text);
    outcome.remote = zm_str(peer->remote);
    outcome.remote_ip = zm_str(peer->address);
    remember(lane, &outcome, refusal->greeting_permanent);
    lane->session = NULL;
    if (refusal->ehlo_broke && !lane->helo_only)
        lane->helo_only = true;
    else {
        lane->helo_only = false;
        lane->hop++;
    }
    try_hop(lane);
}

/* Puts the recipients beyond what the server takes into a transaction that follows. */
static void split(lane_t *lane, zm_transaction_t *transaction, int limit)
{
    zm_transaction_t *rest;
    if (transaction->count <= limit)
        return;
    rest = zm_transaction_split(transaction, limit);
    rest->next = transaction->next;
    transaction->next = rest;
    transaction->task->left++;
    if (rest->next == NULL)
        lane->planned_end = &rest->next;
}

static zm_transaction_t *next_transaction(void *baton)
{
    lane_t *lane = baton;
    zm_transaction_t *transaction;
    if (lane->smtp->agent->stopping || !have_planned(lane)) {
        zm_timer_set(&lane->timer, lane->smtp->options->idle);
        return NULL;
    }
    transaction = lane->planned;
    if (!is_named(lane, transaction))
        return NULL;
    split(lane, transaction, zm_session_peer(lane->session)->rcpt_limit);
    lane->planned = transaction->next;
    if (lane->planned == NULL)
        lane->planned_end = &lane->planned;
    transaction->next = NULL;
    return transaction;
}

static void on_done(void *baton, zm_transaction_t *transaction)
{
    zm_task_t *task = transaction->task;
    if (--task->left == 0)
        end_task(baton, task);
}

static void on_again(void *baton, zm_transaction_t *transaction)
{
    lane_t *lane = baton;
    zm_transaction_t **at = &lane->planned;
    while (*at != NULL && (*at)->retried) /* two may come back: they keep their order */
        at = &(*at)->next;
    transaction->next = *at;
    *at = transaction;
    if (transaction->next == NULL)
        lane->planned_end = &transaction->next;
}

static void on_closed(void *baton)
{
    lane_t *lane = baton;
    lane->session = NULL;
    lane->open = false;
    advance(lane);
}

/* -- opening a session ----------------------------------------------------- */

static void on_dane(const zm_dane_t *dane, void *baton)
{
    lane_t *lane = baton;
    lane->route->hops[lane->hop].dane = dane;
    try_hop(lane);
}

static void try_hop(lane_t *lane)
{
    zm_hop_t *hop;
    const zm_session_owner_t owner = {lane,    on_opened, on_failed, next_transaction,
                                      on_done, on_again,  on_closed};
    if (lane->smtp->agent->stopping || lane->hop >= lane->route->count) {
        give_up(lane);
        return;
    }
    hop = &lane->route->hops[lane->hop];
    hop->relaxed = lane->relaxed;
    if (hop->dane == NULL && zm_tls_client_asks_dane(lane->smtp->tls, hop, lane->way))
        zm_dane_find(hop, lane->smtp->dns, on_dane, lane, lane->way);
    else
        zm_session_start(&lane->session, lane->smtp, hop, hop->literal, lane->helo_only, &owner);
}

static void on_route(const zm_route_t *route, void *baton)
{
    lane_t *lane = baton;
    zm_outcome_t outcome = {0};
    lane->route = route;
    lane->hop = 0;
    lane->helo_only = false;
    if (route->count > 0) {
        try_hop(lane);
        return;
    }
    if (strcmp(route->status, "5.4.6") == 0)
        zm_tally_loop(lane->smtp);
    outcome.result = route->result;
    outcome.status = zm_str(route->status);
    outcome.diagnostic = zm_str(apr_psprintf(lane->way, "smtp; 500 (%s)", route->reason));
    outcome.text = zm_str(route->reason);
    outcome.remote =
        zm_str(apr_psprintf(lane->way, "dns; %.*s", (int)host_of(lane).length, lane->host));
    remember(lane, &outcome, false);
    give_up(lane);
}

/* TLS cannot be had as the site wants it. */
static void all_waits(lane_t *lane, const char *trouble)
{
    zm_outcome_t outcome = {.result = ZM_RESULT_DEFERALL, .status = ZM_S("4.3.5")};
    outcome.text = zm_str(trouble);
    outcome.diagnostic = ZM_S("smtp; 500 (TLS is not set up as this site wants it)");
    remember(lane, &outcome, false);
    give_up(lane);
}

static void open_session(lane_t *lane)
{
    zm_smtp_t *smtp = lane->smtp;
    const char *punt = smtp->options->punt, *trouble = zm_tls_client_trouble(smtp->tls);
    if (trouble != NULL) {
        all_waits(lane, trouble);
        return;
    }
    apr_pool_create(&lane->way, smtp->agent->pool);
    zm_route_find(punt != NULL ? zm_str(punt) : zm_str_copy(lane->way, host_of(lane)), punt != NULL,
                  smtp->options, smtp->dns, on_route, lane, lane->way);
}

/* Does what can be done now: the one place that decides. */
static void advance(lane_t *lane)
{
    if (lane->session != NULL && lane->open)
        zm_session_work(lane->session);
    else if (lane->way != NULL || lane->session != NULL)
        return; /* a session is being opened */
    else if (lane->smtp->agent->stopping)
        drop_if_done(lane);
    else if (lane->believed_until != 0 && has_work(lane))
        answer_all(lane);
    else if (have_planned(lane))
        open_session(lane);
    else
        drop_if_done(lane);
}

/* -- the interface --------------------------------------------------------- */

void zm_lanes_feed(zm_smtp_t *smtp, const zm_job_line_t *line)
{
    lane_t *lane = lane_of(smtp, line->host);
    waiting_t *waiting = malloc(sizeof *waiting + line->path.length);
    if (waiting == NULL)
        abort();
    waiting->next = NULL;
    waiting->path_length = line->path.length;
    waiting->with_host = line->with_host;
    memcpy(waiting->path, line->path.data, line->path.length);
    *lane->last = waiting;
    lane->last = &waiting->next;
    advance(lane);
}

static void interrupt(lane_t *lane)
{
    zm_agent_t *agent = lane->smtp->agent;
    while (lane->first != NULL) { /* not begun: the scheduler feeds them to the next agent */
        waiting_t *waiting = lane->first;
        lane->first = waiting->next;
        free(waiting);
        agent->running--;
    }
    lane->last = &lane->first;
    stop_naming(lane);
    while (lane->planned != NULL) {
        zm_transaction_t *transaction = lane->planned;
        static const zm_peer_t nobody;
        lane->planned = transaction->next;
        zm_transaction_fail(transaction, &nobody, ZM_RESULT_TEMPFAIL, "4.3.2",
                            "the agent is being stopped", 0);
        on_done(lane, transaction);
    }
    lane->planned_end = &lane->planned;
    if (lane->session != NULL && lane->open)
        zm_session_interrupt(lane->session);
    else if (lane->session != NULL) {
        zm_session_end(lane->session);
        lane->session = NULL;
    }
}

/* The lanes as an array: they come and go while they are worked on. */
static lane_t **all_lanes(zm_smtp_t *smtp, int *count, apr_pool_t *pool)
{
    lane_t **lanes = apr_palloc(pool, sizeof *lanes * (apr_hash_count(smtp->lanes) + 1));
    apr_hash_index_t *index;
    *count = 0;
    for (index = apr_hash_first(pool, smtp->lanes); index != NULL; index = apr_hash_next(index))
        lanes[(*count)++] = apr_hash_this_val(index);
    return lanes;
}

void zm_lanes_interrupt(zm_smtp_t *smtp)
{
    apr_pool_t *pool;
    lane_t **lanes;
    int count, i;
    apr_pool_create(&pool, smtp->agent->pool);
    lanes = all_lanes(smtp, &count, pool);
    for (i = 0; i < count; i++)
        interrupt(lanes[i]);
    apr_pool_destroy(pool);
}

void zm_lanes_close(zm_smtp_t *smtp)
{
    apr_pool_t *pool;
    lane_t **lanes;
    int count, i;
    apr_pool_create(&pool, smtp->agent->pool);
    lanes = all_lanes(smtp, &count, pool);
    for (i = 0; i < count; i++) {
        if (lanes[i]->session != NULL)
            zm_session_end(lanes[i]->session);
        lanes[i]->session = NULL;
        stop_naming(lanes[i]);
        end_way(lanes[i]);
        forget_failure(lanes[i]);
        drop_if_done(lanes[i]);
    }
    apr_pool_destroy(pool);
}
