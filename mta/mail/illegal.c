#include "mta/mail/illegal.h"

#define SHOWN 160  /* bytes of a text that are shown */
#define BEFORE 60  /* at most so many of them before the first problem */
#define PROBLEMS 5 /* shown for one item */

/** Whether a byte continues a UTF-8 character and so takes no column. */
static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

static char shown_byte(char byte)
{
    if (zm_is_space((unsigned char)byte))
        return ' ';
    return (byte >= 0 && byte < ' ') || byte == 127 ? '?' : byte;
}

/** The part of the source that is shown, around the offset of a problem. */
static zm_str_t window(const zm_address_list_t *list, zm_str_t source, apr_size_t problem)
{
    apr_size_t start = (apr_size_t)(source.data - list->text.data);
    apr_size_t skip = problem > start + BEFORE ? problem - start - BEFORE : 0;
    if (source.length <= SHOWN)
        return source;
    while (skip > 0 && skip < source.length && is_continuation(source.data[skip]))
        skip--;
    source = zm_str_from(source, skip);
    if (source.length > SHOWN)
        source.length = SHOWN;
    return source;
}

static void add_pointer(zm_buf_t *buffer, const zm_address_list_t *list, zm_str_t shown,
                        apr_size_t problem, const char *text, const char *indent)
{
    apr_size_t start = (apr_size_t)(shown.data - list->text.data), i;
    if (problem < start || problem > start + shown.length)
        return;
    zm_buf_add_c(buffer, indent);
    for (i = start; i < problem; i++)
        if (!is_continuation(list->text.data[i]))
            zm_buf_add_byte(buffer, ' ');
    zm_buf_printf(buffer, "^-%s\n", text);
}

static void add_item(zm_buf_t *buffer, const zm_address_list_t *list, const zm_address_t *item,
                     const char *indent)
{
    apr_size_t first, i, count = 0;
    const char *problem = zm_address_problem(list, item, &first);
    zm_str_t source = zm_address_source(list, item), shown = window(list, source, first);
    zm_buf_add_c(buffer, indent);
    for (i = 0; i < shown.length; i++)
        zm_buf_add_byte(buffer, shown_byte(shown.data[i]));
    zm_buf_add_byte(buffer, '\n');
    add_pointer(buffer, list, shown, first, problem, indent);
    for (i = 0; i < item->count && count < PROBLEMS; i++) {
        const zm_token_t *token = &item->tokens[i];
        if (token->problem == NULL || token->offset == first)
            continue;
        add_pointer(buffer, list, shown, token->offset, token->problem, indent);
        count++;
    }
    if (item->end_problem != NULL && problem != item->end_problem)
        add_pointer(buffer, list, shown,
                    (apr_size_t)(source.data - list->text.data) + source.length, item->end_problem,
                    indent);
}

void zm_add_problems(zm_buf_t *buffer, const zm_address_list_t *list, const char *indent)
{
    const zm_address_t *item;
    for (item = list->first; item != NULL; item = item->next)
        if (item->bad)
            add_item(buffer, list, item, indent);
}

static zm_header_t *insert_illegal(zm_headers_t *headers, const zm_header_t *bad,
                                   const char *hostname)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_header_t *header;
    bool address = bad->rule->rule < ZM_RULE_MESSAGE_ID;
    zm_buf_add_c(&text, " syntax error in ");
    zm_buf_add_str(&text, bad->name);
    zm_buf_printf(&text, ": %s found on %s:\n", address ? "address" : "value", hostname);
    zm_add_problems(&text, bad->parsed, "\t");
    text.length--; /* the last line end */
    header = zm_headers_insert(headers, bad->next, ZM_S("Illegal-Object"),
                               zm_str_copy(headers->pool, zm_buf_str(&text)));
    zm_buf_free(&text);
    return header;
}

unsigned zm_headers_mark_illegal(zm_headers_t *headers, const char *hostname)
{
    zm_header_t *header, *next;
    unsigned count = 0;
    for (header = headers->first; header != NULL; header = next) {
        next = header->next;
        if (!header->bad)
            continue;
        count++;
        insert_illegal(headers, header, hostname);
        if (header->parsed->mailboxes == 0)
            zm_headers_remove(headers, header);
    }
    return count;
}
