#include "mta/router/record.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/child.h"
#include "platform/clock.h"

#define LINE_LENGTH 700  /* of a fromto line, about */
#define VALUE_LENGTH 200 /* of an address */

void router_log_text(zm_log_level_t level, const char *id, zm_str_t text)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t i;
    if (!zm_log_on(level))
        return;
    for (i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool plain = (byte >= ' ' && byte < 127) || byte >= 0xa0;
        zm_buf_add_byte(&line, plain ? text.data[i] : byte == '\t' ? ' ' : '?');
    }
    zm_log_event(level, id, zm_buf_c(&line), NULL, 0);
    zm_buf_free(&line);
}

/* Absurdly long values are cut. */
static zm_str_t cut(zm_str_t text)
{
    return zm_str_of(text.data, text.length > VALUE_LENGTH ? VALUE_LENGTH : text.length);
}

/* -- counters ------------------------------------------------------------------------------- */

static void count(const router_message_t *message, zm_counter_t counter, int64_t more)
{
    zm_counter_add(message->worker->counters, counter, more);
}

static int64_t kilobytes(uint64_t octets)
{
    return (int64_t)((octets + 1023) / 1024);
}

void router_record_received(const router_message_t *message)
{
    count(message, ZM_COUNT_RT_ReceivedMessages, 1);
    count(message, ZM_COUNT_RT_ReceivedVolume_kB, kilobytes(message->file->info.size));
}

/* -- fromto --------------------------------------------------------------------------------- */

static void write_fromto(router_message_t *message, zm_buf_t *line)
{
    if (!message->worker->no_fromto)
        router_log_text(ZM_LOG_INFO, message->spool_id, zm_buf_str(line));
    if (message->worker->fromto_syslog)
        zm_log_syslog(ZM_LOG_INFO, "router", "%s: %s", message->spool_id, zm_buf_c(line));
}

static void begin_fromto(router_message_t *message, zm_buf_t *line)
{
    zm_buf_clear(line);
    zm_buf_add_c(line, "fromto: ");
    if (message->null_path || message->sender == NULL)
        zm_buf_add_str(line, cut(message->sender_address));
    else
        zm_buf_add_str(line, cut(zm_address_list_text(message->sender, message->pool)));
    zm_buf_add_c(line, " => ");
}

void router_record_addresses(router_message_t *message)
{
    zm_buf_t line = ZM_BUF_INIT;
    apr_size_t start;
    int i;
    count(message, ZM_COUNT_RT_ReceivedRecipients, message->recipients->nelts);
    if (message->worker->no_fromto && !message->worker->fromto_syslog)
        return;
    begin_fromto(message, &line);
    start = line.length;
    for (i = 0; i < message->recipients->nelts; i++) {
        zm_str_t address = cut(APR_ARRAY_IDX(message->recipients, i, router_recipient_t).address);
        if (line.length > start && line.length + address.length > LINE_LENGTH) {
            write_fromto(message, &line);
            begin_fromto(message, &line);
        }
        zm_buf_add_c(&line, line.length > start ? ", " : " ");
        zm_buf_add_str(&line, address);
    }
    write_fromto(message, &line);
    zm_buf_free(&line);
}

/* -- routed --------------------------------------------------------------------------------- */

static void add_time(zm_buf_t *line, const char *name, apr_time_t span)
{
    int64_t seconds = span > 0 ? apr_time_sec(span) : 0;
    zm_buf_printf(line, "%s=%02d:%02d:%02d", name, (int)(seconds / 3600), (int)(seconds / 60 % 60),
                  (int)(seconds % 60));
}

/* The user of the last sender group, which is nothing for the null path. */
static zm_str_t last_sender(const router_plan_t *plan)
{
    const router_rewrite_group_t *group =
        APR_ARRAY_IDX(plan->rewrites, plan->rewrites->nelts - 1, router_rewrite_group_t *);
    const router_quad_t *sender =
        &APR_ARRAY_IDX(group->senders, group->senders->nelts - 1, router_sender_group_t *)->sender;
    return zm_str_equal_c(sender->channel, "error") ? ZM_S("") : sender->user;
}

/* A value between separators: it can hold neither kind, nor what ends a line. */
static void add_value(zm_buf_t *line, zm_str_t value)
{
    apr_size_t i;
    value = cut(value);
    for (i = 0; i < value.length; i++)
        zm_buf_add_byte(line, (unsigned char)value.data[i] < ' ' ? ' ' : value.data[i]);
}

static void add_used(zm_buf_t *line, apr_time_t used)
{
    zm_buf_printf(line, "%d.%02d", (int)apr_time_sec(used), (int)(apr_time_usec(used) / 10000));
}

static void record_in_syslog(const router_message_t *message, const router_plan_t *plan)
{
    const char *separator = message->worker->syslog[0] == 'r' ? "\t" : ", ";
    zm_buf_t line = ZM_BUF_INIT;
    apr_time_t now = apr_time_now(), user, system;
    zm_process_times(&user, &system);
    zm_buf_printf(&line, "%s:%sfrom=<", message->spool_id, separator[0] == '\t' ? "\t" : " ");
    add_value(&line, last_sender(plan));
    zm_buf_printf(&line, ">%srrelay=", separator);
    add_value(&line, message->relay);
    zm_buf_printf(&line, "%ssize=%" APR_UINT64_T_FMT "%snrcpts=%d", separator,
                  (apr_uint64_t)message->file->info.size, separator, plan->recipients);
    zm_buf_printf(&line, "%smsgid=", separator);
    add_value(&line, message->message_id);
    zm_buf_add_c(&line, separator);
    add_time(&line, "delay", now - message->arrived);
    zm_buf_add_c(&line, separator);
    add_time(&line, "xdelay", now - message->started);
    zm_buf_printf(&line, "%srusage=", separator);
    add_used(&line, user - message->user_time);
    zm_buf_add_byte(&line, '/');
    add_used(&line, system - message->system_time);
    zm_log_syslog(ZM_LOG_INFO, "router", "%s", zm_buf_c(&line));
    zm_buf_free(&line);
}

void router_record_routed(router_message_t *message, const router_plan_t *plan, apr_size_t control)
{
    count(message, ZM_COUNT_RT_TransmittedMessages, 1);
    count(message, ZM_COUNT_RT_TransmittedRecipients, plan->recipients);
    count(message, ZM_COUNT_RT_TransmittedVolume_kB, kilobytes(message->file->info.size));
    count(message, ZM_COUNT_RT_TransmittedVolume2_kB, kilobytes(control));
    zm_log(ZM_LOG_INFO, message->spool_id, "routed",
           ZM_F_N("from", message->worker->no_fromto ? ZM_S("-") : cut(message->sender_address)),
           ZM_F_N("relay", cut(message->relay)), ZM_F_I("size", message->file->info.size),
           ZM_F_I("recipients", plan->recipients), ZM_F_I("duplicates", plan->duplicates),
           ZM_F_N("message_id", cut(message->message_id)),
           ZM_F_I("took_us", apr_time_now() - message->started));
    if (message->worker->syslog != NULL)
        record_in_syslog(message, plan);
}
