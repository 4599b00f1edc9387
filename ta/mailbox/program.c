#include "ta/mailbox/program.h"

#include <apr_strings.h>
#include <string.h>

#define WORDS 100

/* -- the command ----------------------------------------------------------- */

static const char *const *shell_words(const char *command, apr_pool_t *pool)
{
    const char **words = apr_pcalloc(pool, sizeof *words * 4);
    words[0] = "/bin/sh";
    words[1] = "-c";
    words[2] = command;
    return words;
}

const char *const *zm_program_words(const char *command, apr_pool_t *pool)
{
    const char **words = apr_pcalloc(pool, sizeof *words * (WORDS + 1));
    int count = 0;
    if (command[0] != '/' || strpbrk(command, "$>") != NULL)
        return command[0] == '\0' ? NULL : shell_words(command, pool);
    for (;;) {
        const char *end;
        while (zm_is_blank(*command))
            command++;
        if (*command == '\0')
            return count > 0 ? words : NULL;
        if (count == WORDS)
            return NULL;
        if (*command == '\'') {
            command++;
            end = command + strcspn(command, "'");
        } else
            end = command + strcspn(command, " \t");
        words[count++] = apr_pstrmemdup(pool, command, (apr_size_t)(end - command));
        command = *end == '\'' ? end + 1 : end;
    }
}

/* -- the outcome ----------------------------------------------------------- */

static void judge_exit(zm_delivered_t *result, int code, const char *line, int length)
{
    switch (code) {
    case ZM_RESULT_OK:
        zm_delivered_set(result, ZM_RESULT_OK, "2.2.0", "%.*s [Exit Status 0]", length, line);
        return;
    case ZM_RESULT_DATAERR:
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.6.0", "%.*s [exit status %d]", length,
                         line, code);
        return;
    case ZM_RESULT_NOUSER:
    case ZM_RESULT_NOHOST:
    case ZM_RESULT_UNAVAILABLE:
    case ZM_RESULT_NOPERM:
        zm_delivered_set(result, code, "5.3.0", "%.*s [exit status %d]", length, line, code);
        return;
    default:
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.3.0", "%.*s [exit status %d]", length, line,
                         code);
    }
}

static void judge(zm_delivered_t *result, const zm_run_end_t *end)
{
    const char *line = end->line.data;
    int length = (int)end->line.length;
    switch (end->how) {
    case ZM_RUN_NO_LETTER:
        zm_delivered_set(result, ZM_RESULT_IOERR, "4.3.0", "cannot read the message");
        return;
    case ZM_RUN_TOO_LONG:
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.4.7", "%.*s [time limit]", length, line);
        return;
    case ZM_RUN_SIGNALLED:
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.3.0", "%.*s [signal %d]", length, line,
                         end->code);
        return;
    case ZM_RUN_EXITED:
        judge_exit(result, end->code, line, length);
        return;
    }
}

void zm_program_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, zm_loop_t *loop,
                        apr_pool_t *pool)
{
    zm_run_spec_t spec = {0};
    zm_run_end_t *end = apr_palloc(pool, sizeof *end);
    zm_buf_t beginning = ZM_BUF_INIT;
    zm_error_t error = {0};
    spec.words = zm_program_words(delivery->path, pool);
    if (spec.words == NULL) {
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.3.0", "bad command: %s", delivery->path);
        return;
    }
    zm_buf_add_str(&beginning, delivery->separator);
    zm_buf_add_str(&beginning, delivery->head);
    zm_buf_add_byte(&beginning, '\n');
    spec.environment = delivery->environment;
    spec.directory = delivery->directory;
    spec.private_files = true;
    spec.stall_limit = delivery->stall_limit;
    spec.total_limit = delivery->total_limit;
    spec.limits = &delivery->limits;
    spec.beginning = zm_buf_str(&beginning);
    spec.body = delivery->body;
    spec.baton = delivery->baton;
    spec.end_line = true;
    if (zm_run(end, &spec, loop, &error) != APR_SUCCESS)
        zm_delivered_set(result, ZM_RESULT_OSERR, "4.3.0", "cannot start %s: %s", spec.words[0],
                         error.text);
    else
        judge(result, end);
    zm_buf_free(&beginning);
}
