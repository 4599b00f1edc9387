#include "mta/mail/print.h"

#include <string.h>

#include "mta/mail/address_internal.h"

#define WIDTH 78
#define LEAST_COLUMN 8

static apr_size_t next_stop(apr_size_t column)
{
    return (column / 8 + 1) * 8;
}

/** TABs as far as they go, then spaces. */
static void pad(zm_buf_t *buffer, apr_size_t column, apr_size_t target)
{
    for (; next_stop(column) <= target; column = next_stop(column))
        zm_buf_add_byte(buffer, '\t');
    for (; column < target; column++)
        zm_buf_add_byte(buffer, ' ');
}

/** The column where the text of a value stood behind "NAME:", and where it does in what we write.
 */
static apr_size_t value_column(const zm_header_t *header)
{
    apr_size_t name = header->name.length + 1, column = name, i;
    for (i = 0; i < header->value.length && zm_is_blank(header->value.data[i]); i++)
        column = header->value.data[i] == '\t' ? next_stop(column) : column + 1;
    if (column > WIDTH / 2)
        column = name; /* leave room for the value */
    if (column < LEAST_COLUMN)
        column = LEAST_COLUMN;
    return column > name ? column : name + 1;
}

static zm_str_t without_blanks(zm_str_t value)
{
    while (value.length > 0 && zm_is_blank(value.data[0]))
        value = zm_str_from(value, 1);
    return value;
}

/**
 * The value as it came.  Whatever its source, it cannot end the header: a line
 * of it that does not begin with a blank is given one.
 */
static void print_raw(zm_buf_t *buffer, zm_str_t value)
{
    zm_str_t line, rest;
    bool more;
    do {
        more = zm_str_cut(value, '\n', &line, &rest);
        zm_buf_add_str(buffer, line);
        if (more) {
            zm_buf_add_byte(buffer, '\n');
            if (rest.length == 0 || !zm_is_blank(rest.data[0]))
                zm_buf_add_byte(buffer, '\t');
        }
        value = rest;
    } while (more);
}

/* -- structured fields -------------------------------------------------------- */

typedef struct line_t {
    zm_buf_t *buffer;
    apr_size_t indent, column;
} line_t;

static void put(line_t *line, zm_str_t text)
{
    zm_buf_add_str(line->buffer, text);
    line->column += text.length;
}

static void break_line(line_t *line)
{
    zm_buf_add_byte(line->buffer, '\n');
    pad(line->buffer, 0, line->indent);
    line->column = line->indent;
}

/** Whether the space between two texts may become a fold and still be read as that space. */
static bool may_fold(zm_str_t before, zm_str_t after)
{
    unsigned char last = before.length > 0 ? (unsigned char)before.data[before.length - 1] : ' ';
    return !zm_is_space(last) && last != '\\' && after.length > 0 &&
           !zm_is_space((unsigned char)after.data[0]);
}

/** Text that does not fit on a line: breaks at its own spaces. */
static void put_folded(line_t *line, zm_str_t text)
{
    zm_str_t word, rest;
    while (zm_str_cut(text, ' ', &word, &rest)) {
        apr_ssize_t next = zm_str_find(rest, ' ');
        apr_size_t length = next < 0 ? rest.length : (apr_size_t)next;
        put(line, word);
        if (may_fold(word, rest) && line->column > line->indent &&
            line->column + 1 + length > WIDTH)
            break_line(line);
        else
            put(line, ZM_S(" "));
        text = rest;
    }
    put(line, word);
}

/** An item longer than a line: breaks between its pieces and inside comments and names. */
static void put_long_item(line_t *line, const zm_address_t *item)
{
    zm_pieces_t walk = {item, 0, false, false, false};
    zm_piece_t piece;
    while (zm_pieces_next(&walk, &piece)) {
        bool fits = line->column + piece.text.length + (piece.space ? 1 : 0) <= WIDTH;
        if (piece.space && !fits && line->column > line->indent)
            break_line(line);
        else if (piece.space)
            put(line, ZM_S(" "));
        if (piece.may_fold && line->column + piece.text.length > WIDTH)
            put_folded(line, piece.text);
        else
            put(line, piece.text);
    }
}

static apr_size_t item_length(const zm_address_t *item)
{
    zm_pieces_t walk = {item, 0, false, false, false};
    zm_piece_t piece;
    apr_size_t length = 0;
    while (zm_pieces_next(&walk, &piece))
        length += piece.text.length + (piece.space ? 1 : 0);
    return length;
}

static void put_item(line_t *line, const zm_address_list_t *list, const zm_address_t *item,
                     const zm_address_t *before)
{
    apr_size_t length = item_length(item);
    bool comma_after = item->next != NULL && item->kind != ZM_ADDRESS_GROUP &&
                       item->next->kind != ZM_ADDRESS_GROUP_END;
    zm_pieces_t walk = {item, 0, false, false, false};
    zm_piece_t piece;
    if (before != NULL && item->kind != ZM_ADDRESS_GROUP_END) {
        if (before->kind != ZM_ADDRESS_GROUP)
            put(line, ZM_S(","));
        if (line->column + 1 + length + (comma_after ? 1 : 0) > WIDTH)
            break_line(line);
        else
            put(line, ZM_S(" "));
    }
    if (item->bad) {
        put(line, zm_address_source(list, item));
        return;
    }
    if (line->column + length > WIDTH) {
        put_long_item(line, item);
        return;
    }
    while (zm_pieces_next(&walk, &piece)) {
        if (piece.space)
            put(line, ZM_S(" "));
        put(line, piece.text);
    }
}

static void print_items(zm_buf_t *buffer, const zm_address_list_t *list, apr_size_t column)
{
    line_t line = {buffer, column, column};
    const zm_address_t *item, *before = NULL;
    for (item = list->first; item != NULL; before = item, item = item->next)
        put_item(&line, list, item, before);
}

void zm_header_print(zm_buf_t *buffer, const zm_header_t *header, int flags)
{
    apr_size_t column = value_column(header);
    bool keep = !header->generated && (flags & ZM_PRINT_KEEP) != 0;
    zm_buf_add_str(buffer, header->name);
    zm_buf_add_byte(buffer, ':');
    if (!keep)
        pad(buffer, header->name.length + 1, column);
    if (header->parsed == NULL || keep || (header->bad && !header->generated))
        print_raw(buffer, keep ? header->value : without_blanks(header->value));
    else
        print_items(buffer, header->parsed, column);
    zm_buf_add_byte(buffer, '\n');
}

void zm_headers_print(zm_buf_t *buffer, const zm_headers_t *headers, int flags)
{
    const zm_header_t *header;
    for (header = headers->first; header != NULL; header = header->next)
        zm_header_print(buffer, header, flags);
}

bool zm_headers_signed(const zm_headers_t *headers)
{
    return zm_headers_find(headers, "DKIM-Signature") != NULL ||
           zm_headers_find(headers, "ARC-Message-Signature") != NULL ||
           zm_headers_find(headers, "DomainKey-Signature") != NULL;
}
