#include <string.h>

#include "mta/smtpserver/inquiry.h"
#include "mta/smtpserver/milter_parts.h"

/* -- making ------------------------------------------------------------------------------------ */

static void put_number(char *at, uint32_t number)
{
    at[0] = (char)(number >> 24);
    at[1] = (char)(number >> 16);
    at[2] = (char)(number >> 8);
    at[3] = (char)number;
}

static uint32_t get_number(const char *at)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

apr_size_t milter_packet_begin(zm_buf_t *wire, char command)
{
    apr_size_t begun = wire->length;
    zm_buf_add(wire, "\0\0\0\0", 4);
    zm_buf_add_byte(wire, command);
    return begun;
}

void milter_packet_end(zm_buf_t *wire, apr_size_t begun)
{
    put_number(wire->data + begun, (uint32_t)(wire->length - begun - 4));
}

void milter_packet_text(zm_buf_t *wire, zm_str_t text)
{
    apr_size_t i;
    for (i = 0; i < text.length; i++)
        zm_buf_add_byte(wire, text.data[i] != '\0' ? text.data[i] : ' ');
    zm_buf_add_byte(wire, '\0');
}

void milter_packet_number(zm_buf_t *wire, uint32_t number)
{
    char bytes[4];
    put_number(bytes, number);
    zm_buf_add(wire, bytes, sizeof bytes);
}

void milter_packet_macros(zm_buf_t *wire, char command, const char *const *pairs)
{
    apr_size_t begun = milter_packet_begin(wire, 'D'), empty;
    zm_buf_add_byte(wire, command);
    empty = wire->length;
    for (; *pairs != NULL; pairs += 2) {
        if (pairs[1] == NULL || *pairs[1] == '\0')
            continue;
        milter_packet_text(wire, zm_str(pairs[0]));
        milter_packet_text(wire, zm_str(pairs[1]));
    }
    if (wire->length == empty)
        wire->length = begun;
    else
        milter_packet_end(wire, begun);
}

/* -- reading ----------------------------------------------------------------------------------- */

apr_status_t milter_packet_read(milter_packet_t *packet, zm_str_t input, apr_size_t *size)
{
    uint32_t length;
    if (input.length < 4)
        return APR_EAGAIN;
    length = get_number(input.data);
    if (length == 0 || length > MILTER_PACKET)
        return ZM_E_PROTOCOL;
    if (input.length - 4 < length)
        return APR_EAGAIN;
    packet->command = input.data[4];
    packet->data = zm_str_of(input.data + 5, length - 1);
    *size = (apr_size_t)length + 4;
    return APR_SUCCESS;
}

bool milter_take_text(zm_str_t *data, zm_str_t *text)
{
    zm_str_t rest;
    if (!zm_str_cut(*data, '\0', text, &rest))
        return false;
    *data = rest;
    return true;
}

bool milter_take_number(zm_str_t *data, uint32_t *number)
{
    if (data->length < 4)
        return false;
    *number = get_number(data->data);
    *data = zm_str_from(*data, 4);
    return true;
}

/* Its lines become one text with CRs between them; each repeats the code. */
bool milter_read_reply(milter_answer_t *answer, zm_str_t data, zm_buf_t *text)
{
    zm_str_t reply, line;
    inquiry_line_t read = {0};
    if (!milter_take_text(&data, &reply) || data.length != 0)
        return false;
    zm_buf_clear(text);
    answer->code = 0;
    while (reply.length > 0) {
        (void)zm_str_cut(reply, '\n', &line, &reply);
        line = zm_str_trim(line);
        if (line.length < 3 || (line.data[0] != '4' && line.data[0] != '5') ||
            !zm_is_digit(line.data[1]) || !zm_is_digit(line.data[2]) ||
            (line.length > 3 && line.data[3] != ' ' && line.data[3] != '-'))
            return false;
        (void)inquiry_line(&line, &read);
        if (answer->code != 0 && read.code != answer->code)
            return false;
        if (answer->code != 0)
            zm_buf_add_byte(text, '\r');
        answer->code = read.code;
        memcpy(answer->enhanced, read.enhanced, sizeof answer->enhanced);
        zm_buf_add_str(text, read.text);
    }
    if (answer->code != 0 && answer->enhanced[0] != '0' + answer->code / 100)
        memcpy(answer->enhanced, answer->code < 500 ? "4.7.1" : "5.7.1", 6);
    answer->text = zm_buf_str(text);
    return answer->code != 0;
}

static bool is_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
            return false;
    return name.length > 0 && name.length < 200;
}

static bool is_value(zm_str_t value)
{
    apr_size_t i;
    for (i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if ((byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') || byte == 127)
            return false;
    }
    return true;
}

bool milter_add_field(zm_buf_t *header, zm_str_t name, zm_str_t value)
{
    apr_size_t before = header->length;
    zm_str_t line;
    if (!is_name(name) || !is_value(value))
        return false;
    zm_buf_add_str(header, name);
    zm_buf_add_byte(header, ':');
    value = zm_str_trim(value);
    do { /* what follows a line end without a blank would be a field of its own */
        (void)zm_str_cut(value, '\n', &line, &value);
        line = zm_str_trim(line);
        if (line.length == 0 && value.length > 0)
            continue;
        zm_buf_add_c(header, header->data[header->length - 1] == ':' ? " " : "\n\t");
        zm_buf_add_str(header, line);
    } while (value.length > 0);
    if (memchr(header->data + before, '\r', header->length - before) != NULL) {
        header->length = before; /* a CR amid a line */
        return false;
    }
    zm_buf_add_byte(header, '\n');
    return true;
}
