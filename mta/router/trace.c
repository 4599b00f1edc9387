#include "mta/router/trace.h"

#include <apr_strings.h>
#include <stdarg.h>

#include "spool/trace.h"

/* "../public/v_XXXXXX" or the same below the spool's own path; null: anything else. */
static const char *leaf_of(router_message_t *message)
{
    zm_str_t leaf = zm_spool_trace_leaf(message->verbose), folder = message->verbose;
    if (leaf.length == 0)
        return NULL;
    folder.length -= leaf.length;
    if (zm_str_equal_c(folder, "../" ZM_DIR_PUBLIC "/") ||
        zm_str_equal_c(folder, apr_pstrcat(message->pool, zm_zenv_postoffice(message->worker->zenv),
                                           "/" ZM_DIR_PUBLIC "/", NULL)))
        return zm_str_c(message->pool, leaf);
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
        (void)zm_object_append(message->trace, text.data, text.length, false);
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
    zm_object_close(message->trace);
    message->trace = NULL;
}
