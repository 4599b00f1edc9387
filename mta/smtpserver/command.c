/* Command lines: reading them, finding the verb, and the verbs that need no file of their own. */
#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/auth.h"
#include "mta/smtpserver/count.h"
#include "mta/smtpserver/starttls.h"
#include "platform/log.h"

#define VERB_LIMIT 8
#define ERRORS_PER_UNKNOWN 5 /* protocol errors allowed for each unknown command allowed */

typedef struct verb_t {
    const char *name;
    command_fn *run;
    bool greeting; /* HELO and EHLO are given the whole line instead */
    const char *help;
    zm_counter_t counter;
} verb_t;

/* -- errors ---------------------------------------------------------------------------- */

static void too_many(session_t *session, const char *what)
{
    reply(session, 421, "4.7.0", "%s: too many %s, closing the connection",
          session->server->hostname, what);
    session_finish(session, what);
}

void command_error(session_t *session, int code, const char *enhanced, const char *text)
{
    if (++session->errors >= session->server->config->unknown_commands * ERRORS_PER_UNKNOWN)
        too_many(session, "errors");
    else
        reply(session, code, enhanced, "%s", text);
}

static void unknown(session_t *session, zm_str_t line)
{
    if (session->server->syslog)
        zm_log_syslog(ZM_LOG_WARNING, "smtpserver", "%s - unknown command from %s", session->tag,
                      session->client_text);
    count(session, ZM_COUNT_SS_SMTPcommands_unknown);
    if (session->auth.leaks > 0)
        session->auth.leaks--;
    if (++session->unknown >= session->server->config->unknown_commands) {
        too_many(session, "unknown commands");
        return;
    }
    session_tarpit(session);
    reply(session, 500, "5.5.2", "Unknown command '%.*s'",
          (int)(line.length > 200 ? 200 : line.length), line.data);
}

/* -- small verbs ------------------------------------------------------------------------ */

/* NOOP, RSET and QUIT take no argument from clients held to the letter. */
static bool no_arguments(session_t *session, zm_str_t arguments)
{
    if (arguments.length == 0 || (session->style & PATTERN_FULL) == 0)
        return true;
    command_error(session, 501, "5.5.4", "this command takes no argument");
    return false;
}

static void command_rset(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    transaction_end(session);
    session->sender_refused = false;
    if (session->state != SESSION_HELLO)
        session->state = SESSION_READY;
    if (arguments.length > 0 && session->server->strictness > 0)
        command_error(session, 501, "5.5.4", "RSET takes no argument; processed anyway");
    else
        reply(session, 250, "2.0.0", "Ok");
}

static void command_noop(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (no_arguments(session, arguments))
        reply(session, 250, "2.0.0", "Ok");
}

static void command_quit(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (arguments.length > 0 && (session->style & PATTERN_FULL))
        reply_more(session, 221, "2.0.0", "QUIT takes no argument; processed anyway");
    reply(session, 221, "2.0.0", "%s Out", session->server->hostname);
    session->quit = true;
    session_finish(session, "QUIT");
}

static void command_verb(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)arguments;
    (void)column;
    reply(session, 250, "2.0.0", "Ok");
}

static void command_tick(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (!session->server->local) {
        unknown(session, ZM_S("TICK"));
        return;
    }
    session->batch = true;
    reply(session, 250, "2.0.0", "TICK %.*s", (int)arguments.length, arguments.data);
}

static void command_obsolete(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)arguments;
    (void)column;
    command_error(session, 502, "5.5.1", "this command is not available");
}

/* Clients that send replies back as commands: no answer, or it would go on for ever. */
static void command_echo(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)arguments;
    (void)column;
    if (++session->errors >= session->server->config->unknown_commands * ERRORS_PER_UNKNOWN)
        too_many(session, "errors");
}

static command_fn command_help;

static const verb_t verbs[] = {
    {"EHLO", NULL, true, "EHLO NAME: greets, and lists the extensions", ZM_COUNT_SS_SMTP_EHLO},
    {"HELO", NULL, true, "HELO NAME: greets", ZM_COUNT_SS_SMTP_HELO},
    {"LHLO", NULL, true, "LHLO NAME: says who you are", ZM_COUNT_SS_SMTP_HELO},
    {"MAIL", command_mail, false, "MAIL FROM:<ADDRESS> [PARAMETERS]: begins a message",
     ZM_COUNT_SS_SMTP_MAIL},
    {"RCPT", command_rcpt, false, "RCPT TO:<ADDRESS> [PARAMETERS]: adds a recipient",
     ZM_COUNT_SS_SMTP_RCPT},
    {"DATA", command_data, false, "DATA: the message follows, up to a line with a lone dot",
     ZM_COUNT_SS_SMTP_DATA},
    {"BDAT", command_bdat, false, "BDAT SIZE [LAST]: a piece of the message follows",
     ZM_COUNT_SS_SMTP_BDAT},
    {"RSET", command_rset, false, "RSET: forgets the message begun", ZM_COUNT_SS_SMTP_RSET},
    {"NOOP", command_noop, false, "NOOP: does nothing", ZM_COUNT_SS_SMTP_NOOP},
    {"QUIT", command_quit, false, "QUIT: ends the session", ZM_COUNTERS},
    {"HELP", command_help, false, "HELP [COMMAND]: this", ZM_COUNT_SS_SMTP_HELP},
    {"VRFY", command_vrfy, false, "VRFY ADDRESS: whether mail for it would be taken",
     ZM_COUNT_SS_SMTP_VRFY},
    {"EXPN", command_expn, false, "EXPN LIST: who is on it", ZM_COUNT_SS_SMTP_EXPN},
    {"EVFY", command_vrfy, false, NULL, ZM_COUNT_SS_SMTP_VRFY},
    {"ETRN", command_etrn, false, "ETRN HOST: starts delivery of the mail that waits for that host",
     ZM_COUNT_SS_SMTP_ETRN},
    {"TURNME", command_etrn, false, NULL, ZM_COUNT_SS_SMTP_ETRN},
    {"VERB", command_verb, false, NULL, ZM_COUNT_SS_SMTP_VERBOSE},
    {"ONEX", command_noop, false, NULL, ZM_COUNT_SS_SMTP_NOOP},
    {"TICK", command_tick, false, NULL, ZM_COUNT_SS_SMTP_TICK},
    {"STARTTLS", command_starttls, false, "STARTTLS: goes on with TLS", ZM_COUNT_SS_SMTP_STARTTLS},
    {"AUTH", command_auth, false, "AUTH MECHANISM [INITIAL-RESPONSE]: says who you are",
     ZM_COUNT_SS_SMTP_AUTH},
    {"SEND", command_obsolete, false, NULL, ZM_COUNTERS},
    {"SOML", command_obsolete, false, NULL, ZM_COUNTERS},
    {"SAML", command_obsolete, false, NULL, ZM_COUNTERS},
    {"EMAL", command_obsolete, false, NULL, ZM_COUNTERS},
    {"ESND", command_obsolete, false, NULL, ZM_COUNTERS},
    {"ESOM", command_obsolete, false, NULL, ZM_COUNTERS},
    {"ESAM", command_obsolete, false, NULL, ZM_COUNTERS},
    {"TURN", command_obsolete, false, NULL, ZM_COUNT_SS_SMTP_TURN},
    {"550", command_echo, false, NULL, ZM_COUNTERS},
};

/* What a client may say before he has said who he is. */
static bool is_free(const verb_t *verb)
{
    return verb != NULL && (verb->greeting || verb->run == command_noop ||
                            verb->run == command_rset || verb->run == command_quit ||
                            verb->run == command_starttls || verb->run == command_auth);
}

/* LMTP has a greeting of its own, and no other (RFC 2033, 4.1). */
static bool is_spoken(const session_t *session, const verb_t *verb)
{
    return !verb->greeting || (verb->name[0] == 'L') == session->lmtp;
}

static const verb_t *find(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (zm_str_equal_nocase(name, zm_str(verbs[i].name)))
            return &verbs[i];
    return NULL;
}

/* Whether a command is offered to this client. */
static bool is_offered(const session_t *session, const verb_t *verb)
{
    const config_group_t *group = session->group;
    if (verb->help == NULL)
        return false;
    return (verb->run != command_bdat || group->chunking) &&
           (verb->run != command_etrn || (group->etrn && !session->submission)) &&
           (verb->run != command_expn || referral_of_expn(session)) &&
           (verb->run != command_starttls || starttls_is_offered(session)) &&
           (verb->run != command_auth || auth_is_offered(session)) &&
           (!verb->greeting || verb->name[0] != 'E' || group->ehlo) && is_spoken(session, verb);
}

static void list_verbs(session_t *session)
{
    char line[160] = "";
    apr_size_t i, used = 0;
    for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (is_offered(session, &verbs[i]))
            used += (apr_size_t)apr_snprintf(line + used, sizeof line - used, "%s%s",
                                             used > 0 ? " " : "", verbs[i].name);
    reply_list(session, 214, "%s", line);
}

static void command_help(session_t *session, zm_str_t arguments, apr_size_t column)
{
    const config_t *config = session->server->config;
    const verb_t *verb = find(zm_str_trim(arguments));
    int i;
    (void)column;
    if (verb != NULL && verb->help != NULL) {
        reply(session, 214, NULL, "%s", verb->help);
        return;
    }
    for (i = 0; i < config->help_lines; i++)
        reply_list(session, 214, "%s", config->help[i]);
    list_verbs(session);
    reply_list(session, 214, "The usual order: EHLO, MAIL, RCPT one or more times, DATA, QUIT.");
    reply(session, 214, NULL, "A person answers at postmaster@%s.", session->server->hostname);
}

/* What may be told of a line: it may be part of an exchange that the client has not given up. */
static zm_str_t shown(const session_t *session, zm_str_t line)
{
    zm_str_t rest = line, name;
    return auth_hide(session, line, zm_str_word(&rest, &name) && find(name) != NULL);
}

/* -- one line ---------------------------------------------------------------------------- */

/* The first byte that has no place in a command, or null. */
static const char *bad_byte(const session_t *session, zm_str_t text, apr_size_t *at)
{
    bool greeting =
        (zm_str_starts_nocase(text, ZM_S("HELO")) || zm_str_starts_nocase(text, ZM_S("EHLO"))) &&
        session->server->strictness <= 0;
    bool address =
        (zm_str_starts_nocase(text, ZM_S("MAIL")) || zm_str_starts_nocase(text, ZM_S("RCPT"))) &&
        session_goes_beyond(session);
    for (*at = 0; *at < text.length; ++*at) {
        unsigned char byte = (unsigned char)text.data[*at];
        if (byte == 0)
            return "a NUL in the command";
        if ((byte < ' ' && byte != '\t') || byte == 127)
            return "a control character in the command";
        if (byte > 127 && !greeting && !address)
            return "an 8-bit character in the command";
    }
    return NULL;
}

/* Whether what becomes of the command is counted too. */
static bool has_outcome(const verb_t *verb)
{
    return verb->greeting || verb->run == command_mail || verb->run == command_rcpt ||
           verb->run == command_data || verb->run == command_bdat || verb->run == command_auth;
}

static void execute(session_t *session, zm_str_t line)
{
    zm_str_t rest = line, name, arguments;
    const verb_t *verb;
    apr_size_t column;
    (void)zm_str_word(&rest, &name);
    verb = name.length <= VERB_LIMIT && name.data == line.data ? find(name) : NULL;
    count(session, ZM_COUNT_SS_SMTPcommands);
    if (verb != NULL)
        count_command(session, verb->counter, has_outcome(verb));
    if (session->denied && (verb == NULL || verb->run != command_quit)) {
        session_tarpit(session);
        command_error(session, 550, "5.7.1", "you may only QUIT");
    } else if (session->barred && session->auth.known.length == 0 && !is_free(verb)) {
        command_error(session, 530, "5.7.0", "Authentication required");
    } else if (starttls_is_missing(session, verb != NULL && verb->run == command_mail)) {
        command_error(session, 530, "5.7.0", "Must issue a STARTTLS command first");
    } else if (verb == NULL || !is_spoken(session, verb) ||
               (verb->run == command_bdat && !session->group->chunking) ||
               (verb->run == command_etrn && !session->group->etrn) ||
               (verb->run == command_auth && !auth_is_here(session))) {
        unknown(session, shown(session, line));
    } else if (verb->greeting) {
        bool extended = name.data[0] == 'E' || name.data[0] == 'e';
        if (extended && !session->group->ehlo)
            unknown(session, line);
        else
            command_helo(session, line, extended);
    } else {
        arguments = zm_str_trim(rest);
        column = arguments.length > 0 ? (apr_size_t)(arguments.data - line.data) : line.length;
        verb->run(session, arguments, column);
    }
}

/* Whether the line may be executed; else it has been answered. */
static bool check_line(session_t *session, const zm_line_t *line)
{
    apr_size_t at;
    const char *problem = bad_byte(session, line->text, &at);
    if (problem != NULL) {
        if (++session->errors >= session->server->config->unknown_commands * ERRORS_PER_UNKNOWN)
            too_many(session, "errors");
        else
            reply_syntax(session, 500, "5.5.2", at, problem, shown(session, line->text));
        return false;
    }
    if (line->end == ZM_LINE_LF && !session->server->local) {
        command_error(session, 500, "5.5.2", "the command is not terminated with CRLF");
        return false;
    }
    return true;
}

/* Commands sent ahead are for those who have seen that it is allowed. */
static bool check_pipelining(session_t *session)
{
    apr_size_t more = zm_stream_peek(session->stream).length;
    if (more == 0 || session->server->local)
        return true;
    count(session, ZM_COUNT_SS_IncomingClientPipelines);
    session_note(session, "-- pipeline input exists %lu bytes", (unsigned long)more);
    if (session->greeted_ehlo || session->lmtp)
        return true;
    reply(session, 503, "5.5.1", "pipelined input without EHLO; closing the connection");
    session_finish(session, "pipelined input without EHLO");
    return false;
}

/* Blanks at the end do not count, except for those held to the letter. */
static zm_str_t chop(const session_t *session, zm_str_t line)
{
    if (session->server->strictness <= 0)
        while (line.length > 0 && zm_is_blank(line.data[line.length - 1]))
            line.length--;
    return line;
}

bool command_next(session_t *session)
{
    zm_line_t line;
    apr_status_t status = zm_stream_line(session->stream, &line);
    if (APR_STATUS_IS_EAGAIN(status))
        return false;
    if (APR_STATUS_IS_EOF(status) || (status == APR_SUCCESS && line.end == ZM_LINE_EOF &&
                                      !zm_str_equal_nocase(zm_str_trim(line.text), ZM_S("QUIT")))) {
        session_finish(session, "connection closed without QUIT");
        return false;
    }
    session_await_command(session);
    if (status == ZM_E_LIMIT) {
        command_error(session, 500, "5.5.2", "the line is too long");
        return true;
    }
    session_log(session, 'r', shown(session, line.text));
    if (session->server->echo) {
        zm_stream_write_str(session->stream, line.text);
        zm_stream_write_c(session->stream, "\r\n");
    }
    if (check_line(session, &line) && check_pipelining(session))
        execute(session, chop(session, line.text));
    return true;
}
