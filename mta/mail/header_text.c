#include "mta/mail/header_text.h"

#include "mta/mail/header_table.h"

/* The field at the start of *rest, its continuation lines included, without its last LF. */
static zm_str_t take_field(zm_str_t *rest)
{
    apr_size_t end = 0;
    zm_str_t field;
    do {
        while (end < rest->length && rest->data[end] != '\n')
            end++;
        end++;
    } while (end < rest->length && zm_is_blank((unsigned char)rest->data[end]));
    field = zm_str_of(rest->data, end <= rest->length ? end - 1 : rest->length);
    *rest = zm_str_from(*rest, end <= rest->length ? end : rest->length);
    return field;
}

zm_headers_t *zm_headers_of_text(zm_str_t text, apr_pool_t *pool)
{
    zm_headers_t *headers = zm_headers_create(zm_header_table_create(pool), pool);
    zm_str_t rest = text, name, value;
    while (rest.length > 0 && rest.data[0] != '\n') {
        zm_str_t field = take_field(&rest);
        if (!zm_str_starts(field, ZM_S("From ")) && zm_str_cut(field, ':', &name, &value))
            zm_headers_append(headers, zm_str_trim(name), value);
    }
    return headers;
}
