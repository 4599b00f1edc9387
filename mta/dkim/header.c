#include "mta/dkim/header.h"

#include "mta/dkim/canon.h"
#include "mta/dkim/tags.h"

#define MOST_NAMES 200 /* of one signature */

/* The next field of *text with its folds; false at the end. */
static bool next_field(zm_str_t *text, zm_str_t *field)
{
    apr_size_t end = 0;
    if (text->length == 0 || text->data[0] == '\n')
        return false;
    for (;;) {
        const char *found = memchr(text->data + end, '\n', text->length - end);
        if (found == NULL) {
            *field = *text;
            *text = ZM_S("");
            return true;
        }
        end = (apr_size_t)(found - text->data);
        if (end + 1 == text->length || !zm_is_blank((unsigned char)text->data[end + 1]))
            break;
        end++;
    }
    *field = zm_str_of(text->data, end);
    *text = zm_str_from(*text, end + 1);
    return true;
}

void zm_dkim_header_read(zm_dkim_header_t *header, zm_str_t text, apr_pool_t *pool)
{
    zm_str_t field, name, value, rest = text;
    int count = 0;
    while (count < ZM_DKIM_FIELDS && next_field(&rest, &field))
        count++;
    *header = (zm_dkim_header_t){.cut = rest.length > 0 && rest.data[0] != '\n'};
    header->fields = apr_palloc(pool, sizeof *header->fields * ((apr_size_t)count + 1));
    for (; count > 0 && next_field(&text, &field); count--) {
        if (!zm_str_cut(field, ':', &name, &value))
            continue;
        name = zm_str_trim(name);
        if (name.length > 0)
            header->fields[header->count++] = (zm_dkim_field_t){name, field};
    }
}

int zm_dkim_header_find(const zm_dkim_header_t *header, zm_str_t name, int from)
{
    int i;
    for (i = from; i < header->count; i++)
        if (zm_str_equal_nocase(header->fields[i].name, name))
            return i;
    return -1;
}

zm_str_t zm_dkim_value(const zm_dkim_field_t *field)
{
    zm_str_t name, value;
    (void)zm_str_cut(field->text, ':', &name, &value);
    return value;
}

bool zm_dkim_header_select(zm_buf_t *out, const zm_dkim_header_t *header, zm_str_t names,
                           bool relaxed, apr_pool_t *pool)
{
    bool *taken = apr_pcalloc(pool, (apr_size_t)header->count + 1);
    zm_str_t name;
    int i, count = 0;
    while (zm_tags_element(&names, ':', &name)) {
        if (++count > MOST_NAMES)
            return false;
        for (i = header->count - 1; i >= 0; i--)
            if (!taken[i] && zm_str_equal_nocase(header->fields[i].name, name)) {
                taken[i] = true;
                zm_canon_field(out, header->fields[i].text, relaxed);
                break;
            }
    }
    return true;
}

bool zm_dkim_names_have(zm_str_t names, zm_str_t name)
{
    zm_str_t element;
    while (zm_tags_element(&names, ':', &element))
        if (zm_str_equal_nocase(element, name))
            return true;
    return false;
}
