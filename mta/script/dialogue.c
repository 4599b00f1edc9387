#include "mta/script/dialogue.h"

#include <stdio.h>

#include "mta/script/line_editor.h"
#include "mta/script/mail_check.h"
#include "platform/identity.h"

typedef struct talk_t {
    zm_script_t *script;
    const zm_dialogue_t *how;
    zm_line_editor_t *editor; /* null: lines as they come */
    zm_mail_check_t *mail;
    zm_buf_t prompt;
} talk_t;

static void set_default(zm_script_t *script, const char *name, zm_str_t value)
{
    if (zm_script_get_str(script, name).length == 0)
        zm_script_set_str(script, name, value);
}

void zm_dialogue_defaults(zm_script_t *script)
{
    set_default(script, "PS1", zm_identity_own().uid == 0 ? ZM_S("# ") : ZM_S("$ "));
    set_default(script, "PS2", ZM_S("> "));
    set_default(script, "MAILCHECK", ZM_S("600"));
}

/* What a function of that name prints, or the variable's value. */
static const char *prompt_of(talk_t *talk, const char *variable)
{
    zm_script_result_t result;
    zm_buf_clear(&talk->prompt);
    if (!talk->how->prompts)
        return "";
    if (zm_script_has_function(talk->script, variable))
        zm_script_call(talk->script, variable, NULL, 0, &result, NULL);
    else
        zm_buf_add_str(&talk->prompt, zm_script_get_str(talk->script, variable));
    return zm_buf_c(&talk->prompt);
}

static void tell_of_mail(talk_t *talk)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_mail_check(talk->mail, &text);
    fputs(zm_buf_c(&text), stderr);
    zm_buf_free(&text);
}

/* The input is read through the script's own stream, so that a command `read` finds what
 * follows it. */
static bool read_line(talk_t *talk, const char *variable, zm_buf_t *text)
{
    const char *prompt = prompt_of(talk, variable);
    fflush(stdout);
    if (talk->editor != NULL)
        return zm_line_editor_read(talk->editor, prompt, text);
    fputs(prompt, stderr);
    fflush(stderr);
    return zm_script_read_line(talk->script, text);
}

/* Whether the dialogue ends with what came of a text. */
static bool is_over(const talk_t *talk, apr_status_t result)
{
    if (result == ZM_E_STOPPED)
        return true;
    return (result != APR_SUCCESS || talk->how->once) && !talk->how->prompts &&
           !talk->how->forgiving;
}

static apr_status_t talk_on(talk_t *talk, int *status)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_status_t result = APR_SUCCESS;
    bool more = true, whole = true;
    while (more) {
        zm_error_t error = {0};
        if (whole && talk->how->prompts)
            tell_of_mail(talk);
        more = read_line(talk, whole ? "PS1" : "PS2", &text);
        if (!more && text.length == 0)
            break;
        result = zm_script_run(talk->script, zm_buf_str(&text), "stdin", status, &error);
        whole = result != APR_EINCOMPLETE || !more;
        if (!whole)
            continue;
        zm_buf_clear(&text);
        if (result == ZM_E_LIMIT || result == APR_EINCOMPLETE)
            fprintf(stderr, "%s: %s\n", talk->how->program, error.text);
        if (talk->how->after != NULL && !talk->how->after(talk->how->baton))
            break;
        if (is_over(talk, result))
            break;
        zm_script_run_traps(talk->script);
    }
    zm_buf_free(&text);
    return result;
}

apr_status_t zm_dialogue_run(zm_script_t *script, const zm_dialogue_t *dialogue, int *status)
{
    talk_t talk = {.script = script, .how = dialogue};
    apr_pool_t *pool;
    apr_status_t result = apr_pool_create(&pool, NULL);
    if (result != APR_SUCCESS)
        return result;
    if (dialogue->prompts)
        talk.editor = zm_line_editor_open(pool);
    talk.mail = zm_mail_check_create(script, pool);
    result = talk_on(&talk, status);
    zm_buf_free(&talk.prompt);
    apr_pool_destroy(pool);
    return result;
}
