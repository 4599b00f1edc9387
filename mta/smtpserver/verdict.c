#include "mta/smtpserver/verdict.h"

#include <string.h>

#include "mta/smtpserver/inquiry.h"

/* The integer at the beginning; false: the line is something else. */
static bool take_number(zm_str_t *line, int64_t *number)
{
    apr_size_t sign = line->length > 0 && (line->data[0] == '-' || line->data[0] == '+'), at = sign;
    bool negative = sign > 0 && line->data[0] == '-';
    uint64_t value = 0;
    for (; at < line->length && zm_is_digit(line->data[at]); at++)
        if (value < INT32_MAX)
            value = value * 10 + (uint64_t)(line->data[at] - '0');
    if (at == sign || (at < line->length && line->data[at] != ' ' && line->data[at] != '\t'))
        return false;
    if (value > INT32_MAX)
        value = INT32_MAX;
    *number = negative ? -(int64_t)value : (int64_t)value;
    *line = zm_str_trim(zm_str_from(*line, at));
    return true;
}

static bool has_code(zm_str_t text)
{
    return text.length >= 3 && zm_is_digit(text.data[0]) && zm_is_digit(text.data[1]) &&
           zm_is_digit(text.data[2]) && (text.length == 3 || text.data[3] == ' ');
}

/* A reply of another class than 2, 4 and 5 would put client and server out of step. */
static bool is_final(int code)
{
    return code / 100 == 2 || code / 100 == 4 || code / 100 == 5;
}

static void read_reply(verdict_t *verdict, zm_str_t text)
{
    inquiry_line_t line = {0};
    verdict->code = verdict->number < 0 ? 550 : 250;
    verdict->text = text;
    if (has_code(text)) {
        (void)inquiry_line(&text, &line);
        verdict->text = zm_str_trim(line.text);
        if (is_final(line.code))
            verdict->code = line.code;
    }
    if (line.enhanced[0] == '0' + verdict->code / 100)
        memcpy(verdict->enhanced, line.enhanced, sizeof verdict->enhanced);
    else
        memcpy(verdict->enhanced,
               verdict->code / 100 == 2 && verdict->number == 0 ? "2.0.0" : "x.7.1", 6);
    verdict->enhanced[0] = (char)('0' + verdict->code / 100);
}

void verdict_read(verdict_t *verdict, zm_str_t lines, verdict_stray_fn *stray, void *baton)
{
    zm_str_t line;
    memset(verdict, 0, sizeof *verdict);
    while (zm_str_cut(lines, '\n', &line, &lines)) {
        zm_str_t text = line;
        int64_t number;
        if (take_number(&text, &number)) {
            verdict->given = true;
            verdict->number = number;
            read_reply(verdict, text);
        } else if (stray != NULL) {
            stray(line, baton);
        }
    }
}

bool verdict_line(zm_str_t *text, zm_str_t *line, int *count)
{
    if (*count >= VERDICT_LINES || (*count > 0 && text->length == 0))
        return false;
    ++*count;
    (void)zm_str_cut(*text, '\r', line, text);
    return true;
}
