#include "mta/submit/sendmail_recipients.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/mail/complete.h"
#include "mta/mail/header_text.h"
#include "mta/mail/recipients.h"

apr_status_t sendmail_words_by_name(sendmail_words_t *words, const char *name, zm_error_t *error)
{
    static const char *const names[] = {"ignore", "add", "remove"};
    int i;
    for (i = 0; i < 3; i++) {
        if (zm_str_equal_nocase(zm_str(name), zm_str(names[i]))) {
            *words = (sendmail_words_t)i;
            return APR_SUCCESS;
        }
    }
    return zm_error_set(error, ZM_E_CONFIG, "SENDMAIL_T_ARGS=%s: expected ignore, add or remove",
                        name);
}

apr_ssize_t sendmail_header_length(zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] == '\n'))
            return (apr_ssize_t)i;
    return -1;
}

/* -- the header ------------------------------------------------------------------- */

apr_status_t sendmail_header_recipients(apr_array_header_t *list, zm_str_t header,
                                        zm_error_t *error)
{
    zm_headers_t *headers = zm_headers_of_text(header, list->pool);
    bool resent = zm_headers_resent(headers);
    zm_recipients_t found = zm_recipients_of_header(headers, resent, list->pool);
    const zm_header_t *field;
    apr_size_t i;
    for (field = headers->first; field != NULL; field = field->next)
        if (field->bad && field->rule->class == ZM_HEADER_RECIPIENT &&
            field->rule->resent == resent)
            return zm_error_set(error, ZM_E_SYNTAX, "an address in the field %.*s is malformed",
                                (int)field->name.length, field->name.data);
    for (i = 0; i < found.count; i++) {
        zm_str_t pure = found.items[i]->pure;
        if (pure.length > 0 && memchr(pure.data, '\0', pure.length) != NULL)
            return zm_error_set(error, ZM_E_SYNTAX, "an address in the header has a NUL in it");
        if (pure.length > 0)
            APR_ARRAY_PUSH(list, const char *) = zm_str_c(list->pool, pure);
    }
    return APR_SUCCESS;
}

/* -- the words --------------------------------------------------------------------- */

static bool same_address(const char *one, const char *other)
{
    zm_str_t local[2], domain[2];
    zm_address_split(zm_str(one), &local[0], &domain[0]);
    zm_address_split(zm_str(other), &local[1], &domain[1]);
    return zm_str_equal(local[0], local[1]) && zm_str_equal_nocase(domain[0], domain[1]);
}

static bool is_in(const apr_array_header_t *list, const char *address)
{
    int i;
    for (i = 0; i < list->nelts; i++)
        if (same_address(APR_ARRAY_IDX(list, i, const char *), address))
            return true;
    return false;
}

void sendmail_apply_words(apr_array_header_t *list, const apr_array_header_t *words, bool add)
{
    int i, kept = 0;
    for (i = 0; add && i < words->nelts; i++)
        if (!is_in(list, APR_ARRAY_IDX(words, i, const char *)))
            APR_ARRAY_PUSH(list, const char *) = APR_ARRAY_IDX(words, i, const char *);
    for (i = 0; !add && i < list->nelts; i++)
        if (!is_in(words, APR_ARRAY_IDX(list, i, const char *)))
            APR_ARRAY_IDX(list, kept++, const char *) = APR_ARRAY_IDX(list, i, const char *);
    if (!add)
        list->nelts = kept;
}
