/* Redirections of commands. */

#include <apr_strings.h>

#include "mta/script/interp.h"

/* Replaces a descriptor and remembers what it was. */
static void replace(zm_script_t *script, int descriptor, zm_stream_t *stream, zm_saved_t **saved)
{
    zm_saved_t *save = zm_arena_alloc(&script->arena, sizeof *save);
    save->descriptor = descriptor;
    save->stream = script->fds[descriptor];
    save->next = *saved;
    *saved = save;
    script->fds[descriptor] = stream;
}

static apr_int32_t open_flags(zm_redirect_kind_t kind)
{
    switch (kind) {
    case ZM_REDIRECT_OUT:
        return APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE;
    case ZM_REDIRECT_APPEND:
        return APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_APPEND;
    case ZM_REDIRECT_BOTH:
        return APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_CREATE;
    default:
        return APR_FOPEN_READ;
    }
}

static bool open_target(zm_script_t *script, const zm_redirect_t *redirect, zm_value_t target,
                        zm_stream_t **stream)
{
    const char *path = zm_str_c(script->arena.pool, zm_value_str(target));
    char text[200];
    apr_status_t status;
    if (path[0] == '\0') {
        zm_complain(script, "the name of a file to redirect to is empty");
        return false;
    }
    if (redirect->fifo && redirect->kind != ZM_REDIRECT_IN && !script->no_files)
        apr_file_namedpipe_create(path, APR_FPROT_UREAD | APR_FPROT_UWRITE, script->arena.pool);
    status = zm_stream_open(stream, script, path, open_flags(redirect->kind));
    if (status == APR_SUCCESS)
        return true;
    zm_complain(script, "%s: %s", path, apr_strerror(status, text, sizeof text));
    return false;
}

/* The stream that one redirection asks for, null to close.  False: it cannot be had. */
static bool make_stream(zm_script_t *script, const zm_redirect_t *redirect, zm_stream_t **stream,
                        zm_flow_t *flow)
{
    zm_value_t target = ZM_VALUE_NULL;
    *stream = NULL;
    switch (redirect->kind) {
    case ZM_REDIRECT_CLOSE:
        return true;
    case ZM_REDIRECT_COPY:
        if (script->fds[redirect->source] == NULL) {
            zm_complain(script, "%d: the descriptor is not open", redirect->source);
            return false;
        }
        *stream = zm_stream_hold(script->fds[redirect->source]);
        return true;
    case ZM_REDIRECT_HERE:
        *flow = zm_expand_value(script, redirect->target, &target);
        if (*flow != ZM_FLOW_NORMAL)
            return false;
        *stream = zm_stream_text(script, zm_value_str(target));
        return true;
    default:
        *flow = zm_expand_value(script, redirect->target, &target);
        return *flow == ZM_FLOW_NORMAL && open_target(script, redirect, target, stream);
    }
}

bool zm_redirect(zm_script_t *script, const zm_redirect_t *redirects, zm_saved_t **saved,
                 zm_flow_t *flow)
{
    *saved = NULL;
    *flow = ZM_FLOW_NORMAL;
    for (; redirects != NULL; redirects = redirects->next) {
        zm_stream_t *stream;
        if (!make_stream(script, redirects, &stream, flow)) {
            if (*flow == ZM_FLOW_NORMAL || *flow == ZM_FLOW_SKIP)
                script->status = 1;
            return false;
        }
        replace(script, redirects->descriptor, stream, saved);
    }
    return true;
}

void zm_redirect_undo(zm_script_t *script, zm_saved_t *saved)
{
    for (; saved != NULL; saved = saved->next) {
        zm_stream_release(script, script->fds[saved->descriptor]);
        script->fds[saved->descriptor] = saved->stream;
    }
}

void zm_redirect_keep(zm_script_t *script, zm_saved_t *saved)
{
    for (; saved != NULL; saved = saved->next)
        zm_stream_release(script, saved->stream);
}
