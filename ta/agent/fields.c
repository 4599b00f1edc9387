#include "ta/agent/fields.h"

#include <string.h>

static zm_field_t field_of(zm_str_t text)
{
    zm_field_t field = {{"", 0}, text};
    apr_ssize_t colon = zm_str_find(text, ':');
    apr_ssize_t line = zm_str_find(text, '\n');
    if (colon > 0 && (line < 0 || colon < line)) {
        field.name = zm_str_of(text.data, (apr_size_t)colon);
        while (field.name.length > 0 && zm_is_blank(field.name.data[field.name.length - 1]))
            field.name.length--;
    }
    return field;
}

static zm_field_t *add_slot(zm_fields_t *fields, int index)
{
    if (fields->count == fields->room) {
        int room = fields->room < 16 ? 32 : fields->room * 2;
        zm_field_t *items = apr_palloc(fields->pool, sizeof *items * (apr_size_t)room);
        if (fields->count > 0)
            memcpy(items, fields->items, sizeof *items * (apr_size_t)fields->count);
        fields->items = items;
        fields->room = room;
    }
    memmove(fields->items + index + 1, fields->items + index,
            sizeof *fields->items * (apr_size_t)(fields->count - index));
    fields->count++;
    return &fields->items[index];
}

/* Length of the field at the start of text: up to an LF that no blank follows. */
static apr_size_t field_length(zm_str_t text)
{
    const char *at = text.data, *end = text.data + text.length;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (apr_size_t)(end - at));
        if (line_end == NULL)
            return text.length;
        if (line_end + 1 == end || !zm_is_blank(line_end[1]))
            return (apr_size_t)(line_end - text.data);
        at = line_end + 1;
    }
    return text.length;
}

void zm_fields_parse(zm_fields_t *fields, zm_str_t text, apr_pool_t *pool)
{
    *fields = (zm_fields_t){NULL, 0, 0, pool};
    while (text.length > 0) {
        apr_size_t length = field_length(text);
        if (length > 0)
            *add_slot(fields, fields->count) = field_of(zm_str_of(text.data, length));
        if (length < text.length)
            length++;
        text = zm_str_from(text, length);
    }
}

void zm_fields_copy(zm_fields_t *copy, const zm_fields_t *fields, apr_pool_t *pool)
{
    apr_size_t size = sizeof *copy->items * (apr_size_t)(fields->count + 8);
    *copy = (zm_fields_t){apr_palloc(pool, size), fields->count, fields->count + 8, pool};
    if (fields->count > 0)
        memcpy(copy->items, fields->items, sizeof *copy->items * (apr_size_t)fields->count);
}

int zm_fields_find(const zm_fields_t *fields, const char *name, int from)
{
    zm_str_t wanted = zm_str(name);
    int i;
    for (i = from; i < fields->count; i++)
        if (zm_str_equal_nocase(fields->items[i].name, wanted))
            return i;
    return -1;
}

zm_str_t zm_field_value(const zm_field_t *field)
{
    zm_str_t name, value;
    if (field->name.length == 0 || !zm_str_cut(field->text, ':', &name, &value))
        return zm_str_trim(field->text);
    return zm_str_trim(value);
}

void zm_fields_remove(zm_fields_t *fields, const char *name)
{
    zm_str_t unwanted = zm_str(name);
    int from, to = 0;
    for (from = 0; from < fields->count; from++)
        if (!zm_str_equal_nocase(fields->items[from].name, unwanted))
            fields->items[to++] = fields->items[from];
    fields->count = to;
}

void zm_fields_insert(zm_fields_t *fields, int index, zm_str_t text)
{
    zm_str_t copy = zm_str_copy(fields->pool, text);
    *add_slot(fields, index) = field_of(copy);
}

void zm_fields_append(zm_fields_t *fields, const char *format, ...)
{
    zm_buf_t text = ZM_BUF_INIT;
    va_list arguments;
    va_start(arguments, format);
    zm_buf_vprintf(&text, format, arguments);
    va_end(arguments);
    zm_fields_insert(fields, fields->count, zm_buf_str(&text));
    zm_buf_free(&text);
}

void zm_fields_replace(zm_fields_t *fields, int index, zm_str_t text)
{
    fields->items[index] = field_of(zm_str_copy(fields->pool, text));
}

zm_str_t zm_field_text(zm_str_t text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, text.length + 1);
    apr_size_t i;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        out[i] = byte < ' ' || byte == 127 ? '?' : (char)byte;
    }
    out[text.length] = '\0';
    return zm_str_of(out, text.length);
}
