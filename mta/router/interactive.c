#include "mta/router/interactive.h"

#include <stdio.h>
#include <string.h>

#include "mta/map/map.h"
#include "mta/router/alone.h"
#include "mta/router/answers.h"
#include "mta/router/commands.h"
#include "mta/script/dialogue.h"
#include "platform/exec.h"
#include "platform/log.h"

#define QUESTION_LIMIT 8192
#define PURGE_INTERVAL 1000

/* What scripts print goes where this process prints. */
static void on_output(void *baton, int stream, const char *data, apr_size_t length)
{
    (void)baton;
    fwrite(data, 1, length, stream == 1 ? stdout : stderr);
}

static void print_directly(router_worker_t *worker)
{
    zm_script_set_output(worker->script, 1, on_output, NULL);
    zm_script_set_output(worker->script, 2, on_output, NULL);
}

/* -- a person ----------------------------------------------------------------------------- */

/* What a command leaves to be done once it has ended. */
static bool after_command(void *baton)
{
    router_worker_t *worker = baton;
    router_commands_forget(worker);
    fflush(stdout);
    if (!worker->alone)
        return true;
    worker->alone = false;
    return router_alone(worker);
}

int router_interactive(router_worker_t *worker)
{
    zm_dialogue_t dialogue = {.program = "router",
                              .prompts = zm_program_is_terminal(0) && zm_program_is_terminal(2),
                              .forgiving = true,
                              .after = after_command,
                              .baton = worker};
    int status = 0;
    print_directly(worker);
    if (worker->alone && !after_command(worker))
        return 0;
    if (zm_dialogue_run(worker->script, &dialogue, &status) == ZM_E_STOPPED)
        status = zm_script_exit_status(worker->script);
    zm_script_run_exit_trap(worker->script);
    return status;
}

/* -- a script ------------------------------------------------------------------------------ */

int router_script(router_worker_t *worker, const char *path, const char *const *arguments,
                  int count)
{
    zm_error_t error = {0};
    apr_status_t result;
    int status = 0;
    print_directly(worker);
    zm_script_set_arguments(worker->script, path, arguments, (apr_size_t)count);
    result = zm_script_source(worker->script, path, &status, &error);
    if (result == ZM_E_STOPPED) {
        status = zm_script_exit_status(worker->script);
    } else if (result == ZM_E_SYNTAX) { /* which is told already */
        status = 7;
    } else if (result != APR_SUCCESS) {
        fprintf(stderr, "router: %s\n", error.text);
        status = 1;
    }
    zm_script_run_exit_trap(worker->script);
    router_commands_forget(worker);
    fflush(stdout);
    return status;
}

/* -- the SMTP server ------------------------------------------------------------------------ */

typedef struct assist_t {
    router_worker_t *worker;
    router_answers_t *answers;
    zm_buf_t printed;
} assist_t;

static void on_answer(void *baton, int stream, const char *data, apr_size_t length)
{
    assist_t *assist = baton;
    if (stream == 1)
        zm_buf_add(&assist->printed, data, length);
    else
        zm_log(ZM_LOG_WARNING, NULL, "script",
               ZM_F_N("says", zm_str_trim(zm_str_of(data, length))));
}

/* Has the scripts answer.  False: they cannot go on. */
static bool ask(assist_t *assist, zm_str_t key, zm_str_t argument)
{
    router_worker_t *worker = assist->worker;
    zm_value_t arguments[2] = {zm_value_of(key), zm_value_of(argument)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    apr_status_t status;
    zm_buf_clear(&assist->printed);
    zm_map_look_again();
    zm_script_begin(worker->script);
    zm_script_defer_clear(worker->script);
    status = zm_script_call(worker->script, "server", arguments, 2, &result, &error);
    router_commands_forget(worker);
    zm_script_end(worker->script);
    if (status == APR_SUCCESS)
        return true;
    zm_buf_clear(&assist->printed);
    zm_buf_add_c(&assist->printed, "451 4.3.0 the question cannot be answered now\n");
    zm_log(ZM_LOG_ERROR, NULL, "a question cannot be answered", ZM_F_N("key", key),
           ZM_F_N("argument", argument), ZM_F_S("reason", error.text));
    return status != APR_ENOENT && status != ZM_E_STOPPED;
}

static void print(zm_str_t text)
{
    fwrite(text.data, 1, text.length, stdout);
}

/* Questions whose answer is the same a moment later. */
static bool may_be_kept(zm_str_t key)
{
    return zm_str_equal_c(key, "from") || zm_str_equal_c(key, "to") ||
           zm_str_equal_c(key, "verify") || zm_str_equal_c(key, "expand");
}

static bool answer(assist_t *assist, zm_str_t question, zm_str_t key, zm_str_t argument)
{
    zm_str_t kept;
    bool going = true;
    if (may_be_kept(key) && router_answers_find(assist->answers, question, &kept)) {
        print(kept);
    } else {
        going = ask(assist, key, argument);
        print(zm_buf_str(&assist->printed));
        if (going && may_be_kept(key))
            router_answers_keep(assist->answers, question, zm_buf_str(&assist->printed));
    }
    printf("#hungry\n");
    fflush(stdout);
    return going;
}

/* Reads a question.  What is no text in it becomes blanks.  False at the end. */
static bool read_question(char *line, int size, zm_str_t *key, zm_str_t *argument)
{
    zm_str_t rest;
    char *c;
    if (fgets(line, size, stdin) == NULL)
        return false;
    rest = zm_str_trim(zm_str(line));
    line[rest.data - line + (apr_ssize_t)rest.length] = '\0';
    if (!zm_str_cut(rest, '\t', key, argument))
        *argument = ZM_S("");
    for (c = strchr(line, '\t') ? strchr(line, '\t') + 1 : line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    return true;
}

int router_assist(router_worker_t *worker)
{
    assist_t assist = {.worker = worker, .answers = router_answers_create(worker->pool)};
    char line[QUESTION_LIMIT];
    zm_str_t key, argument;
    unsigned count = 0;
    bool going;
    worker->assisting = true;
    zm_script_set_output(worker->script, 1, on_answer, &assist);
    zm_script_set_output(worker->script, 2, on_answer, &assist);
    going = answer(&assist, ZM_S(""), ZM_S("init"), ZM_S(""));
    while (going && read_question(line, sizeof line, &key, &argument)) {
        if (strlen(line) == sizeof line - 1) { /* its rest would be taken for a question */
            zm_buf_free(&assist.printed);
            return 65;
        }
        going = answer(&assist, zm_str(line), key, argument);
        if (going && ++count % PURGE_INTERVAL == 0)
            going = ask(&assist, ZM_S("purge"), ZM_S(""));
    }
    zm_buf_free(&assist.printed);
    return going ? 0 : 70;
}
