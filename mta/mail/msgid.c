#include "mta/mail/msgid.h"

#include <apr_strings.h>

zm_str_t zm_message_id_make(zm_str_t spool_id, apr_time_t now, unsigned number, const char *host,
                            apr_pool_t *pool)
{
    apr_time_exp_t part;
    apr_time_exp_gmt(&part, now);
    return zm_str(apr_psprintf(pool, "<%.*s/%04d%02d%02d%02d%02d%02dZ+%u@%.90s>",
                               (int)spool_id.length, spool_id.data, part.tm_year + 1900,
                               part.tm_mon + 1, part.tm_mday, part.tm_hour, part.tm_min,
                               part.tm_sec, number, host));
}

zm_header_t *zm_message_id_find(const zm_headers_t *headers, bool resent)
{
    static const char *const names[] = {"Message-Id", "Resent-Message-Id"};
    zm_header_t *found = zm_headers_find(headers, names[resent]);
    return found != NULL ? found : zm_headers_find(headers, names[!resent]);
}

zm_str_t zm_message_id_raw(const zm_headers_t *headers, bool resent, apr_pool_t *pool)
{
    const zm_header_t *header = zm_message_id_find(headers, resent);
    return header != NULL ? zm_header_line(header, pool) : ZM_S("");
}
