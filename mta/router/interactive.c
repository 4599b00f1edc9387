#include "mta/router/interactive.h"

#include <stdio.h>
#include <string.h>

#include "mta/map/map.h"
#include "mta/router/commands.h"
#include "mta/script/line_editor.h"
#include "platform/exec.h"

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

/* A line of any length with its LF; false at the end. */
static bool read_line(zm_line_editor_t *editor, const char *prompt, zm_buf_t *text)
{
    char part[1024];
    if (editor != NULL)
        return zm_line_editor_read(editor, prompt, text);
    if (prompt != NULL) {
        fputs(prompt, stderr);
        fflush(stderr);
    }
    while (fgets(part, sizeof part, stdin) != NULL) {
        zm_buf_add_c(text, part);
        if (text->length > 0 && text->data[text->length - 1] == '\n')
            return true;
    }
    return false;
}

int router_interactive(router_worker_t *worker)
{
    bool terminal = zm_program_is_terminal(0) && zm_program_is_terminal(2), more = true;
    zm_line_editor_t *editor = zm_line_editor_open(worker->pool);
    zm_buf_t text = ZM_BUF_INIT;
    const char *prompt = "z$ ";
    int status = 0;
    print_directly(worker);
    while (more) {
        zm_error_t error = {0};
        apr_status_t result;
        more = read_line(editor, terminal ? prompt : NULL, &text);
        if (!more && text.length == 0)
            break;
        result = zm_script_run(worker->script, zm_buf_str(&text), "stdin", &status, &error);
        router_commands_forget(worker);
        if (result == APR_EINCOMPLETE && more) {
            prompt = "> ";
            continue;
        }
        prompt = "z$ ";
        zm_buf_clear(&text);
        fflush(stdout);
        if (result == ZM_E_STOPPED) {
            status = zm_script_exit_status(worker->script);
            break;
        }
        if (result == ZM_E_LIMIT || result == APR_EINCOMPLETE)
            fprintf(stderr, "router: %s\n", error.text);
        zm_script_run_traps(worker->script);
    }
    zm_buf_free(&text);
    zm_script_run_exit_trap(worker->script);
    return status;
}

/* -- the SMTP server ------------------------------------------------------------------------ */

static bool ask(router_worker_t *worker, zm_str_t key, zm_str_t argument)
{
    zm_value_t arguments[2] = {zm_value_of(key), zm_value_of(argument)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    apr_status_t status;
    zm_map_look_again();
    zm_script_begin(worker->script);
    zm_script_defer_clear(worker->script);
    status = zm_script_call(worker->script, "server", arguments, 2, &result, &error);
    router_commands_forget(worker);
    zm_script_end(worker->script);
    if (status == APR_SUCCESS)
        return true;
    printf("451 4.3.0 the question cannot be answered now\n");
    fprintf(stderr, "router: %s\n", error.text);
    return status != APR_ENOENT && status != ZM_E_STOPPED;
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
    char line[QUESTION_LIMIT];
    zm_str_t key, argument;
    unsigned count = 0;
    bool going;
    worker->assisting = true;
    print_directly(worker);
    going = ask(worker, ZM_S("init"), ZM_S(""));
    printf("#hungry\n");
    fflush(stdout);
    while (going && read_question(line, sizeof line, &key, &argument)) {
        if (strlen(line) == sizeof line - 1) /* its rest would be taken for a question */
            return 65;
        going = ask(worker, key, argument);
        printf("#hungry\n");
        fflush(stdout);
        if (going && ++count % PURGE_INTERVAL == 0)
            going = ask(worker, ZM_S("purge"), ZM_S(""));
    }
    return going ? 0 : 70;
}
