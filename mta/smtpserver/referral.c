/*
 * Questions to the router: what a session does with its answers, and the two commands that are
 * nothing but questions, VRFY and EXPN.
 *
 * An answer is a list of reply lines, of which the last decides.  When nobody
 * answers, the client is asked to come again; a program on standard input, which
 * cannot, is believed instead.
 */
#include <apr_strings.h>

#include "mta/smtpserver/session_parts.h"

#define UNHEARD_LIMIT 20 /* questions without an answer, in one session */

/* -- whether to ask ---------------------------------------------------------------------------- */

static bool asked(const session_t *session, int unless, int if_named)
{
    const server_t *server = session->server;
    if (server->inquiries == NULL || (session->style & unless) != 0)
        return false;
    return !server->config->router_named || (session->style & if_named) != 0;
}

bool referral_of_sender(const session_t *session)
{
    return asked(session, PATTERN_NO_FROM, PATTERN_FROM);
}

bool referral_of_recipient(const session_t *session)
{
    return asked(session, PATTERN_NO_TO, PATTERN_TO);
}

bool referral_of_vrfy(const session_t *session)
{
    return session->server->inquiries != NULL && session->group->vrfy &&
           (session->style & PATTERN_VERIFY) != 0;
}

bool referral_of_expn(const session_t *session)
{
    return session->server->inquiries != NULL && session->group->expn &&
           (session->style & PATTERN_EXPAND) != 0;
}

/* -- asking ------------------------------------------------------------------------------------ */

static void on_answer(const inquiry_answer_t *answer, void *baton)
{
    session_t *session = baton;
    session->depth++;
    session->waiting = false;
    if (answer->failed)
        session->unheard++;
    if (!session->over)
        session->heard(session, answer);
    if (session->unheard > UNHEARD_LIMIT && !session->over) {
        reply(session, 421, "4.3.0", "%s: something is out of order here; try again later",
              session->server->hostname);
        session_finish(session, "no answers from the router");
    }
    if (!session->waiting)
        session_go_on(session);
    session->depth--;
    session_settle(session);
}

void session_inquire(session_t *session, const char *key, zm_str_t argument,
                     void (*then)(session_t *session, const inquiry_answer_t *answer))
{
    session->heard = then;
    inquiry_put(&session->inquiry, session->server->inquiries, key, argument, on_answer, session);
    session_wait(session);
}

zm_str_t referral_address(session_t *session, zm_str_t address)
{
    apr_pool_t *pool = session->server->scratch_pool;
    if (address.length == 0 || address.data[0] != '-')
        return address;
    return zm_str(apr_psprintf(pool, "<%.*s>", (int)address.length, address.data));
}

/* -- answers ----------------------------------------------------------------------------------- */

referral_t referral_read(const session_t *session, const inquiry_answer_t *answer)
{
    referral_t referral = {0};
    if (answer->failed) {
        referral.accepted = session->server->local;
        return referral;
    }
    referral.answered = inquiry_last_line(answer->text, &referral.line);
    referral.accepted = !referral.answered || referral.line.code / 100 == 2;
    return referral;
}

/* An enhanced code that goes with the reply code; null: none does. */
static const char *enhanced_for(const inquiry_line_t *line, int code)
{
    return line->enhanced[0] - '0' == code / 100 ? line->enhanced : NULL;
}

/* The lines before the last, all with its code. */
static void relay_others(session_t *session, int code, zm_str_t text)
{
    inquiry_line_t line;
    while (inquiry_line(&text, &line) && text.length > 0)
        reply_more(session, code, enhanced_for(&line, code), "%.*s", (int)line.text.length,
                   line.text.data);
}

void referral_refuse(session_t *session, const referral_t *referral, const inquiry_answer_t *answer)
{
    const inquiry_line_t *line = &referral->line;
    int code = line->code;
    if (!referral->answered || (code / 100 != 4 && code / 100 != 5)) {
        reply(session, 451, "4.3.0", "this cannot be checked now; try again later");
        return;
    }
    session_tarpit(session);
    relay_others(session, code, answer->text);
    reply(session, code, enhanced_for(line, code), "Hi %s, %.*s", session->client_text,
          (int)line->text.length, line->text.data);
}

/* -- VRFY and EXPN ----------------------------------------------------------------------------- */

/* One reply has one code: that of the last line.  The codes of the lines tell the rest. */
static void relay(session_t *session, const inquiry_answer_t *answer)
{
    referral_t referral = referral_read(session, answer);
    zm_str_t text = answer->text;
    inquiry_line_t line;
    int code = referral.line.code;
    if (answer->failed || !referral.answered || code < 200 || code > 599 || code / 100 == 3) {
        reply(session, 451, "4.3.0", "this cannot be told now; try again later");
        return;
    }
    if (code / 100 != 2)
        session_tarpit(session);
    while (inquiry_line(&text, &line)) {
        const char *enhanced = enhanced_for(&line, code);
        if (text.length > 0)
            reply_part(session, code, enhanced, line.text);
        else
            reply(session, code, enhanced, "%.*s", (int)line.text.length, line.text.data);
    }
}

/* What a person types, without what could be taken for an option. */
static zm_str_t question_of(zm_str_t arguments)
{
    while (arguments.length > 0 && arguments.data[0] == '-')
        arguments = zm_str_from(arguments, 1);
    return zm_str_trim(arguments);
}

void command_vrfy(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (session->state == SESSION_HELLO)
        command_error(session, 503, "5.5.1", "say HELO or EHLO first");
    else if (arguments.length == 0)
        command_error(session, 501, "5.5.4", "VRFY wants an address");
    else if (referral_of_vrfy(session))
        session_inquire(session, "verify", question_of(arguments), relay);
    else
        reply(session, 252, "2.5.2", "cannot verify, but will accept mail and try to deliver it");
}

void command_expn(session_t *session, zm_str_t arguments, apr_size_t column)
{
    (void)column;
    if (!referral_of_expn(session)) {
        session_tarpit(session);
        reply(session, 502, "5.5.1", "EXPN is not available");
    } else if (session->state == SESSION_HELLO) {
        command_error(session, 503, "5.5.1", "say HELO or EHLO first");
    } else if (arguments.length == 0) {
        command_error(session, 501, "5.5.4", "EXPN wants the name of a list");
    } else {
        session_inquire(session, "expand", question_of(arguments), relay);
    }
}
