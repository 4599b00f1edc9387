/*
 * The syntax of zmailer.conf.  A value is a row of pieces, each bare, '...' or
 * "...", up to the end of the line or to a '#' after a blank.  That is what a
 * POSIX shell makes of every value it accepts, and it also accepts the bare
 * blanks that a shell would not but that C programs always have.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/conf/zenv_internal.h"

typedef struct reader_t {
    zm_zenv_t *zenv;
    zm_conf_lines_t *lines;
    zm_error_t *error;
    zm_str_t name;   /* being set */
    zm_buf_t value;  /* as far as it is known */
    apr_size_t kept; /* trailing blanks beyond this are not part of the value */
} reader_t;

bool zm_zenv_is_name(char byte, bool start)
{
    return zm_is_alpha((unsigned char)byte) || byte == '_' ||
           (!start && zm_is_digit((unsigned char)byte));
}

static zm_str_t take_name(zm_str_t *rest)
{
    zm_str_t name = {rest->data, 0};
    while (name.length < rest->length && zm_zenv_is_name(rest->data[name.length], name.length == 0))
        name.length++;
    rest->data += name.length;
    rest->length -= name.length;
    return name;
}

static void skip(zm_str_t *text, apr_size_t count)
{
    text->data += count;
    text->length -= count;
}

static void skip_blanks(zm_str_t *text)
{
    while (text->length > 0 && zm_is_blank((unsigned char)text->data[0]))
        skip(text, 1);
}

static void warn(reader_t *reader, zm_str_t name, const char *what)
{
    zm_error_t text = {0};
    if (reader->zenv->options.warn == NULL)
        return;
    zm_conf_lines_fail(reader->lines, &text, "%.*s %s", (int)name.length, name.data, what);
    reader->zenv->options.warn(reader->zenv->options.baton, text.text);
}

static void add_variable(reader_t *reader, zm_str_t name)
{
    const zm_zenv_entry_t *entry = zm_zenv_find(reader->zenv, name);
    const char *value = entry != NULL ? entry->value : zm_zenv_default(reader->zenv, name);
    if (value != NULL)
        zm_buf_add_c(&reader->value, value);
    else
        warn(reader, name, "is not set before this line and stands for nothing");
}

/** *rest begins with '$'. */
static apr_status_t take_reference(reader_t *reader, zm_str_t *rest)
{
    zm_str_t after = *rest, name;
    bool braced;
    skip(&after, 1);
    braced = after.length > 0 && after.data[0] == '{';
    if (braced)
        skip(&after, 1);
    else if (after.length > 0 && after.data[0] == '(')
        return zm_conf_lines_fail(reader->lines, reader->error,
                                  "commands cannot be run here; expected a plain value");
    name = take_name(&after);
    if (!braced && name.length == 0) {
        zm_buf_add_byte(&reader->value, '$');
        skip(rest, 1);
        return APR_SUCCESS;
    }
    if (braced && (name.length == 0 || after.length == 0 || after.data[0] != '}'))
        return zm_conf_lines_fail(reader->lines, reader->error, "expected ${NAME}");
    if (braced)
        skip(&after, 1);
    add_variable(reader, name);
    *rest = after;
    return APR_SUCCESS;
}

static apr_status_t take_single_quoted(reader_t *reader, zm_str_t *rest)
{
    zm_str_t inside, after;
    skip(rest, 1);
    if (!zm_str_cut(*rest, '\'', &inside, &after))
        return zm_conf_lines_fail(reader->lines, reader->error, "expected a closing '");
    zm_buf_add_str(&reader->value, inside);
    *rest = after;
    return APR_SUCCESS;
}

static apr_status_t take_double_quoted(reader_t *reader, zm_str_t *rest)
{
    skip(rest, 1);
    while (rest->length > 0 && rest->data[0] != '"') {
        if (rest->data[0] == '$') {
            apr_status_t status = take_reference(reader, rest);
            if (status != APR_SUCCESS)
                return status;
            continue;
        }
        if (rest->data[0] == '\\' && rest->length > 1 &&
            (rest->data[1] == '"' || rest->data[1] == '$'))
            skip(rest, 1);
        zm_buf_add_byte(&reader->value, rest->data[0]);
        skip(rest, 1);
    }
    if (rest->length == 0)
        return zm_conf_lines_fail(reader->lines, reader->error, "expected a closing \"");
    skip(rest, 1);
    return APR_SUCCESS;
}

static apr_status_t take_value(reader_t *reader, zm_str_t rest)
{
    bool after_blank = true;
    apr_status_t status = APR_SUCCESS;
    zm_buf_clear(&reader->value);
    reader->kept = 0;
    while (rest.length > 0 && status == APR_SUCCESS && !(after_blank && rest.data[0] == '#')) {
        char byte = rest.data[0];
        after_blank = zm_is_blank((unsigned char)byte);
        if (byte == '\'') {
            status = take_single_quoted(reader, &rest);
        } else if (byte == '"') {
            status = take_double_quoted(reader, &rest);
        } else if (byte == '$') {
            status = take_reference(reader, &rest);
        } else {
            zm_buf_add_byte(&reader->value, byte);
            skip(&rest, 1);
        }
        if (!after_blank)
            reader->kept = reader->value.length;
    }
    reader->value.length = reader->kept;
    return status;
}

static apr_status_t take_line(reader_t *reader, zm_str_t line)
{
    const zm_zenv_entry_t *before;
    bool exported = false;
    apr_status_t status;
    skip_blanks(&line);
    if (line.length == 0 || line.data[0] == '#')
        return APR_SUCCESS;
    if (line.length > 6 && zm_str_starts(line, ZM_S("export")) &&
        zm_is_blank((unsigned char)line.data[6])) {
        exported = true;
        skip(&line, 6);
        skip_blanks(&line);
    }
    reader->name = take_name(&line);
    if (exported && reader->name.length > 0 && (line.length == 0 || line.data[0] != '='))
        return APR_SUCCESS; /* "export A B": all our variables are known to all our programs */
    if (reader->name.length == 0 || line.length == 0 || line.data[0] != '=')
        return zm_conf_lines_fail(reader->lines, reader->error, "expected NAME=value");
    skip(&line, 1);
    skip_blanks(&line);
    status = take_value(reader, line);
    if (status != APR_SUCCESS)
        return status;
    before = zm_zenv_find(reader->zenv, reader->name);
    if (before != NULL && before->line != 0)
        warn(reader, reader->name,
             apr_psprintf(reader->zenv->pool, "is set again; the value of line %u is lost",
                          before->line));
    zm_zenv_put(reader->zenv, zm_str_c(reader->zenv->pool, reader->name),
                zm_str_c(reader->zenv->pool, zm_buf_str(&reader->value)), reader->lines->number);
    return APR_SUCCESS;
}

apr_status_t zm_zenv_read(zm_zenv_t *zenv, zm_conf_lines_t *lines, zm_error_t *error)
{
    reader_t reader = {zenv, lines, error, {NULL, 0}, ZM_BUF_INIT, 0};
    apr_status_t status = APR_SUCCESS;
    zm_str_t line;
    while (status == APR_SUCCESS && zm_conf_lines_next(lines, &line))
        status = take_line(&reader, line);
    zm_buf_free(&reader.value);
    return status;
}
