#include "mta/admin/mailq.h"

#include <stdio.h>

#include "mta/mail/encoded_word.h"

/* Octets of the UTF-8 character that begins here; 0: it is none. */
static apr_size_t character(zm_str_t text, apr_size_t at)
{
    unsigned char c = (unsigned char)text.data[at];
    apr_size_t length = c < 0x80   ? 1
                        : c < 0xc2 ? 0
                        : c < 0xe0 ? 2
                        : c < 0xf0 ? 3
                        : c < 0xf5 ? 4
                                   : 0;
    if (length == 0 || at + length > text.length ||
        (length > 1 && !zm_is_utf8(zm_str_of(text.data + at, length))))
        return 0;
    return length;
}

void mailq_json_string(zm_str_t text)
{
    apr_size_t i;
    putchar('"');
    for (i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        apr_size_t length = character(text, i);
        if (length != 1) { /* what is no text becomes the replacement character */
            printf("%.*s", (int)(length > 0 ? length : 3),
                   length > 0 ? text.data + i : "\xef\xbf\xbd");
            i += length > 0 ? length - 1 : 0;
            continue;
        }
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\r' || c == '\n')
            printf("\\n");
        else if (c < ' ')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

void mailq_json_field(const char *name, zm_str_t value)
{
    printf(",\"%s\":", name);
    mailq_json_string(value);
}

static bool first_thread, first_row;

static void json_row(mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                     apr_pool_t *pool)
{
    (void)mailq;
    printf("%s\n  {\"file\":", first_row ? "" : ",");
    first_row = false;
    mailq_json_string(row->path);
    mailq_json_field("from", row->sender);
    if (file != NULL) {
        mailq_json_field("to", mailq_file_recipient(file, (uint64_t)row->offset, pool));
        mailq_json_field("message_id", file->control->log_id);
        printf(",\"arrived\":%lld,\"size\":%llu", (long long)file->arrived,
               (unsigned long long)file->message_size);
    }
    printf(",\"offset\":%lld,\"attempts\":%lld", (long long)row->offset, (long long)row->attempts);
    printf(",\"expires\":%lld,\"next_attempt\":%lld,\"last_attempt\":%lld", (long long)row->expiry,
           (long long)row->wakeup, (long long)row->fed);
    mailq_json_field("state", row->when);
    mailq_json_field("diagnostic", row->text);
    putchar('}');
}

void mailq_json_members(zm_str_t fields)
{
    zm_str_t field, name, value;
    bool more = fields.length > 0;
    int64_t number;
    while (more) {
        zm_str_t rest = ZM_S("");
        more = zm_str_cut(fields, '\t', &field, &rest);
        fields = rest;
        if (!zm_str_cut(field, '=', &name, &value))
            continue;
        putchar(',');
        mailq_json_string(name);
        putchar(':');
        if (zm_str_i64(value, &number) == APR_SUCCESS)
            printf("%lld", (long long)number);
        else
            mailq_json_string(value);
    }
}

static void json_thread(mailq_t *mailq, zm_str_t channel, zm_str_t host, zm_str_t fields)
{
    printf("%s\n {\"channel\":", first_thread ? "" : ",");
    first_thread = false;
    mailq_json_string(channel);
    mailq_json_field("host", host);
    mailq_json_members(fields);
    printf(",\"recipients\":[");
    first_row = true;
    mailq_each_row(mailq, channel, host, json_row);
    printf("]}");
}

int mailq_list_json(mailq_t *mailq)
{
    int code;
    first_thread = true;
    printf("{\"threads\":[");
    code = mailq_each_thread(mailq, json_thread);
    printf("]}\n");
    return code;
}
