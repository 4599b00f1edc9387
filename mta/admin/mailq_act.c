#include "mta/admin/mailq.h"

#include <apr_strings.h>
#include <stdio.h>

/*
 * What a word names: a message is a file name below transport/ ("4711",
 * "A/B/4711"), a spool id ("S4711Ab...") or a Message-ID in its angle brackets,
 * anything else a destination.
 */
static bool is_message(zm_str_t word)
{
    if (zm_str_starts(word, ZM_S("<")) && zm_str_ends_nocase(word, ZM_S(">")))
        return true;
    while (word.length > 2 && word.data[0] >= 'A' && word.data[0] <= 'Z' && word.data[1] == '/')
        word = zm_str_from(word, 2);
    if (word.length > 1 && word.data[0] == 'S')
        word = zm_str_from(word, 1);
    return word.length > 0 && zm_is_digit(word.data[0]) && zm_str_find(word, '/') < 0;
}

/* "VERB MSG ID" or "VERB THREAD CHANNEL HOST"; null after a complaint. */
static const char *command_for(mailq_t *mailq, const char *verb, const char *what)
{
    zm_str_t word = zm_str(what), channel, host;
    apr_size_t i;

    for (i = 0; i < word.length; i++)
        if ((unsigned char)word.data[i] <= ' ')
            return NULL;
    if (is_message(word))
        return apr_pstrcat(mailq->pool, verb, " MSG ", what, NULL);
    if (!zm_str_cut(word, '/', &channel, &host) || channel.length == 0 || host.length == 0)
        return NULL;
    return apr_pstrcat(mailq->pool, verb, " THREAD ", zm_str_c(mailq->pool, channel), " ",
                       zm_str_c(mailq->pool, host), NULL);
}

static int act(mailq_t *mailq, const mailq_action_t *action)
{
    const char *command = command_for(mailq, action->verb, action->what);
    zm_str_t reply;
    bool done;

    if (command == NULL)
        return mailq_complain(64, "\"%s\" is neither a message nor CHANNEL/HOST", action->what);
    done = mailq_command(mailq, command, &reply, mailq->pool);
    if (!done)
        return mailq_complain(EXIT_NOPERM, "%s: %.*s", action->what, (int)reply.length - 1,
                              reply.data + 1);
    printf("%s: ", action->what);
    mailq_print_line(zm_str_from(reply, 1));
    return 0;
}

int mailq_act(mailq_t *mailq)
{
    int i, code = 0;
    for (i = 0; i < mailq->actions->nelts; i++) {
        int result = act(mailq, &APR_ARRAY_IDX(mailq->actions, i, mailq_action_t));
        if (code == 0)
            code = result;
    }
    return code;
}

/* -- explaining ---------------------------------------------------------------------------- */

int mailq_explain(mailq_t *mailq, const char *what)
{
    const char *command = command_for(mailq, "EXPLAIN", what);
    zm_str_t line;

    if (command == NULL)
        return mailq_complain(64, "\"%s\" is neither a message nor CHANNEL/HOST", what);
    if (!mailq_command(mailq, command, &line, mailq->pool)) {
        if (zm_str_starts(line, ZM_S("-No such")))
            return mailq_explain_file(mailq, zm_str(what));
        return mailq_complain(EXIT_NOPERM, "the scheduler refuses: %.*s", (int)line.length - 1,
                              line.data + 1);
    }
    while (mailq_reply_line(mailq, &line, mailq->pool))
        mailq_print_line(line);
    return 0;
}
