/* The banner, HELO and EHLO. */
#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/auth.h"
#include "mta/smtpserver/starttls.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "platform/machine.h"

/* -- load ------------------------------------------------------------------------------ */

#define LOAD_INTERVAL apr_time_from_sec(5)
#define COMPLAINT_INTERVAL apr_time_from_sec(60)

/* Whether the machine is busier than that; asked for now and then only. */
static bool too_busy(server_t *server, int64_t limit)
{
    apr_time_t now = zm_clock_monotonic();
    if (limit == 0 || limit >= PATTERN_NO_LOAD)
        return false;
    if (server->load_asked == 0 || now - server->load_asked > LOAD_INTERVAL) {
        server->load_asked = now;
        if (zm_machine_load(&server->load) != APR_SUCCESS)
            server->load = 0;
    }
    return server->load > (double)limit;
}

static void put_off(session_t *session)
{
    reply(session, 421, "4.3.2", "%s is too busy; try again later", session->server->hostname);
    session_finish(session, "load too high");
}

/* -- the banner ------------------------------------------------------------------------ */

static void add_tag(zm_buf_t *line, const session_t *session, char tag)
{
    char date[64];
    switch (tag) {
    case '%':
        zm_buf_add_byte(line, '%');
        break;
    case 'H':
        zm_buf_add_c(line, session->server->hostname);
        break;
    case 'i':
        zm_buf_add_c(line, session->client_text);
        break;
    case 'p':
        zm_buf_printf(line, "%u", session->options.server.port);
        break;
    case 'V':
        zm_buf_add_c(line, ZM_VERSION);
        break;
    case 'T':
        zm_clock_rfc5322(date, sizeof date, zm_clock_wall(), 0);
        zm_buf_add_c(line, date);
        break;
    default: /* %I, %X and unknown ones are empty */
        break;
    }
}

static void expand(zm_buf_t *line, const session_t *session, const char *text)
{
    zm_buf_clear(line);
    for (; *text != '\0'; text++) {
        if (*text == '%' && text[1] != '\0') {
            add_tag(line, session, *++text);
        } else {
            zm_buf_add_byte(line, *text);
        }
    }
}

void greeting_banner(session_t *session)
{
    static const char *const standard = "%H ZMailer %V ESMTP; %T";
    const config_t *config = session->server->config;
    const char *const *lines = config->greeting_lines > 0 ? config->greeting : &standard;
    int count = config->greeting_lines > 0 ? config->greeting_lines : 1, i;
    zm_buf_t line = ZM_BUF_INIT;
    if (!session->server->local && zm_stream_peek(session->stream).length > 0) {
        session_note(session, "input before the greeting");
        reply(session, 554, "5.5.1", "%s: you spoke before you were greeted",
              session->server->hostname);
        session_finish(session, "input before the greeting");
        return;
    }
    for (i = 0; i < count; i++) {
        expand(&line, session, lines[i]);
        if (i < count - 1)
            reply_list(session, 220, "%s", zm_buf_c(&line));
        else
            reply(session, 220, NULL, "%s", zm_buf_c(&line));
    }
    zm_buf_free(&line);
}

/* A local client need not greet, unless a pattern for the loopback address says otherwise. */
static bool need_not_greet(const session_t *session)
{
    const server_t *server = session->server;
    const pattern_t *pattern;
    if (server->strictness < 0)
        return true;
    if (!server->local && !zm_ip_is_loopback(&session->options.client.ip))
        return false;
    pattern = pattern_find(&server->config->patterns, ZM_S("127.0.0.1"));
    return server->local ? pattern == NULL || strcmp(pattern->glob, "127.0.0.1") != 0 ||
                               (pattern->flags & PATTERN_NO_GREET) != 0
                         : pattern == NULL || (pattern->flags & PATTERN_NO_GREET) != 0;
}

/* Listeners for submission ask everybody who he is, unless told otherwise; MSA-mode asks those who
 * are not trusted. */
static bool is_barred(const session_t *session)
{
    const session_options_t *options = &session->options;
    int64_t all = options->group->submit_auth;
    bool trusted = policy_trusts(&options->client, session->server->local) ||
                   session->policy.always_accept || session->policy.full_trust;
    return session->submission && (!trusted || (all < 0 ? options->submit : all > 0));
}

/* The client is not welcome, for now or at all. */
static void turn_away(session_t *session, const policy_verdict_t *verdict)
{
    session->denied = true;
    session_note(session, "-- policy: %d %s", verdict->code, verdict->text);
    session_tarpit(session);
    if (verdict->result == POLICY_DEFER) {
        reply(session, 421, verdict->enhanced, "%s: %s", session->server->hostname, verdict->text);
        session_finish(session, "put off by policy");
        return;
    }
    reply_contact(session, 554, verdict->enhanced);
    reply(session, 554, verdict->enhanced, "Hello %s; %s", session->client_text, verdict->text);
}

static void on_connect_verdict(session_t *session, const policy_verdict_t *verdict)
{
    int64_t delay = session->server->config->greet_delay;
    if (verdict->result != POLICY_ACCEPT) {
        turn_away(session, verdict);
        return;
    }
    session->barred = is_barred(session);
    session->state = need_not_greet(session) ? SESSION_READY : SESSION_HELLO;
    if (delay == 0 || session->server->local) {
        greeting_banner(session);
        return;
    }
    session->banner_due = true;
    session->waiting = true; /* the stream goes on: what comes now comes too early */
    zm_timer_set(&session->delay, apr_time_from_sec(delay));
}

/* Somebody should see this, but not once for each client. */
static void complain(server_t *server)
{
    apr_time_t now = zm_clock_monotonic();
    if (server->complained != 0 && now - server->complained < COMPLAINT_INTERVAL)
        return;
    server->complained = now;
    zm_log(ZM_LOG_ERROR, NULL, "not configured: clients are turned away",
           ZM_F_S("file", server->config->file), ZM_F_S("reason", "no HELO pattern"));
    if (server->syslog)
        zm_log_syslog(ZM_LOG_ERROR, "smtpserver", "%s has no HELO pattern: clients are turned away",
                      server->config->file);
}

void greeting_begin(session_t *session)
{
    if (session->server->config->patterns.first == NULL && !session->server->local) {
        complain(session->server);
        reply(session, 421, "4.3.5", "%s is not configured yet; try again later",
              session->server->hostname);
        session_finish(session, "not configured");
        return;
    }
    if (too_busy(session->server, session->server->max_load) && !session->server->local) {
        put_off(session);
        return;
    }
    session_ask(session, POLICY_CONNECT, on_connect_verdict);
}

/* -- HELO and EHLO ---------------------------------------------------------------------- */

static void list_extensions(session_t *session)
{
    const config_group_t *group = session->group;
    reply_list(session, 250, "SIZE %lld", (long long)session_max_size(session));
    if (group->eight_bit)
        reply_list(session, 250, "8BITMIME");
    if (group->pipelining)
        reply_list(session, 250, "PIPELINING");
    if (group->chunking)
        reply_list(session, 250, "CHUNKING");
    if (group->enhanced)
        reply_list(session, 250, "ENHANCEDSTATUSCODES");
    if (referral_of_expn(session))
        reply_list(session, 250, "EXPN");
    if (referral_of_vrfy(session))
        reply_list(session, 250, "VRFY");
    if (group->dsn)
        reply_list(session, 250, "DSN");
    if (group->deliver_by > 0)
        reply_list(session, 250, "DELIVERBY %lld", (long long)group->deliver_by);
    else if (group->deliver_by == 0)
        reply_list(session, 250, "DELIVERBY");
    if (group->recipients > 100) {
        reply_list(session, 250, "X-RCPTLIMIT %lld", (long long)group->recipients);
        reply_list(session, 250, "LIMITS RCPTMAX=%lld", (long long)group->recipients);
    }
    auth_list(session);
    if (session_goes_beyond(session))
        reply_list(session, 250, "SMTPUTF8");
    if (session_requires_tls(session))
        reply_list(session, 250, "REQUIRETLS");
    if (starttls_is_offered(session))
        reply_list(session, 250, "STARTTLS");
    if (group->etrn && !session->submission)
        reply_list(session, 250, "ETRN");
    reply(session, 250, NULL, "HELP");
}

static bool is_extended(const session_t *session)
{
    return session->helo.length > 0 && zm_to_lower((unsigned char)session->helo.data[0]) == 'e';
}

static zm_str_t helo_parameter(const session_t *session)
{
    zm_str_t rest = zm_buf_str(&session->helo), word;
    (void)zm_str_word(&rest, &word);
    return zm_str_trim(rest);
}

/* answer: what the router says, if it was asked. */
static void accept_helo(session_t *session, const inquiry_line_t *answer)
{
    zm_str_t name = helo_parameter(session);
    bool more = answer != NULL && answer->text.length > 0;
    session->state = SESSION_READY;
    session->greeted_ehlo = is_extended(session);
    if (session->peer != NULL)
        peer_greeted(session->peer, session->helo_good ? name : ZM_S(""));
    if (!session->greeted_ehlo && !more) {
        reply(session, 250, NULL, "%s Hello %.*s", session->server->hostname, (int)name.length,
              name.data);
        return;
    }
    reply_list(session, 250, "%s Hello %.*s", session->server->hostname, (int)name.length,
               name.data);
    if (more && session->greeted_ehlo)
        reply_list(session, 250, "%.*s", (int)answer->text.length, answer->text.data);
    else if (more)
        reply(session, 250, NULL, "%.*s", (int)answer->text.length, answer->text.data);
    if (session->greeted_ehlo)
        list_extensions(session);
}

static void on_helo_heard(session_t *session, const inquiry_answer_t *answer)
{
    referral_t referral = referral_read(session, answer);
    if (referral.accepted)
        accept_helo(session, referral.answered ? &referral.line : NULL);
    else
        referral_refuse(session, &referral, answer);
}

/* "[192.0.2.9] name" */
static void inquire_helo(session_t *session)
{
    zm_str_t name = helo_parameter(session);
    apr_pool_t *pool = session->server->scratch_pool;
    apr_pool_clear(pool);
    session_inquire(
        session, "hello",
        zm_str(apr_psprintf(pool, "%s %.*s", session->client_text, (int)name.length, name.data)),
        on_helo_heard);
}

static void on_helo_verdict(session_t *session, const policy_verdict_t *verdict)
{
    if (verdict->result != POLICY_ACCEPT) {
        session_tarpit(session);
        reply_contact(session, verdict->code, verdict->enhanced);
        reply(session, verdict->code, verdict->enhanced, "%s %s", session->client_text,
              verdict->text);
        return;
    }
    if (session->server->inquiries != NULL && (session->style & PATTERN_HELLO) != 0)
        inquire_helo(session);
    else
        accept_helo(session, NULL);
}

/* False: the greeting is refused, and the reply made. */
static bool apply_pattern(session_t *session, zm_str_t name)
{
    server_t *server = session->server;
    const pattern_t *pattern = pattern_find(&server->config->patterns, name);
    session->style = pattern != NULL ? pattern->flags : server->style;
    if (pattern != NULL && too_busy(server, pattern->max_load)) {
        put_off(session);
        return false;
    }
    if (pattern == NULL || (pattern->flags & PATTERN_REJECT) == 0)
        return true;
    session_tarpit(session);
    reply(session, 501, "5.7.1", "Sorry %s, %s", session->client_text,
          *pattern->text != '\0' ? pattern->text : "access denied");
    return false;
}

void command_helo(session_t *session, zm_str_t line, bool extended)
{
    const server_t *server = session->server;
    zm_smtp_problem_t problem = {0};
    zm_str_t name;
    transaction_end(session);
    session->sender_refused = false;
    zm_buf_free(&session->helo);
    zm_buf_add_str(&session->helo, line);
    name = helo_parameter(session);
    session->helo_good = zm_smtp_helo(name, &problem);
    if (name.length == 0) {
        zm_buf_free(&session->helo);
        command_error(session, 501, "5.5.4",
                      extended ? "EHLO wants your name" : "HELO wants your name");
        return;
    }
    if (session->state != SESSION_HELLO)
        session->state = SESSION_READY;
    if (!session->helo_good && server->helo_check && !server->gullible) {
        apr_size_t column = (apr_size_t)(line.length - name.length) + problem.at;
        session_tarpit(session);
        reply_syntax(session, 501, "5.7.1", column, problem.text, name);
        zm_buf_free(&session->helo);
        return;
    }
    if (apply_pattern(session, name))
        session_ask(session, POLICY_HELO, on_helo_verdict);
}
