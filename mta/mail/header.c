#include "mta/mail/header.h"

#include <apr_strings.h>

zm_headers_t *zm_headers_create(const zm_header_table_t *table, apr_pool_t *pool)
{
    zm_headers_t *headers = apr_pcalloc(pool, sizeof *headers);
    headers->table = table;
    headers->pool = pool;
    return headers;
}

static void link_before(zm_headers_t *headers, zm_header_t *before, zm_header_t *header)
{
    header->next = before;
    header->previous = before != NULL ? before->previous : headers->last;
    if (header->previous != NULL)
        header->previous->next = header;
    else
        headers->first = header;
    if (before != NULL)
        before->previous = header;
    else
        headers->last = header;
}

static zm_header_t *make(zm_headers_t *headers, zm_str_t name)
{
    zm_header_t *header = apr_pcalloc(headers->pool, sizeof *header);
    header->name = name;
    header->value = ZM_S("");
    header->rule = zm_header_table_find(headers->table, name);
    return header;
}

static bool is_blank(zm_str_t value)
{
    return zm_str_trim(value).length == 0;
}

zm_header_t *zm_headers_insert(zm_headers_t *headers, zm_header_t *before, zm_str_t name,
                               zm_str_t value)
{
    zm_header_t *header = make(headers, name);
    header->value = value;
    if (header->rule->rule != ZM_RULE_NONE) {
        if (is_blank(value))
            return NULL;
        header->parsed = zm_address_parse(header->rule->rule, value, headers->pool);
        if (header->parsed->first == NULL)
            return NULL;
        header->bad = header->parsed->bad > 0;
    }
    link_before(headers, before, header);
    return header;
}

zm_header_t *zm_headers_append(zm_headers_t *headers, zm_str_t name, zm_str_t value)
{
    return zm_headers_insert(headers, NULL, name, value);
}

zm_header_t *zm_headers_insert_list(zm_headers_t *headers, zm_header_t *before, zm_str_t name,
                                    zm_address_list_t *list)
{
    zm_header_t *header = make(headers, name);
    header->parsed = list;
    header->bad = list->bad > 0;
    header->generated = true;
    link_before(headers, before, header);
    return header;
}

void zm_headers_remove(zm_headers_t *headers, zm_header_t *header)
{
    if (header->previous != NULL)
        header->previous->next = header->next;
    else
        headers->first = header->next;
    if (header->next != NULL)
        header->next->previous = header->previous;
    else
        headers->last = header->previous;
}

void zm_headers_rename(zm_headers_t *headers, zm_header_t *header, zm_str_t name)
{
    zm_rule_t before = header->rule->rule;
    header->name = name;
    header->rule = zm_header_table_find(headers->table, name);
    if (header->generated || header->rule->rule == before)
        return;
    header->parsed = NULL;
    header->bad = false;
    if (header->rule->rule != ZM_RULE_NONE) {
        header->parsed = zm_address_parse(header->rule->rule, header->value, headers->pool);
        header->bad = header->parsed->bad > 0;
    }
}

static zm_header_t *find_from(zm_header_t *header, zm_str_t name)
{
    while (header != NULL && !zm_str_equal_nocase(header->name, name))
        header = header->next;
    return header;
}

zm_header_t *zm_headers_find(const zm_headers_t *headers, const char *name)
{
    return find_from(headers->first, zm_str(name));
}

zm_header_t *zm_headers_find_next(const zm_header_t *header)
{
    return find_from(header->next, header->name);
}

unsigned zm_headers_count(const zm_headers_t *headers, const char *name)
{
    const zm_header_t *header;
    unsigned count = 0;
    for (header = zm_headers_find(headers, name); header != NULL;
         header = zm_headers_find_next(header))
        count++;
    return count;
}

static zm_address_list_t *copy_list(const zm_address_list_t *list, apr_pool_t *pool)
{
    zm_address_list_t *copy = apr_pmemdup(pool, list, sizeof *copy);
    zm_address_t **last = &copy->first;
    const zm_address_t *item;
    for (item = list->first; item != NULL; item = item->next) {
        *last = apr_pmemdup(pool, item, sizeof *item);
        last = &(*last)->next;
    }
    return copy;
}

/** Bad fields go on as they came. */
static bool is_rewritten(const zm_header_t *header)
{
    return header->parsed != NULL && !header->bad &&
           (header->rule->class == ZM_HEADER_SENDER || header->rule->class == ZM_HEADER_RECIPIENT);
}

zm_headers_t *zm_headers_copy(const zm_headers_t *headers, apr_pool_t *pool)
{
    zm_headers_t *copy = zm_headers_create(headers->table, pool);
    const zm_header_t *header;
    for (header = headers->first; header != NULL; header = header->next) {
        zm_header_t *made = apr_pmemdup(pool, header, sizeof *made);
        if (is_rewritten(header))
            made->parsed = copy_list(header->parsed, pool);
        link_before(copy, NULL, made);
    }
    return copy;
}

void zm_headers_rewrite(zm_headers_t *headers, zm_rewrite_t rewrite, void *baton)
{
    zm_header_t *header;
    zm_address_t *item;
    for (header = headers->first; header != NULL; header = header->next) {
        if (!is_rewritten(header))
            continue;
        for (item = zm_address_good(header->parsed->first); item != NULL;
             item = zm_address_good(item->next)) {
            zm_str_t text;
            if (!rewrite(baton, header, zm_address_plain(item, headers->pool), &text))
                continue;
            if (zm_address_replace(item, text, headers->pool) == APR_SUCCESS)
                header->generated |= item->replaced;
        }
    }
}

zm_str_t zm_header_line(const zm_header_t *header, apr_pool_t *pool)
{
    zm_str_t value = header->generated ? zm_address_list_text(header->parsed, pool) : header->value;
    char *copy;
    apr_size_t i = 0, length = 0;
    value = zm_str_trim(value);
    copy = apr_palloc(pool, value.length + 1);
    while (i < value.length) {
        unsigned char byte = (unsigned char)value.data[i];
        if (byte == '\n' || byte == '\r') {
            while (length > 0 && zm_is_blank(copy[length - 1]))
                length--;
            while (i < value.length &&
                   (zm_is_blank(value.data[i]) || value.data[i] == '\n' || value.data[i] == '\r'))
                i++;
            copy[length++] = ' ';
            continue;
        }
        copy[length++] = byte < ' ' && byte != '\t' ? '?' : byte == 127 ? '?' : (char)byte;
        i++;
    }
    copy[length] = '\0';
    return zm_str_of(copy, length);
}
