#include "mta/mail/form.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "platform/fs.h"

#define FORM_LIMIT (1u << 20)

static bool name_is_safe(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.data[i];
        if (!zm_is_alpha(c) && !zm_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.length > 0 && name.length <= 100 && name.data[0] != '.';
}

zm_str_t zm_form_field_value(zm_str_t field)
{
    zm_str_t name, value;
    return zm_str_cut(field, ':', &name, &value) ? zm_str_trim(value) : ZM_S("");
}

zm_form_t *zm_form_parse(zm_str_t data, apr_pool_t *pool)
{
    apr_array_header_t *headers = apr_array_make(pool, 4, sizeof(zm_str_t));
    apr_array_header_t *copies = apr_array_make(pool, 2, sizeof(zm_str_t));
    zm_form_t *form = apr_pcalloc(pool, sizeof *form);
    zm_str_t line, rest = data, field;
    form->subject = ZM_S("");
    while (rest.length > 0) {
        zm_str_t after = ZM_S("");
        zm_str_cut(rest, '\n', &line, &after);
        while (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        field = line.length > 4 ? zm_str_from(line, 4) : ZM_S("");
        if (zm_str_starts(line, ZM_S("HDR "))) {
            APR_ARRAY_PUSH(headers, zm_str_t) = field;
        } else if (zm_str_starts(line, ZM_S("ADR "))) {
            APR_ARRAY_PUSH(copies, zm_str_t) = field;
        } else if (zm_str_starts(line, ZM_S("SUB "))) {
            form->subject = zm_form_field_value(field);
        } else {
            if (line.length == 0) /* it divides; any other is part of the text */
                rest = after;
            break;
        }
        rest = after;
    }
    form->headers = (const zm_str_t *)headers->elts;
    form->header_count = headers->nelts;
    form->copies = (const zm_str_t *)copies->elts;
    form->copy_count = copies->nelts;
    form->text = rest;
    return form;
}

apr_status_t zm_form_read(zm_form_t **form, const char *mailshare, zm_str_t name, apr_pool_t *pool)
{
    apr_size_t length;
    char *data;
    apr_status_t status;
    if (!name_is_safe(name))
        return ZM_E_UNSAFE;
    status = zm_file_slurp(
        &data, &length, apr_psprintf(pool, "%s/forms/%.*s", mailshare, (int)name.length, name.data),
        FORM_LIMIT, pool);
    if (status == APR_SUCCESS)
        *form = zm_form_parse(zm_str_of(data, length), pool);
    return status;
}
