#include "mta/mail/mime.h"

#include <apr_strings.h>
#include <string.h>

static bool is_token_byte(char byte)
{
    return byte > ' ' && byte < 127 && strchr("()<>@,;:\\\"/[]?=", byte) == NULL;
}

static void skip(zm_str_t *rest, apr_size_t count)
{
    rest->data += count;
    rest->length -= count;
}

/** Skips a comment, *rest begins with "("; comments nest. */
static void skip_comment(zm_str_t *rest)
{
    apr_size_t i, depth = 0;
    for (i = 0; i < rest->length; i++) {
        if (rest->data[i] == '\\')
            i++;
        else if (rest->data[i] == '(')
            depth++;
        else if (rest->data[i] == ')' && --depth == 0)
            break;
    }
    skip(rest, i < rest->length ? i + 1 : rest->length);
}

static void skip_blanks(zm_str_t *rest)
{
    while (rest->length > 0) {
        if (rest->data[0] == '(')
            skip_comment(rest);
        else if (zm_is_space((unsigned char)rest->data[0]))
            skip(rest, 1);
        else
            break;
    }
}

static zm_str_t take_token(zm_str_t *rest)
{
    zm_str_t token = {rest->data, 0};
    while (token.length < rest->length && is_token_byte(rest->data[token.length]))
        token.length++;
    skip(rest, token.length);
    return token;
}

static bool take_if(zm_str_t *rest, char byte)
{
    skip_blanks(rest);
    if (rest->length == 0 || rest->data[0] != byte)
        return false;
    skip(rest, 1);
    return true;
}

/** *rest begins with the quote; without a closing one the string ends with the value. */
static zm_str_t take_quoted(zm_str_t *rest, apr_pool_t *pool)
{
    char *copy = apr_palloc(pool, rest->length);
    apr_size_t i, length = 0;
    for (i = 1; i < rest->length && rest->data[i] != '"'; i++) {
        if (rest->data[i] == '\\' && i + 1 < rest->length)
            i++;
        if (rest->data[i] != '\n' && rest->data[i] != '\r')
            copy[length++] = rest->data[i];
    }
    skip(rest, i < rest->length ? i + 1 : rest->length);
    return zm_str_of(copy, length);
}

/** Also takes what is no token but was written without quotes, up to a blank or ";". */
static zm_str_t take_value(zm_str_t *rest, apr_pool_t *pool)
{
    zm_str_t value = {rest->data, 0};
    if (rest->length > 0 && rest->data[0] == '"')
        return take_quoted(rest, pool);
    while (value.length < rest->length && rest->data[value.length] != ';' &&
           !zm_is_space((unsigned char)rest->data[value.length]))
        value.length++;
    skip(rest, value.length);
    return value;
}

static void parse_parameters(zm_content_type_t *content, zm_str_t rest, apr_pool_t *pool)
{
    zm_mime_parameter_t **last = &content->parameters;
    for (;;) {
        zm_str_t name;
        while (take_if(&rest, ';'))
            ;
        if (rest.length == 0)
            return;
        name = take_token(&rest);
        if (name.length == 0) {
            skip(&rest, 1); /* not a parameter: look on behind it */
            continue;
        }
        if (!take_if(&rest, '='))
            continue;
        skip_blanks(&rest);
        *last = apr_pcalloc(pool, sizeof **last);
        (*last)->name = name;
        (*last)->value = take_value(&rest, pool);
        last = &(*last)->next;
    }
}

bool zm_content_type_parse(zm_content_type_t *content, zm_str_t value, apr_pool_t *pool)
{
    zm_str_t rest = value;
    content->parameters = NULL;
    skip_blanks(&rest);
    content->type = take_token(&rest);
    if (content->type.length == 0 || !take_if(&rest, '/'))
        return false;
    skip_blanks(&rest);
    content->subtype = take_token(&rest);
    if (content->subtype.length == 0)
        return false;
    parse_parameters(content, rest, pool);
    return true;
}

bool zm_content_type_is(const zm_content_type_t *content, const char *type, const char *subtype)
{
    return zm_str_equal_nocase(content->type, zm_str(type)) &&
           (subtype == NULL || zm_str_equal_nocase(content->subtype, zm_str(subtype)));
}

static zm_mime_parameter_t *find(const zm_content_type_t *content, const char *name)
{
    zm_mime_parameter_t *parameter = content->parameters;
    while (parameter != NULL && !zm_str_equal_nocase(parameter->name, zm_str(name)))
        parameter = parameter->next;
    return parameter;
}

zm_str_t zm_content_type_get(const zm_content_type_t *content, const char *name)
{
    const zm_mime_parameter_t *parameter = find(content, name);
    return parameter != NULL ? parameter->value : (zm_str_t){NULL, 0};
}

void zm_content_type_set(zm_content_type_t *content, const char *name, zm_str_t value,
                         apr_pool_t *pool)
{
    zm_mime_parameter_t *parameter = find(content, name), **last = &content->parameters;
    if (parameter == NULL) {
        while (*last != NULL)
            last = &(*last)->next;
        *last = parameter = apr_pcalloc(pool, sizeof *parameter);
        parameter->name = zm_str(apr_pstrdup(pool, name));
    }
    parameter->value = value;
}

static bool is_plain(zm_str_t value)
{
    apr_size_t i;
    for (i = 0; i < value.length; i++)
        if (!zm_is_alpha((unsigned char)value.data[i]) &&
            !zm_is_digit((unsigned char)value.data[i]) && strchr("._-", value.data[i]) == NULL)
            return false;
    return value.length > 0 && memchr(value.data, '\0', value.length) == NULL;
}

static void add_parameter(zm_buf_t *buffer, const zm_mime_parameter_t *parameter)
{
    apr_size_t i;
    zm_buf_add_str(buffer, parameter->name);
    zm_buf_add_byte(buffer, '=');
    if (is_plain(parameter->value)) {
        zm_buf_add_str(buffer, parameter->value);
        return;
    }
    zm_buf_add_byte(buffer, '"');
    for (i = 0; i < parameter->value.length; i++) {
        char byte = parameter->value.data[i];
        if (byte == '"' || byte == '\\')
            zm_buf_add_byte(buffer, '\\');
        zm_buf_add_byte(buffer, byte == '\n' || byte == '\r' || byte == '\0' ? ' ' : byte);
    }
    zm_buf_add_byte(buffer, '"');
}

void zm_content_type_add(zm_buf_t *buffer, const zm_content_type_t *content)
{
    const zm_mime_parameter_t *charset = find(content, "charset"), *parameter;
    zm_buf_add_c(buffer, "Content-Type:\t");
    zm_buf_add_str(buffer, content->type);
    zm_buf_add_byte(buffer, '/');
    zm_buf_add_str(buffer, content->subtype);
    if (charset != NULL) {
        zm_buf_add_c(buffer, "; ");
        add_parameter(buffer, charset);
    }
    for (parameter = content->parameters; parameter != NULL; parameter = parameter->next) {
        if (parameter == charset)
            continue;
        zm_buf_add_c(buffer, ";\n\t");
        add_parameter(buffer, parameter);
    }
}

zm_str_t zm_mime_word(zm_str_t value)
{
    skip_blanks(&value);
    return take_token(&value);
}

zm_transfer_encoding_t zm_transfer_encoding(zm_str_t value)
{
    static const char *const names[] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};
    zm_str_t word = zm_mime_word(value);
    unsigned i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_str_equal_nocase(word, zm_str(names[i])))
            return (zm_transfer_encoding_t)i;
    return ZM_ENCODING_OTHER;
}
