#include "ta/mailbox/delivery.h"

#include <stdio.h>

#include "platform/status.h"
#include "ta/mailbox/maildir.h"
#include "ta/mailbox/mbox.h"
#include "ta/mailbox/program.h"

void zm_delivered_set(zm_delivered_t *result, int code, const char *status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zm_delivered_vset(result, code, status, format, arguments);
    va_end(arguments);
}

void zm_delivered_vset(zm_delivered_t *result, int code, const char *status, const char *format,
                       va_list arguments)
{
    char *at;
    result->result = (zm_result_t)code;
    snprintf(result->status, sizeof result->status, "%s", status);
    vsnprintf(result->text, sizeof result->text, format, arguments);
    for (at = result->text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' ';
}

void zm_delivered_error(zm_delivered_t *result, const zm_delivery_t *delivery, apr_status_t status,
                        const char *what)
{
    char text[160];
    const char *path = delivery->path;
    bool quota = APR_STATUS_IS_ENOSPC(status) && status != APR_ENOSPC; /* APR counts EDQUOT in */
    zm_status_text(status, text, sizeof text);
    if (delivery->kind == ZM_STORE_FILE && APR_STATUS_IS_EACCES(status))
        zm_delivered_set(result, ZM_RESULT_NOPERM, "5.2.1", "%s %s: %s", what, path, text);
    else if (quota && delivery->quota_permanent)
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.2.2", "%s %s: %s", what, path, text);
    else if (quota)
        zm_delivered_set(result, ZM_RESULT_IOERR, "4.2.2", "%s %s: %s", what, path, text);
    else if (APR_STATUS_IS_ENOSPC(status))
        zm_delivered_set(result, ZM_RESULT_IOERR, "4.3.1", "%s %s: %s", what, path, text);
    else if (status == ZM_E_UNSAFE)
        zm_delivered_set(result, ZM_RESULT_UNAVAILABLE, "5.2.1", "%s %s: %s", what, path, text);
    else
        zm_delivered_set(result, ZM_RESULT_TEMPFAIL, "4.2.0", "%s %s: %s", what, path, text);
}

void zm_deliver(zm_delivered_t *result, const zm_delivery_t *delivery, zm_loop_t *loop,
                apr_pool_t *pool)
{
    *result = (zm_delivered_t){0};
    switch (delivery->kind) {
    case ZM_STORE_MBOX:
    case ZM_STORE_FILE:
        zm_mbox_deliver(result, delivery, pool);
        break;
    case ZM_STORE_MAILDIR:
        zm_maildir_deliver(result, delivery, pool);
        break;
    case ZM_STORE_PIPE:
        zm_program_deliver(result, delivery, loop, pool);
        break;
    }
}
