#include "mta/router/trace.h"

#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

/* "../public/v_XXXXXX" or the same below the spool's own path; null: anything else. */
static const char *leaf_of(router_message_t *message)
{
    const char *path = zm_str_c(message->pool, message->verbose);
    const char *slash = strrchr(path, '/');
    zm_str_t folder;
    if (slash == NULL || strlen(path) != message->verbose.length ||
        !router_is_trace_leaf(zm_str(slash + 1)))
        return NULL;
    folder = zm_str_of(path, (apr_size_t)(slash - path));
    if (zm_str_equal_c(folder, "../" ZM_DIR_PUBLIC) ||
        zm_str_equal_c(folder, apr_pstrcat(message->pool, zm_zenv_postoffice(message->worker->zenv),
                                           "/" ZM_DIR_PUBLIC, NULL)))
        return slash + 1;
    return NULL;
}

void router_trace_open(router_message_t *message)
{
    const char *leaf;
    if (message->verbose.length == 0 || (leaf = leaf_of(message)) == NULL)
        return;
    if (router_open_trace(message->worker->opener, &message->trace, message->file->info.uid, leaf,
                          message->pool) != APR_SUCCESS) {
        message->trace = NULL;
        return;
    }
    message->trace_leaf = leaf;
    router_trace(message, "router processing message %s", message->name);
}

zm_str_t router_trace_name(const router_message_t *message)
{
    if (message->trace == NULL)
        return ZM_S("");
    return zm_str(apr_pstrcat(message->pool, "../" ZM_DIR_PUBLIC "/", message->trace_leaf, NULL));
}

void router_trace_text(router_message_t *message, zm_str_t text)
{
    if (message->trace != NULL && text.length > 0)
        (void)zm_file_append(message->trace, text.data, text.length);
}

void router_trace(router_message_t *message, const char *format, ...)
{
    zm_buf_t line = ZM_BUF_INIT;
    va_list arguments;
    if (message->trace == NULL)
        return;
    va_start(arguments, format);
    zm_buf_vprintf(&line, format, arguments);
    va_end(arguments);
    zm_buf_add_byte(&line, '\n');
    router_trace_text(message, zm_buf_str(&line));
    zm_buf_free(&line);
}

void router_trace_close(router_message_t *message, const char *control)
{
    if (message->trace == NULL)
        return;
    router_trace(message, "router done processing; F='%s' TF='%s'", message->name,
                 control ? control : "");
    zm_file_close(message->trace);
    message->trace = NULL;
}
