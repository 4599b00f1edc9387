/*
 * zm-fill: puts routed messages into the spool of an instance, without a router.
 *
 *     zm-fill --root DIR -m MESSAGES -r RECIPIENTS --hosts HOSTS -c CHANNEL [--hint]
 *
 * Recipient j of message i goes to host (i * RECIPIENTS + j) mod HOSTS.  With
 * --hint the scheduler is told of every message, as the router would do.  Nothing
 * is synced: the instance is thrown away.
 */
#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "spool/control.h"
#include "spool/layout.h"
#include "spool/notify.h"

typedef struct fill_t {
    zm_zenv_options_t site;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    apr_pool_t *pool;
    int64_t messages, recipients, hosts;
    const char *channel, *hint_path;
    bool hint;
} fill_t;

#define ENVELOPE "from <sender@from.test>\nenv-end\n"
#define HEADER "From: sender@from.test\nSubject: one of many\n"
#define HASH_LEVELS 2

static apr_status_t put_message(fill_t *fill, uint64_t *id, apr_pool_t *pool)
{
    static const char text[] = ENVELOPE HEADER "\nHello.\n";
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE, .mode = 0600};
    zm_target_t target = {
        .directory = ZM_DIR_QUEUE, .hash_levels = HASH_LEVELS, .make_hash = true, .unsynced = true};
    zm_published_t published = {0};
    zm_object_t *object;
    apr_status_t status = zm_object_create(&object, fill->spool, &create);

    if (status == APR_SUCCESS)
        status = zm_object_write(object, text, sizeof text - 1);
    if (status == APR_SUCCESS)
        status = zm_object_publish_wait(object, &target, &published, pool);
    *id = published.info.id;
    return status;
}

static zm_str_t control_text(fill_t *fill, uint64_t id, int64_t number, apr_pool_t *pool)
{
    zm_control_writer_t *writer = zm_control_writer(pool);
    zm_quad_t sender = {ZM_S("smtp"), ZM_S("from.test"), ZM_S("sender@from.test"), 65534};
    zm_str_t text = ZM_S("");
    int64_t j;

    zm_control_message(writer, id, sizeof ENVELOPE HEADER);
    zm_control_log_id(writer, zm_str(apr_psprintf(pool, "<%" APR_UINT64_T_FMT "@from.test>", id)));
    zm_control_error_address(writer, ZM_S("sender@from.test"));
    zm_control_sender(writer, &sender);
    for (j = 0; j < fill->recipients; j++) {
        int64_t host = (number * fill->recipients + j) % fill->hosts;
        zm_quad_t quad = {zm_str(fill->channel), ZM_S(""), ZM_S(""), 65534};
        quad.host = zm_str(apr_psprintf(pool, "d%" APR_INT64_T_FMT ".to.test", host));
        quad.user = zm_str(
            apr_psprintf(pool, "user%" APR_INT64_T_FMT "@d%" APR_INT64_T_FMT ".to.test", j, host));
        zm_control_recipient(writer, &quad, ZM_S(""), ZM_S(""), ZM_S(""));
    }
    zm_control_header(writer, ZM_S(HEADER));
    (void)zm_control_finish(writer, &text);
    return text;
}

static apr_status_t publish_control(fill_t *fill, uint64_t id, zm_str_t text, apr_pool_t *pool)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE, .mode = 0600};
    zm_target_t target = {.directory = ZM_DIR_TRANSPORT,
                          .hash_levels = HASH_LEVELS,
                          .make_hash = true,
                          .unsynced = true};
    zm_published_t published = {0};
    zm_object_t *object;
    apr_status_t status = zm_object_create(&object, fill->spool, &create);

    target.id = id;
    if (status == APR_SUCCESS)
        status = zm_object_write(object, text.data, text.length);
    if (status == APR_SUCCESS)
        status = zm_object_publish_wait(object, &target, &published, pool);
    return status;
}

/* The number of a message just removed may be ours before its control file is gone too. */
static apr_status_t put_control(fill_t *fill, uint64_t id, zm_str_t text, apr_pool_t *pool)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    apr_status_t status = publish_control(fill, id, text, pool);
    int tries = 1000;

    while (APR_STATUS_IS_EEXIST(status) && tries-- > 0) {
        apr_sleep(apr_time_from_msec(1));
        status = publish_control(fill, id, text, pool);
    }
    if (status == APR_SUCCESS && fill->hint) {
        zm_layout_hash(prefix, id, HASH_LEVELS);
        zm_notify_send(fill->hint_path, NULL,
                       apr_psprintf(pool, "%s%" APR_UINT64_T_FMT, prefix, id));
    }
    return status;
}

static apr_status_t fill_spool(fill_t *fill)
{
    apr_status_t status = APR_SUCCESS;
    apr_pool_t *pool;
    uint64_t id;
    int64_t i;

    apr_pool_create(&pool, fill->pool);
    for (i = 0; i < fill->messages && status == APR_SUCCESS; i++) {
        apr_pool_clear(pool);
        status = put_message(fill, &id, pool);
        if (status == APR_SUCCESS)
            status = put_control(fill, id, control_text(fill, id, i, pool), pool);
    }
    return status;
}

int main(int argc, char **argv)
{
    fill_t fill = {.messages = 1000, .recipients = 10, .hosts = 1000, .channel = "null"};
    const zm_option_t table[] = {
        {'m', "messages", ZM_OPTION_NUMBER, &fill.messages, NULL, "N", "messages (1000)"},
        {'r', "recipients", ZM_OPTION_NUMBER, &fill.recipients, NULL, "N", "of each (10)"},
        {0, "hosts", ZM_OPTION_NUMBER, &fill.hosts, NULL, "N", "destinations (1000)"},
        {'c', "channel", ZM_OPTION_TEXT, &fill.channel, NULL, "NAME", "channel (null)"},
        {0, "hint", ZM_OPTION_FLAG, &fill.hint, NULL, NULL, "tell the scheduler of each"},
    };
    const zm_command_line_t line = {"zm-fill",  NULL, "fill the queue of an instance", table, 5,
                                    &fill.site, 0};
    zm_error_t error = {0};
    apr_status_t status;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&fill.pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (fill.recipients < 1 || fill.hosts < 1) {
        fprintf(stderr, "zm-fill: at least one recipient and one host\n");
        return ZM_EXIT_USAGE;
    }
    status = zm_zenv_load(&fill.zenv, &fill.site, fill.pool, &error);
    if (status == APR_SUCCESS) {
        zm_zenv_set(fill.zenv, "SUBMIT_FSYNC", "no");
        status = zm_site_spool(&fill.spool, fill.zenv, NULL, fill.pool, &error);
    }
    if (status != APR_SUCCESS) {
        fprintf(stderr, "zm-fill: %s\n", error.text);
        return 1;
    }
    fill.hint_path = zm_site_path(fill.zenv, "SCHEDULERNOTIFY", ".scheduler.notify", fill.pool);
    status = fill_spool(&fill);
    zm_spool_close(fill.spool);
    if (status != APR_SUCCESS)
        fprintf(stderr, "zm-fill: %s\n",
                zm_error_system(&error, status, "cannot write a message") ? error.text : "");
    return status == APR_SUCCESS ? 0 : 71;
}
