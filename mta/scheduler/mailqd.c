#include "mta/scheduler/mailqd.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/conf/mailqsock.h"
#include "mta/net/socket.h"
#include "mta/scheduler/account.h"
#include "mta/scheduler/mailqd_session.h"
#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/localsock.h"
#include "platform/log.h"

#define MOST_SESSIONS 100
#define LINE_LIMIT 16384
#define IDLE_LIMIT (90 * APR_USEC_PER_SEC)
/* From the greeting to the login, whatever is said meanwhile. */
#define LOGIN_LIMIT (60 * APR_USEC_PER_SEC)
/* Failed logins, and other commands before the login. */
#define MOST_FAILURES 20
/* Of one address, so that it cannot take all of them. */
#define MOST_OF_ONE 25
#define AUTHFILE_LIMIT (1u << 20)

typedef zm_mailq_session_t session_t;

struct zm_mailqd_t {
    zm_mailqd_options_t options;
    apr_pool_t *pool;
    apr_socket_t *socket;
    zm_listener_t *listener;
    zm_watch_t *watch; /* of a local socket */
    session_t *sessions;
    int session_count;
    uint64_t serial;
    bool version2; /* there are accounts, or were at the last reload */
};

/* -- sessions ------------------------------------------------------------------------------ */

void zm_mailq_show_over(zm_mailq_session_t *session)
{
    int i;

    for (i = 0; i < ZM_MAILQ_OPEN && session->show != NULL; i++)
        if (session->open[i] == session->show) {
            if (zm_show_has_more(session->show))
                session->show = NULL;
            else
                session->open[i] = NULL;
        }
    zm_show_end(session->show);
    session->show = NULL;
}

void zm_mailq_end_shows(zm_mailq_session_t *session)
{
    int i;

    zm_extra_cancel(session->extra);
    session->extra = NULL;
    zm_mailq_show_over(session);
    for (i = 0; i < ZM_MAILQ_OPEN; i++) {
        zm_show_end(session->open[i]);
        session->open[i] = NULL;
    }
}

static void session_end(session_t *session)
{
    zm_mailqd_t *mailqd = session->mailqd;

    zm_mailq_end_shows(session);
    if (session->next != NULL)
        session->next->previous = session->previous;
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        mailqd->sessions = session->next;
    mailqd->session_count--;
    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2Parallel_G, -1);
    zm_timer_cancel(&session->login_limit);
    apr_pool_destroy(session->pool);
}

static apr_status_t more(void *baton, zm_buf_t *into, apr_size_t room)
{
    session_t *session = baton;
    return zm_show_more(session->show, into, room);
}

static void begin_reply(session_t *session, zm_show_t *show)
{
    if (!session->one_shot)
        zm_stream_write_c(session->stream, "+OK until LF.LF\n");
    session->show = show;
    zm_stream_send_from(session->stream, more, session);
}

void zm_mailq_show(zm_mailq_session_t *session, zm_show_t *show)
{
    int handle = 0;

    while (session->page > 0 && handle < ZM_MAILQ_OPEN && session->open[handle] != NULL)
        handle++;
    if (handle == ZM_MAILQ_OPEN) {
        zm_show_end(show);
        zm_stream_write_c(session->stream, "-Too many listings are open; DROP one\n");
        return;
    }
    if (session->page > 0) {
        session->open[handle] = show;
        zm_show_page(show, session->page, handle + 1);
    }
    begin_reply(session, show);
}

static zm_show_t *counters(session_t *session, zm_str_t extra)
{
    zm_show_t *show =
        zm_show_begin(session->scheduler, ZM_SHOW_COUNTERS, ZM_S(""), ZM_S(""), false, true);
    zm_show_extra(show, extra);
    return show;
}

static void extra_done(void *baton, zm_str_t text)
{
    session_t *session = baton;
    session->extra = NULL;
    zm_mailq_show(session, counters(session, text));
}

void zm_mailq_show_counters(zm_mailq_session_t *session)
{
    if (session->loop != NULL && session->zenv != NULL)
        session->extra = zm_extra_start(session->loop, session->zenv, extra_done, session);
    if (session->extra == NULL)
        zm_mailq_show(session, counters(session, ZM_S("")));
}

void zm_mailq_show_next(zm_mailq_session_t *session, int handle, uint32_t lines)
{
    zm_show_page(session->open[handle - 1], lines, handle);
    begin_reply(session, session->open[handle - 1]);
}

/* The last thing done in any event: after it the session may be gone. */
static void finish_if_ending(session_t *session)
{
    if (!session->ending || session->finished)
        return;
    session->finished = true;
    zm_stream_finish(session->stream, APR_USEC_PER_SEC);
}

/* The account file is the administrator's, and may be a link.  False: it cannot be read. */
static bool read_accounts(const zm_mailqd_t *mailqd, zm_str_t *accounts, apr_pool_t *pool)
{
    const char *path = mailqd->options.authfile;
    zm_file_t *file;
    char *data;
    apr_size_t length;
    bool done;

    *accounts = ZM_S("");
    if (path == NULL ||
        zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool) != APR_SUCCESS)
        return false;
    done = zm_file_slurp_file(&data, &length, file, AUTHFILE_LIMIT, pool) == APR_SUCCESS;
    zm_file_close(file);
    if (done)
        *accounts = zm_str_of(data, length);
    return done;
}

void zm_mailqd_reload(zm_mailqd_t *mailqd)
{
    apr_pool_t *pool;
    zm_str_t accounts;

    apr_pool_create(&pool, mailqd->pool);
    mailqd->version2 = read_accounts(mailqd, &accounts, pool) || mailqd->options.version == 2;
    apr_pool_destroy(pool);
    if (!mailqd->version2 && mailqd->options.authfile != NULL)
        zm_log(ZM_LOG_WARNING, NULL, "the account file cannot be read: mailq needs no login",
               ZM_F_S("file", mailqd->options.authfile));
}

/* -- commands ------------------------------------------------------------------------------ */

static void log_in(session_t *session, zm_str_t rest)
{
    apr_pool_t *pool;
    char peer[ZM_IP_TEXT] = "local";
    zm_str_t user = ZM_S(""), answer = ZM_S(""), accounts;

    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2CommandAUTH, 1);
    zm_str_word(&rest, &user);
    zm_str_word(&rest, &answer);
    apr_pool_create(&pool, session->pool);
    (void)read_accounts(session->mailqd, &accounts, pool);
    session->rights =
        zm_accounts_login(accounts, &session->peer, zm_str(session->challenge), user, answer);
    apr_pool_destroy(pool);
    session->known = session->rights != 0;
    if (session->known) {
        zm_timer_cancel(&session->login_limit);
        zm_stream_write_c(session->stream, "+OK\n");
        return;
    }
    session->failures++;
    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2AuthRej, 1);
    if (session->peer.family != 0)
        zm_ip_print(&session->peer, peer);
    zm_log(ZM_LOG_WARNING, NULL, "mailq login failed", ZM_F_N("user", user), ZM_F_S("from", peer));
    zm_stream_write_c(session->stream, "-Authentication failed\n");
}

static void refuse(session_t *session, zm_str_t line)
{
    zm_str_t verb = ZM_S(""), word = ZM_S("");

    zm_str_word(&line, &verb);
    zm_str_word(&line, &word);
    zm_stream_printf(session->stream, "-Unknown command or no right to it: %.*s %.*s\n",
                     (int)(verb.length < 60 ? verb.length : 60), verb.data,
                     (int)(word.length < 60 ? word.length : 60), word.data);
}

static void before_login(session_t *session, zm_str_t verb, zm_str_t rest)
{
    if (zm_str_equal_c(verb, "AUTH")) {
        log_in(session, rest);
    } else {
        session->failures++;
        zm_stream_write_c(session->stream, "-Authenticate first\n");
    }
    if (session->failures >= MOST_FAILURES)
        session->ending = true;
}

static void command(session_t *session, zm_str_t line)
{
    zm_str_t rest = line, verb = ZM_S("");

    zm_str_word(&rest, &verb);
    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2Commands, 1);
    if (zm_str_equal_nocase(verb, ZM_S("QUIT")) || zm_str_equal_nocase(verb, ZM_S("EXIT"))) {
        zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2CommandQUIT, 1);
        zm_stream_write_c(session->stream, "+Bye bye\n");
        session->ending = true;
        return;
    }
    if (!session->known) {
        before_login(session, verb, rest);
        return;
    }
    zm_scheduler_tick(session->scheduler);
    if (!zm_mailq_command(session, line)) {
        zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2CommandsRej, 1);
        refuse(session, line);
    }
    session->mailqd->options.settle(session->mailqd->options.baton);
}

/* -- the stream ---------------------------------------------------------------------------- */

static void take_commands(session_t *session)
{
    zm_line_t line;
    apr_status_t status = APR_SUCCESS;

    while (session->show == NULL && session->extra == NULL && !session->ending &&
           !session->one_shot) {
        status = zm_stream_line(session->stream, &line);
        if (status == ZM_E_LIMIT)
            zm_stream_write_c(session->stream, "-Line too long\n");
        else if (status == APR_SUCCESS)
            command(session, zm_str_trim(line.text));
        else
            break;
    }
    if (APR_STATUS_IS_EOF(status)) {
        zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2ReadEOF, 1);
        session->ending = true;
    }
}

static void on_event(zm_stream_t *stream, zm_stream_event_t event, void *baton)
{
    session_t *session = baton;

    switch (event) {
    case ZM_STREAM_DRAINED:
        zm_mailq_show_over(session);
        if (session->one_shot)
            session->ending = true;
        take_commands(session);
        finish_if_ending(session);
        break;
    case ZM_STREAM_INPUT:
        take_commands(session);
        finish_if_ending(session);
        break;
    case ZM_STREAM_TIMEOUT:
    case ZM_STREAM_ERROR:
        zm_counter_add(
            session->scheduler->shared,
            event == ZM_STREAM_TIMEOUT ? ZM_COUNT_SC_MQ2TimedOut : ZM_COUNT_SC_MQ2ReadFails, 1);
        zm_stream_close(stream);
        session_end(session);
        break;
    case ZM_STREAM_CLOSED:
        session_end(session);
        break;
    }
}

static void greet(session_t *session)
{
    zm_mailqd_t *mailqd = session->mailqd;
    zm_str_t accounts;
    apr_time_t now = zm_clock_wall();
    apr_pool_t *pool;

    apr_pool_create(&pool, session->pool);
    /* Who has had to log in once is not let in without because the file is gone. */
    mailqd->version2 |= read_accounts(mailqd, &accounts, pool);
    if (!mailqd->version2) {
        session->one_shot = true;
        zm_stream_write_c(session->stream, "version zmailer 1.0\n");
        zm_mailq_show(session, zm_show_begin(session->scheduler, ZM_SHOW_VERSION1, ZM_S(""),
                                             ZM_S(""), mailqd->options.summary, false));
    } else {
        zm_stream_write_c(session->stream, "version zmailer 2.0\n");
        if (!zm_accounts_admit(accounts, &session->peer)) {
            zm_stream_write_c(session->stream, "550 No access from your address\n");
            session->ending = true;
        } else {
            apr_snprintf(session->challenge, sizeof session->challenge,
                         "220 MAILQ-V2-CHALLENGE: %" APR_INT64_T_FMT ".%" APR_INT64_T_FMT
                         ".%" APR_UINT64_T_FMT,
                         (apr_int64_t)apr_time_sec(now), (apr_int64_t)apr_time_usec(now),
                         (apr_uint64_t)++mailqd->serial);
            zm_stream_printf(session->stream, "%s\n", session->challenge);
            zm_timer_set(&session->login_limit, LOGIN_LIMIT);
        }
    }
    apr_pool_destroy(pool);
}

static void login_late(zm_timer_t *timer, void *baton)
{
    session_t *session = baton;
    (void)timer;
    zm_stream_write_c(session->stream, "-Too late\n");
    session->ending = true;
    finish_if_ending(session);
}

static bool has_too_many(const zm_mailqd_t *mailqd, const zm_ip_t *peer)
{
    const session_t *session;
    int count = 0;
    for (session = mailqd->sessions; session != NULL; session = session->next)
        if (memcmp(&session->peer, peer, sizeof *peer) == 0)
            count++;
    return count >= MOST_OF_ONE;
}

/* local: through the local socket, whatever carries that */
static void session_begin(zm_mailqd_t *mailqd, apr_socket_t *socket, apr_pool_t *pool, bool local)
{
    zm_ip_t peer = {0, {0}};
    session_t *session;

    if (!local)
        peer = zm_socket_remote_end(socket).ip;
    if (mailqd->session_count >= MOST_SESSIONS || has_too_many(mailqd, &peer)) {
        apr_pool_destroy(pool);
        return;
    }
    session = apr_pcalloc(pool, sizeof *session);
    session->mailqd = mailqd;
    session->scheduler = mailqd->options.scheduler;
    session->syslog = mailqd->options.syslog;
    session->loop = mailqd->options.loop;
    session->zenv = mailqd->options.zenv;
    session->pool = pool;
    session->peer = peer;
    zm_timer_init(&session->login_limit, mailqd->options.loop, login_late, session);
    if (zm_stream_open(&session->stream, mailqd->options.loop, socket, on_event, session) !=
        APR_SUCCESS) {
        apr_pool_destroy(pool);
        return;
    }
    session->next = mailqd->sessions;
    if (session->next != NULL)
        session->next->previous = session;
    mailqd->sessions = session;
    mailqd->session_count++;
    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2Parallel_G, 1);
    zm_counter_add(session->scheduler->shared, ZM_COUNT_SC_MQ2Connects, 1);
    zm_stream_line_limit(session->stream, LINE_LIMIT);
    zm_stream_idle_limit(session->stream, IDLE_LIMIT);
    greet(session);
    finish_if_ending(session);
}

static void accepted(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    session_begin(baton, socket, pool, false);
}

/* -- listening ----------------------------------------------------------------------------- */

static void local_ready(zm_watch_t *watch, int events, void *baton)
{
    zm_mailqd_t *mailqd = baton;
    apr_socket_t *socket;
    apr_pool_t *pool;

    (void)watch;
    (void)events;
    apr_pool_create(&pool, NULL);
    if (zm_localsock_accept(&socket, mailqd->socket, pool) == APR_SUCCESS)
        session_begin(mailqd, socket, pool, true);
    else
        apr_pool_destroy(pool);
}

static apr_status_t listen_local(zm_mailqd_t *mailqd, const char *path, zm_error_t *error)
{
    apr_status_t status = zm_localsock_listen(&mailqd->socket, path, 0666, mailqd->pool, error);
    if (status != APR_SUCCESS)
        return status;
    return zm_watch_open(&mailqd->watch, mailqd->options.loop, mailqd->socket, ZM_READ, local_ready,
                         mailqd);
}

static apr_status_t listen_tcp(zm_mailqd_t *mailqd, uint16_t port, zm_error_t *error)
{
    zm_endpoint_t where = {{0, {0}}, port};
    apr_status_t status;

    if (mailqd->options.bind != NULL &&
        zm_endpoint_parse(&where, zm_str(mailqd->options.bind), port) != APR_SUCCESS)
        where.ip.family = 0;
    where.port = port;
    status = zm_socket_listen(&mailqd->socket, &where, 0, mailqd->pool, error);
    if (status != APR_SUCCESS)
        return status;
    return zm_listener_open(&mailqd->listener, mailqd->options.loop, mailqd->socket, accepted,
                            mailqd);
}

apr_status_t zm_mailqd_open(zm_mailqd_t **opened, const zm_mailqd_options_t *options,
                            apr_pool_t *pool, zm_error_t *error)
{
    zm_mailqd_t *mailqd = apr_pcalloc(pool, sizeof *mailqd);
    zm_mailqsock_t where;
    apr_status_t status;

    mailqd->options = *options;
    mailqd->serial = (uint64_t)zm_clock_monotonic() & 0xffff;
    apr_pool_create(&mailqd->pool, pool);
    mailqd->options.socket = apr_pstrdup(mailqd->pool, options->socket); /* outlive a reload */
    mailqd->options.authfile = apr_pstrdup(mailqd->pool, options->authfile);
    if (zm_mailqsock_parse(&where, options->socket, mailqd->pool) != APR_SUCCESS)
        return zm_error_set(error, ZM_E_CONFIG, "PARAMmailqsock: \"%s\" is no socket",
                            options->socket);
    if (where.path != NULL)
        status = listen_local(mailqd, where.path, error);
    else
        status = listen_tcp(mailqd, where.port, error);
    if (status != APR_SUCCESS) {
        zm_mailqd_close(mailqd);
        return status;
    }
    zm_mailqd_reload(mailqd);
    *opened = mailqd;
    return APR_SUCCESS;
}

void zm_mailqd_close(zm_mailqd_t *mailqd)
{
    while (mailqd->sessions != NULL) {
        session_t *session = mailqd->sessions;
        zm_stream_close(session->stream);
        session_end(session);
    }
    zm_listener_close(mailqd->listener);
    zm_watch_close(mailqd->watch);
    if (mailqd->socket != NULL)
        apr_socket_close(mailqd->socket);
    apr_pool_destroy(mailqd->pool);
}

apr_status_t zm_mailqd_dump(zm_scheduler_t *scheduler, const char *path, apr_pool_t *pool,
                            zm_error_t *error)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_show_t *listing;
    zm_file_t *file;
    apr_status_t made,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0644, pool);
    uint64_t offset = 0;

    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot write %s", path);
    zm_buf_add_c(&text, "version zmailer 1.0\n");
    listing = zm_show_begin(scheduler, ZM_SHOW_VERSION1, ZM_S(""), ZM_S(""), false, false);
    do {
        made = zm_show_more(listing, &text, 65536);
        status = zm_file_write_at(file, offset, text.data, text.length);
        offset += text.length;
        zm_buf_clear(&text);
    } while (made == APR_SUCCESS && status == APR_SUCCESS);
    zm_show_end(listing);
    zm_buf_free(&text);
    zm_file_close(file);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot write %s", path);
    return APR_SUCCESS;
}
