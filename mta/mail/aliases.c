#include "mta/mail/aliases.h"

#include <string.h>

#include "mta/mail/address.h"

typedef struct reading_t {
    const zm_aliases_reader_t *reader;
    apr_pool_t *pool; /* of one entry */
    zm_buf_t key, value, quoted;
    unsigned line; /* where the entry began */
    bool open;
} reading_t;

/*
 * What may stand without quotes, and is kept with them: programs, files and includes that are no
 * addresses as they stand.  /var/mail/archive is one, and so is /S=smith/@gateway.test.
 */
static bool is_bare(const zm_address_list_t *list, const zm_address_t *item, apr_pool_t *pool)
{
    zm_str_t source;
    zm_address_list_t *strict;
    if (item->kind != ZM_ADDRESS_MAILBOX || item->pure.length == 0 ||
        strchr("|/:", item->pure.data[0]) == NULL)
        return false;
    source = zm_address_source(list, item);
    strict = zm_address_parse(ZM_RULE_ADDRESS_LIST, source, pool);
    return strict->bad > 0 || strict->mailboxes != 1 || !zm_str_equal(strict->first->pure, source);
}

static void add_quoted(zm_buf_t *out, zm_str_t text)
{
    apr_size_t i;
    zm_buf_add_byte(out, '"');
    for (i = 0; i < text.length; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            zm_buf_add_byte(out, '\\');
        zm_buf_add_byte(out, text.data[i]);
    }
    zm_buf_add_byte(out, '"');
}

/* The value as it is stored, of what has been parsed in its place.  Lives until the next entry. */
static zm_str_t with_quotes(reading_t *reading, zm_str_t value, const zm_address_list_t *list)
{
    const zm_aliases_reader_t *reader = reading->reader;
    const zm_address_t *item;
    apr_size_t done = 0;
    zm_buf_clear(&reading->quoted);
    for (item = list->first; item != NULL; item = item->next) {
        zm_str_t source;
        apr_size_t offset;
        if (!is_bare(list, item, reading->pool))
            continue;
        if (done == 0 && reader->remark != NULL)
            reader->remark(reader->baton, reading->line,
                           "programs, files and :include: should stand in quotes");
        source = zm_address_source(list, item);
        offset = (apr_size_t)(source.data - list->text.data);
        zm_buf_add(&reading->quoted, value.data + done, offset - done);
        add_quoted(&reading->quoted, zm_str_of(value.data + offset, source.length));
        done = offset + source.length;
    }
    if (done == 0)
        return value;
    zm_buf_add(&reading->quoted, value.data + done, value.length - done);
    return zm_buf_str(&reading->quoted);
}

/* What is wrong with a list; null: nothing. */
static const char *list_problem(const zm_address_list_t *list)
{
    const zm_address_t *item = list->first;
    apr_size_t offset;
    if (list->bad == 0)
        return NULL;
    while (item != NULL && !item->bad)
        item = item->next;
    return item != NULL ? zm_address_problem(list, item, &offset) : "not an address list";
}

/* Where a lookup will put a part of the key, %0 to %9, there is a word. */
static zm_address_list_t *parse(zm_str_t value, apr_pool_t *pool)
{
    char *text = zm_str_c(pool, value);
    apr_size_t i;
    for (i = 0; i + 1 < value.length; i++)
        if (text[i] == '%' && zm_is_digit(text[i + 1]))
            text[i] = 'x';
    return zm_address_parse(ZM_RULE_LIST_LINE, zm_str_of(text, value.length), pool);
}

/* Ends the entry in hand: its value must be an address list. */
static apr_status_t finish_entry(reading_t *reading)
{
    const zm_aliases_reader_t *reader = reading->reader;
    zm_str_t value = zm_str_trim(zm_buf_str(&reading->value)), plain;
    zm_address_list_t *list;
    const char *problem;
    apr_status_t status = APR_SUCCESS;
    if (!reading->open)
        return APR_SUCCESS;
    reading->open = false;
    while (value.length > 0 && value.data[value.length - 1] == ',')
        value = zm_str_trim(zm_str_of(value.data, value.length - 1));
    list = parse(value, reading->pool);
    problem = list_problem(list);
    if (problem == NULL) {
        plain = value;
        value = with_quotes(reading, plain, list);
        if (value.data != plain.data) /* without quotes more was allowed around it */
            problem = list_problem(parse(value, reading->pool));
    }
    if (problem != NULL)
        reader->complain(reader->baton, reading->line, problem);
    else
        status = reader->entry(reader->baton, zm_buf_str(&reading->key), value, reading->line);
    apr_pool_clear(reading->pool);
    return status;
}

/* The length of the key at the start of a line: to the first bare blank or colon.  0: none. */
static apr_size_t key_length(zm_str_t line)
{
    bool quoted = false;
    apr_size_t i;
    for (i = 0; i < line.length; i++) {
        char c = line.data[i];
        if (c == '\\' && i + 1 < line.length)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (zm_is_blank(c) || c == ':'))
            return i;
    }
    return 0;
}

static void start_entry(reading_t *reading, zm_str_t line, unsigned number)
{
    apr_size_t length = key_length(line), i;
    zm_str_t rest = zm_str_from(line, length);
    rest = zm_str_trim(rest);
    if (length == 0 || rest.length == 0 || rest.data[0] != ':') {
        reading->reader->complain(reading->reader->baton, number,
                                  "expected \"name: address, ...\"");
        return;
    }
    reading->open = true;
    reading->line = number;
    zm_buf_clear(&reading->key);
    for (i = 0; i < length; i++)
        zm_buf_add_byte(&reading->key, (char)zm_to_lower((unsigned char)line.data[i]));
    zm_buf_clear(&reading->value);
    zm_buf_add_str(&reading->value, zm_str_trim(zm_str_from(rest, 1)));
}

static void continue_entry(reading_t *reading, zm_str_t line, unsigned number)
{
    zm_str_t so_far = zm_buf_str(&reading->value), more = zm_str_trim(line);
    if (!reading->open) {
        if (more.length > 0)
            reading->reader->complain(reading->reader->baton, number, "continues nothing");
        return;
    }
    if (so_far.length > 0 && so_far.data[so_far.length - 1] != ',') {
        reading->reader->complain(reading->reader->baton, number,
                                  "the line before does not end in a comma");
        return;
    }
    zm_buf_add_byte(&reading->value, ' ');
    zm_buf_add_str(&reading->value, more);
}

apr_status_t zm_aliases_read(zm_str_t text, const zm_aliases_reader_t *reader, apr_pool_t *pool)
{
    reading_t reading = {reader, NULL, ZM_BUF_INIT, ZM_BUF_INIT, ZM_BUF_INIT, 0, false};
    zm_str_t rest = text, line;
    apr_status_t status = apr_pool_create(&reading.pool, pool);
    unsigned number = 0;
    bool blank;
    while (status == APR_SUCCESS && rest.length > 0) {
        zm_str_cut(rest, '\n', &line, &rest);
        number++;
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        blank = line.length > 0 && zm_is_blank(line.data[0]);
        if (!blank)
            status = finish_entry(&reading);
        if (status != APR_SUCCESS || line.length == 0 || line.data[0] == '#')
            continue;
        if (zm_str_find(line, '\0') >= 0)
            reader->complain(reader->baton, number, "a NUL byte stands in the line");
        else if (blank)
            continue_entry(&reading, line, number);
        else
            start_entry(&reading, line, number);
    }
    if (status == APR_SUCCESS)
        status = finish_entry(&reading);
    zm_buf_free(&reading.key);
    zm_buf_free(&reading.value);
    zm_buf_free(&reading.quoted);
    apr_pool_destroy(reading.pool);
    return status;
}
