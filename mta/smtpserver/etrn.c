/* ETRN (RFC 1985): a client asks for the mail that waits for it. */
#include "mta/smtpserver/session_parts.h"

static void on_turn(turn_result_t result, zm_str_t notes, void *baton)
{
    session_t *session = baton;
    zm_str_t line, host = zm_buf_str(&session->turn_host);
    int code = result == TURN_FAILED ? 458 : result == TURN_NOTHING ? 251 : 250;
    const char *enhanced = result == TURN_FAILED ? "4.3.0" : "2.0.0";
    session->depth++;
    session->waiting = false;
    session->turn = NULL;
    while (zm_str_cut(notes, '\n', &line, &notes))
        reply_more(session, code, enhanced, "%.*s", (int)line.length, line.data);
    if (result == TURN_STARTED)
        reply(session, code, enhanced, "delivery to %.*s is started", (int)host.length, host.data);
    else if (result == TURN_NOTHING)
        reply(session, code, enhanced, "no mail waits for %.*s", (int)host.length, host.data);
    else
        reply(session, code, enhanced, "delivery to %.*s cannot be started now; try again later",
              (int)host.length, host.data);
    session_go_on(session);
    session->depth--;
    session_settle(session);
}

/* Whether the command may come now; else it has been answered. */
static bool may_turn(session_t *session, zm_str_t arguments)
{
    if (!session->greeted_ehlo)
        command_error(session, 503, "5.5.1", "say EHLO first");
    else if (session->transaction != NULL)
        command_error(session, 503, "5.5.1", "not amid a message");
    else if (arguments.length == 0)
        command_error(session, 501, "5.5.4", "ETRN wants the name of a host");
    else if (arguments.data[0] == '@' || arguments.data[0] == '#')
        command_error(session, 458, "5.7.1",
                      "only hosts can be asked for, no domains with all below and no queues");
    else
        return true;
    return false;
}

void command_etrn(session_t *session, zm_str_t arguments, apr_size_t column)
{
    turns_t *turns = session->server->turns;
    zm_smtp_problem_t problem = {0};
    if (!may_turn(session, arguments))
        return;
    if (arguments.data[0] == '[' || arguments.length > 255 || !zm_smtp_helo(arguments, &problem)) {
        session->errors++;
        reply_syntax(session, 501, "5.5.4", column + problem.at,
                     problem.text != NULL ? problem.text : "the name of a host is expected",
                     arguments);
        return;
    }
    if (!turns_allow(turns, &session->options.client.ip)) {
        session_tarpit(session);
        reply(session, 459, "4.7.0", "too many requests from %s; try again later",
              session->client_text);
        return;
    }
    zm_buf_clear(&session->turn_host);
    zm_buf_add_str(&session->turn_host, arguments);
    session_note(session, "etrn %.*s", (int)arguments.length, arguments.data);
    if (turn_begin(&session->turn, turns, arguments, session->client_text, on_turn, session) !=
        APR_SUCCESS) {
        session->turn = NULL;
        reply(session, 458, "4.3.0", "out of memory; try again later");
        return;
    }
    session_wait(session);
}
