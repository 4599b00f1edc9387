#include "ta/mailbox/letter.h"

#include "mta/mail/xtext.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "ta/agent/head.h"

static void remove_ours(zm_fields_t *fields, const zm_mailbox_options_t *options)
{
    static const char *const ours[] = {"Return-Path",        "X-Envelope-To", "X-Orcpt",
                                       "Original-Recipient", "X-Envid",       "Envelope-Id"};
    apr_size_t i;
    for (i = 0; i < sizeof ours / sizeof ours[0]; i++)
        zm_fields_remove(fields, ours[i]);
    if (options->uidl)
        zm_fields_remove(fields, "X-UIDL");
    if (zm_fields_find(fields, "To", 0) < 0)
        zm_fields_remove(fields, "Apparently-To");
}

static void add_dsn(zm_fields_t *fields, zm_str_t value, const char *name, const char *other,
                    apr_pool_t *pool)
{
    zm_str_t text = zm_xtext_decode_line(value, pool);
    if (value.length == 0)
        return;
    zm_fields_append(fields, "%s: %.*s", name, (int)text.length, text.data);
    zm_fields_append(fields, "%s: %.*s", other, (int)text.length, text.data);
}

static void add_ours(zm_fields_t *fields, const zm_job_t *job, const zm_group_t *group,
                     const zm_recipient_t *recipient, const zm_mailbox_options_t *options,
                     apr_pool_t *pool)
{
    apr_time_t now = zm_clock_wall();
    zm_fields_append(fields, "Return-Path: <%s>", zm_field_text(group->sender, pool).data);
    zm_fields_append(fields, "X-Envelope-To: <%s> (uid %lld)",
                     zm_field_text(recipient->user, pool).data, (long long)recipient->privilege);
    add_dsn(fields, recipient->dsn.orcpt, "X-Orcpt", "Original-Recipient", pool);
    add_dsn(fields, job->file->envid, "X-Envid", "Envelope-Id", pool);
    if (options->uidl)
        zm_fields_append(fields, "X-UIDL: %lld.%d.%lld", (long long)apr_time_sec(now),
                         (int)apr_time_usec(now), (long long)zm_process_own());
}

void zm_letter_head(const zm_job_t *job, const zm_group_t *group, const zm_converted_t *converted,
                    const zm_recipient_t *recipient, const zm_mailbox_options_t *options,
                    zm_buf_t *out)
{
    zm_head_style_t style = {0};
    zm_fields_t fields;
    apr_pool_t *pool;
    apr_pool_create(&pool, job->pool);
    zm_fields_copy(&fields, converted != NULL ? &converted->fields : &group->fields, pool);
    remove_ours(&fields, options);
    add_ours(&fields, job, group, recipient, options, pool);
    style.keep_tabs = job->agent->keep_tabs || zm_conversion_sealed(&group->fields, pool);
    if (job->agent->for_clause)
        style.for_address = recipient->user;
    zm_head_write(&fields, &style, out);
    apr_pool_destroy(pool);
}
