/* The commands of MAILQ-V2 after the login. */
#include "mta/scheduler/account.h"
#include "mta/scheduler/aside.h"
#include "mta/scheduler/mailqd_session.h"
#include "platform/log.h"
#include "spool/layout.h"

/* Of a page. */
#define MOST_LINES 1000000

static bool reply(zm_mailq_session_t *session, const char *text)
{
    zm_stream_printf(session->stream, "%s\n", text);
    return true;
}

static void count(zm_mailq_session_t *session, zm_counter_t counter)
{
    zm_counter_add(session->scheduler->shared, counter, 1);
}

/* -- what commands name -------------------------------------------------------------------- */

/* A job by its Message-ID, with its angle brackets or without. */
static zm_job_t *find_message(const zm_scheduler_t *scheduler, zm_str_t id)
{
    zm_buf_t whole = ZM_BUF_INIT;
    zm_job_t *job = zm_queue_find_message(scheduler, id);

    if (job == NULL && id.length > 0 && id.data[0] != '<') {
        zm_buf_printf(&whole, "<%.*s>", (int)id.length, id.data);
        job = zm_queue_find_message(scheduler, zm_buf_str(&whole));
        zm_buf_free(&whole);
    }
    return job;
}

/* A job by its file name, perhaps with hash directories or a suffix, or by its spool id. */
static zm_job_t *find_file(const zm_scheduler_t *scheduler, zm_str_t id)
{
    char spool_id[ZM_SPOOL_ID_SIZE];
    apr_size_t start = 0, end, i;
    uint64_t number;
    zm_job_t *job;

    for (i = 0; i < id.length; i++)
        if (id.data[i] == '/')
            start = i + 1;
    id = zm_str_from(id, start);
    start = id.length > 0 && id.data[0] == 'S' ? 1 : 0;
    for (end = start; end < id.length && zm_is_digit(id.data[end]); end++)
        continue;
    if (zm_str_u64(zm_str_of(id.data + start, end - start), &number) != APR_SUCCESS)
        return NULL;
    job = zm_queue_find(scheduler, number);
    if (job == NULL || start == 0 || end == id.length)
        return job;
    zm_layout_spool_id(spool_id, job->id, job->arrived, job->arrived_ns);
    return zm_str_equal_c(id, spool_id) ? job : NULL; /* the number may be another's by now */
}

static zm_job_t *find_job(const zm_scheduler_t *scheduler, zm_str_t id)
{
    zm_job_t *job = zm_str_find(id, '@') < 0 ? find_file(scheduler, id) : NULL;
    if (job == NULL)
        job = find_message(scheduler, id);
    /* Who has killed a message is to find that it is gone, though its files go a moment later. */
    return job != NULL && (job->flags & ZM_JOB_KILLED) != 0 ? NULL : job;
}

typedef struct place_t {
    zm_text_t *channel, *host;
} place_t;

/* CHANNEL HOST, in lower case; give the texts back with place_drop. */
static bool take_place(zm_mailq_session_t *session, zm_str_t *rest, place_t *place)
{
    zm_texts_t *texts = &session->scheduler->texts;
    zm_str_t channel, host;

    if (!zm_str_word(rest, &channel) || !zm_str_word(rest, &host))
        return false;
    place->channel = zm_text_get_lower(texts, channel);
    place->host = zm_text_get_lower(texts, host);
    return true;
}

static void place_drop(zm_mailq_session_t *session, place_t *place)
{
    zm_text_drop(&session->scheduler->texts, place->channel);
    zm_text_drop(&session->scheduler->texts, place->host);
}

static zm_thread_t *thread_at(const zm_mailq_session_t *session, const place_t *place)
{
    return zm_queue_thread(session->scheduler, zm_text_str(place->channel),
                           zm_text_str(place->host));
}

static void note(const char *what, zm_str_t whom)
{
    zm_log(ZM_LOG_NOTICE, NULL, "by command", ZM_F_S("do", what),
           ZM_F_N("with", zm_str_trim(whom)));
}

/* -- SHOW, EXPLAIN ------------------------------------------------------------------------- */

static bool show(zm_mailq_session_t *session, zm_show_kind_t kind, zm_str_t channel, zm_str_t host)
{
    zm_mailq_show(session, zm_show_begin(session->scheduler, kind, channel, host, false, true));
    return true;
}

static bool show_counters(zm_mailq_session_t *session, zm_str_t rest)
{
    (void)rest;
    zm_mailq_show_counters(session);
    return true;
}

static bool show_snmp(zm_mailq_session_t *session, zm_str_t rest)
{
    (void)rest;
    return show(session, ZM_SHOW_TOTALS, ZM_S(""), ZM_S(""));
}

static bool show_queue(zm_mailq_session_t *session, zm_str_t rest)
{
    static const struct {
        const char *word;
        int right;
        zm_show_kind_t kind;
        zm_counter_t counter;
    } kinds[] = {
        {"SHORT", ZM_MAY_QUEUE, ZM_SHOW_SHORT, ZM_COUNT_SC_MQ2CommandShowQueueShort},
        {"THREADS", ZM_MAY_THREADS, ZM_SHOW_THREADS, ZM_COUNT_SC_MQ2CommandShowQueueThreads},
        {"THREADS2", ZM_MAY_THREADS, ZM_SHOW_THREADS2, ZM_COUNT_SC_MQ2CommandShowQueueThreads2},
    };
    zm_str_t which;
    int i;

    if (!zm_str_word(&rest, &which))
        return false;
    for (i = 0; i < 3; i++)
        if (zm_str_equal_c(which, kinds[i].word) && (session->rights & kinds[i].right) != 0) {
            count(session, kinds[i].counter);
            return show(session, kinds[i].kind, ZM_S(""), ZM_S(""));
        }
    return false;
}

static bool show_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_str_t channel, host;
    return zm_str_word(&rest, &channel) && zm_str_word(&rest, &host) &&
           show(session, ZM_SHOW_THREAD, channel, host);
}

static bool about_job(zm_mailq_session_t *session, zm_str_t rest, zm_show_kind_t kind)
{
    zm_job_t *job;
    zm_str_t id;

    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    if (job == NULL)
        return reply(session, "-No such message in the queue");
    zm_mailq_show(session, zm_show_begin_job(session->scheduler, kind, job->id));
    return true;
}

static bool show_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    return about_job(session, rest, ZM_SHOW_JOB);
}

static bool explain_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    return about_job(session, rest, ZM_SHOW_EXPLAIN_JOB);
}

static bool explain_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    place_t place;
    if (!take_place(session, &rest, &place))
        return false;
    show(session, ZM_SHOW_EXPLAIN_THREAD, zm_text_str(place.channel), zm_text_str(place.host));
    place_drop(session, &place);
    return true;
}

/* -- delivery now -------------------------------------------------------------------------- */

static bool etrn(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_str_t host;
    int count;

    if (!zm_str_word(&rest, &host))
        return false;
    count = zm_scheduler_etrn(session->scheduler, host);
    zm_log(ZM_LOG_NOTICE, NULL, "etrn", ZM_F_N("host", host), ZM_F_N("for", zm_str_trim(rest)),
           ZM_F_I("threads", count));
    return reply(session,
                 count > 0 ? "+OK; delivery is started" : "+OK; nothing waits for that host");
}

static bool retry_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_thread_t *thread;
    place_t place;

    note("retry thread", rest);
    if (!take_place(session, &rest, &place))
        return false;
    thread = thread_at(session, &place);
    place_drop(session, &place);
    if (thread == NULL)
        return reply(session, "-No such thread");
    return reply(session, zm_scheduler_retry(session->scheduler, thread) > 0
                              ? "+OK; delivery is started"
                              : "+OK; it is being served already, or on hold");
}

static bool retry_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_job_t *job;
    zm_str_t id;

    note("retry message", rest);
    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    if (job == NULL)
        return reply(session, "-No such message in the queue");
    zm_stream_printf(session->stream, "+OK; delivery is started to %d destinations\n",
                     zm_aside_retry_job(session->scheduler, job));
    return true;
}

/* Somebody else has changed its control file. */
static bool resync_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_scheduler_t *scheduler = session->scheduler;
    zm_job_t *job;
    zm_str_t id;

    note("read message again", rest);
    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(scheduler, id);
    if (job == NULL)
        return reply(session, "+OK; no such message in the queue");
    if ((job->flags & ZM_JOB_FINISHING) == 0)
        scheduler->outside->reread(scheduler->baton, job);
    return reply(session, "+OK; read again");
}

/* -- holding ------------------------------------------------------------------------------- */

static bool hold_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    place_t place;
    bool mail;

    note("hold thread", rest);
    if (!take_place(session, &rest, &place))
        return false;
    mail = zm_aside_hold_thread(session->scheduler, zm_text_str(place.channel),
                                zm_text_str(place.host));
    place_drop(session, &place);
    return reply(session, mail ? "+OK; on hold" : "+OK; on hold, though nothing waits for it now");
}

static bool release_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    place_t place;
    bool done;

    note("release thread", rest);
    if (!take_place(session, &rest, &place))
        return false;
    done = zm_aside_release_thread(session->scheduler, zm_text_str(place.channel),
                                   zm_text_str(place.host));
    place_drop(session, &place);
    return reply(session, done ? "+OK; released" : "-It is not on hold");
}

static bool hold_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_job_t *job;
    zm_str_t id;
    uint32_t busy;

    note("hold message", rest);
    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    if (job == NULL)
        return reply(session, "-No such message in the queue");
    busy = zm_aside_hold_job(session->scheduler, job);
    if (busy == 0)
        return reply(session, "+OK; on hold");
    zm_stream_printf(session->stream,
                     "+OK; on hold, but for %u recipients delivery is being tried just now\n",
                     busy);
    return true;
}

static bool release_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_job_t *job;
    zm_str_t id;

    note("release message", rest);
    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    if (job == NULL)
        return reply(session, "-No such message in the queue");
    zm_aside_release_job(session->scheduler, job);
    return reply(session, "+OK; released");
}

/* -- taking out of the queue --------------------------------------------------------------- */

static void tell_syslog(const zm_mailq_session_t *session, const zm_job_t *job)
{
    char spool_id[ZM_SPOOL_ID_SIZE];
    if (!session->syslog)
        return;
    zm_layout_spool_id(spool_id, job->id, job->arrived, job->arrived_ns);
    zm_log_syslog(ZM_LOG_INFO, "scheduler", "%s: %llu killed", spool_id,
                  (unsigned long long)job->id);
}

static bool kill_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    zm_job_t *job;
    zm_str_t id;

    note("kill message", rest);
    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    session->scheduler->counters.kill_job++;
    if (job != NULL) {
        tell_syslog(session, job);
        zm_scheduler_kill(session->scheduler, job);
    }
    return reply(session, job != NULL ? "+OK; killed" : "+OK; no such message in the queue");
}

static bool thread_aside(zm_mailq_session_t *session, zm_str_t rest, zm_aside_t kind)
{
    uint32_t recipients = 0;
    zm_thread_t *thread;
    place_t place;

    if (!take_place(session, &rest, &place))
        return false;
    thread = thread_at(session, &place);
    place_drop(session, &place);
    if (thread != NULL) {
        recipients = thread->recipients;
        zm_aside_thread(session->scheduler, thread, kind);
    }
    zm_stream_printf(session->stream, "+OK; %u recipients\n", recipients);
    return true;
}

static bool job_aside(zm_mailq_session_t *session, zm_str_t rest, zm_aside_t kind)
{
    zm_job_t *job;
    zm_str_t id;

    if (!zm_str_word(&rest, &id))
        return false;
    job = find_job(session->scheduler, id);
    if (job == NULL)
        return reply(session, "-No such message in the queue");
    zm_stream_printf(session->stream, "+OK; %u recipients\n",
                     zm_aside_job(session->scheduler, job, kind));
    return true;
}

static bool kill_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    note("kill thread", rest);
    session->scheduler->counters.kill_thread++;
    return thread_aside(session, rest, ZM_ASIDE_KILL);
}

static bool return_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    note("return thread", rest);
    return thread_aside(session, rest, ZM_ASIDE_RETURN);
}

static bool return_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    note("return message", rest);
    return job_aside(session, rest, ZM_ASIDE_RETURN);
}

static bool reroute_thread(zm_mailq_session_t *session, zm_str_t rest)
{
    note("reroute thread", rest);
    return thread_aside(session, rest, ZM_ASIDE_REROUTE);
}

static bool reroute_msg(zm_mailq_session_t *session, zm_str_t rest)
{
    note("reroute message", rest);
    return job_aside(session, rest, ZM_ASIDE_REROUTE);
}

/* -- the table ----------------------------------------------------------------------------- */

static const struct {
    const char *verb, *word; /* word null: the verb has none */
    int rights;              /* any of them; 0: any account */
    bool (*obey)(zm_mailq_session_t *session, zm_str_t rest);
    zm_counter_t counter; /* ZM_COUNTERS: none of its own */
} commands[] = {
    {"SHOW", "COUNTERS", 0, show_counters, ZM_COUNT_SC_MQ2CommandShowCounters},
    {"SHOW", "SNMP", ZM_MAY_SNMP, show_snmp, ZM_COUNT_SC_MQ2CommandShowQueueVeryShort},
    {"SHOW", "QUEUE", ZM_MAY_QUEUE | ZM_MAY_THREADS, show_queue, ZM_COUNTERS},
    {"SHOW", "THREAD", ZM_MAY_THREADS, show_thread, ZM_COUNT_SC_MQ2CommandShowThread},
    {"SHOW", "MSG", ZM_MAY_THREADS, show_msg, ZM_COUNTERS},
    {"EXPLAIN", "MSG", ZM_MAY_THREADS, explain_msg, ZM_COUNTERS},
    {"EXPLAIN", "THREAD", ZM_MAY_THREADS, explain_thread, ZM_COUNTERS},
    {"ETRN", NULL, ZM_MAY_ETRN, etrn, ZM_COUNT_SC_MQ2CommandETRN},
    {"RETRY", "THREAD", ZM_MAY_ETRN, retry_thread, ZM_COUNTERS},
    {"RETRY", "MSG", ZM_MAY_ETRN, retry_msg, ZM_COUNTERS},
    {"RESYNC", "MSG", ZM_MAY_ETRN | ZM_MAY_KILL, resync_msg, ZM_COUNTERS},
    {"HOLD", "THREAD", ZM_MAY_KILL, hold_thread, ZM_COUNTERS},
    {"HOLD", "MSG", ZM_MAY_KILL, hold_msg, ZM_COUNTERS},
    {"RELEASE", "THREAD", ZM_MAY_KILL, release_thread, ZM_COUNTERS},
    {"RELEASE", "MSG", ZM_MAY_KILL, release_msg, ZM_COUNTERS},
    {"KILL", "MSG", ZM_MAY_KILL, kill_msg, ZM_COUNT_SC_MQ2CommandKillMsg},
    {"KILL", "THREAD", ZM_MAY_KILL, kill_thread, ZM_COUNT_SC_MQ2CommandKillThr},
    {"RETURN", "MSG", ZM_MAY_KILL, return_msg, ZM_COUNTERS},
    {"RETURN", "THREAD", ZM_MAY_KILL, return_thread, ZM_COUNTERS},
    {"REROUTE", "MSG", ZM_MAY_KILL, reroute_msg, ZM_COUNT_SC_MQ2CommandRerouteMsg},
    {"REROUTE", "THREAD", ZM_MAY_KILL, reroute_thread, ZM_COUNT_SC_MQ2CommandRerouteThr},
};

static bool obey(zm_mailq_session_t *session, zm_str_t line)
{
    zm_str_t rest = line, verb, after, word = ZM_S("");
    apr_size_t i;

    if (!zm_str_word(&rest, &verb))
        return false;
    after = rest;
    if (!zm_str_word(&after, &word))
        word = ZM_S("");
    for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const char *wanted = commands[i].word;
        if (!zm_str_equal_c(verb, commands[i].verb) ||
            (wanted != NULL && !zm_str_equal_c(word, wanted)))
            continue;
        if (commands[i].rights != 0 && (session->rights & commands[i].rights) == 0)
            return false;
        count(session, commands[i].counter);
        return commands[i].obey(session, wanted != NULL ? after : rest);
    }
    return false;
}

/* -- pages --------------------------------------------------------------------------------- */

static bool take_lines(zm_str_t *rest, uint32_t *lines)
{
    zm_str_t word;
    uint64_t value;
    if (!zm_str_word(rest, &word) || zm_str_u64(word, &value) != APR_SUCCESS || value == 0 ||
        value > MOST_LINES)
        return false;
    *lines = (uint32_t)value;
    return true;
}

/* PAGE N COMMAND: no more than so many lines of it. */
static bool page(zm_mailq_session_t *session, zm_str_t rest)
{
    bool done;
    if (!take_lines(&rest, &session->page))
        return false;
    done = obey(session, zm_str_trim(rest));
    session->page = 0;
    return done;
}

static bool take_handle(const zm_mailq_session_t *session, zm_str_t *rest, int *handle)
{
    zm_str_t word;
    uint64_t value;
    if (!zm_str_word(rest, &word) || zm_str_u64(word, &value) != APR_SUCCESS || value == 0 ||
        value > ZM_MAILQ_OPEN || session->open[value - 1] == NULL)
        return false;
    *handle = (int)value;
    return true;
}

/* NEXT HANDLE N */
static bool next_page(zm_mailq_session_t *session, zm_str_t rest)
{
    uint32_t lines;
    int handle;
    if (!take_handle(session, &rest, &handle))
        return reply(session, "-No such listing is open");
    if (!take_lines(&rest, &lines))
        return false;
    zm_mailq_show_next(session, handle, lines);
    return true;
}

/* DROP HANDLE */
static bool drop_listing(zm_mailq_session_t *session, zm_str_t rest)
{
    int handle;
    if (!take_handle(session, &rest, &handle))
        return reply(session, "-No such listing is open");
    zm_show_end(session->open[handle - 1]);
    session->open[handle - 1] = NULL;
    return reply(session, "+OK; dropped");
}

bool zm_mailq_command(zm_mailq_session_t *session, zm_str_t line)
{
    zm_str_t rest = line, verb;

    if (zm_str_word(&rest, &verb)) {
        if (zm_str_equal_c(verb, "PAGE"))
            return page(session, rest);
        if (zm_str_equal_c(verb, "NEXT"))
            return next_page(session, rest);
        if (zm_str_equal_c(verb, "DROP"))
            return drop_listing(session, rest);
    }
    return obey(session, line);
}
