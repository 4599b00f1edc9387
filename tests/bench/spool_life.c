#include <apr_strings.h>

#include "spool/control.h"
#include "spool/layout.h"
#include "spool/message.h"
#include "tests/bench/spool_bench.h"

static void check(apr_status_t status)
{
    if (status != APR_SUCCESS)
        bench_die("life", status);
}

static zm_str_t make_control(uint64_t id, apr_pool_t *pool)
{
    zm_control_writer_t *writer = zm_control_writer(pool);
    zm_quad_t sender = {ZM_S("smtp"), ZM_S("a@b.test"), ZM_S("a@b.test"), 0};
    zm_quad_t recipient = {ZM_S("smtp"), ZM_S("d.test"), ZM_S("user@d.test"), 65534};
    zm_str_t text;
    zm_control_message(writer, id, 400);
    zm_control_log_id(writer, ZM_S("<20260101@b.test>"));
    zm_control_sender(writer, &sender);
    zm_control_recipient(writer, &recipient, ZM_S("NOTIFY=FAILURE"), ZM_S(""), ZM_S(""));
    zm_control_header(writer,
                      ZM_S("Received: from x by y with SMTP id z; Thu, 1 Jan 2026 00:00:00 +0000\n"
                           "Subject: test\nFrom: a@b.test\nTo: user@d.test\n"));
    check(zm_control_finish(writer, &text));
    return text;
}

static void route(bench_t *bench, const char *name, uint64_t id, apr_pool_t *pool)
{
    char scratch[40], directory[40] = "transport/";
    zm_create_options_t create = {.directory = directory,
                                  .scratch = scratch,
                                  .uid = ZM_UID_NONE,
                                  .gid = ZM_UID_NONE,
                                  .mode = 0460};
    zm_target_t target = {
        .directory = "transport", .hash_levels = 2, .make_hash = true, .id = id, .unsynced = true};
    zm_object_t *object;
    zm_message_t *message;
    zm_str_t text = make_control(id, pool);
    check(zm_object_open(&object, bench->spool, name, ZM_OBJECT_UPDATE));
    check(zm_object_lock_whole(object, true));
    check(zm_message_read(&message, object, 1 << 20, pool));
    zm_layout_hash(directory + 10, id, 2);
    directory[13] = '\0';
    apr_snprintf(scratch, sizeof scratch, ".%" APR_UINT64_T_FMT, id);
    {
        zm_object_t *control;
        check(zm_object_create(&control, bench->spool, &create));
        check(zm_object_write(control, text.data, text.length));
        target.companion = name;
        target.companion_target = zm_layout_name(pool, "queue", 2, id);
        check(zm_object_publish_wait(control, &target, NULL, pool));
    }
    zm_object_close(object);
}

static zm_control_file_t *read_control(zm_object_t *control, apr_pool_t *pool)
{
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    check(zm_object_read_all(control, &data, &length, 1 << 20, pool));
    check(zm_control_parse(&file, data, length, pool, NULL));
    return file;
}

static void deliver(bench_t *bench, uint64_t id, apr_pool_t *pool)
{
    zm_object_t *control, *message;
    zm_control_file_t *file;
    char *data;
    apr_size_t length;
    check(zm_object_open(&control, bench->spool, zm_layout_name(pool, "transport", 2, id),
                         ZM_OBJECT_READ));
    read_control(control, pool); /* the scheduler */
    zm_object_close(control);
    check(zm_object_open(&control, bench->spool, zm_layout_name(pool, "transport", 2, id),
                         ZM_OBJECT_UPDATE));
    file = read_control(control, pool); /* the agent */
    check(zm_control_claim(control, file->recipients[0].offset));
    check(zm_object_open(&message, bench->spool, zm_layout_name(pool, "queue", 2, id),
                         ZM_OBJECT_READ));
    check(zm_object_read_all(message, &data, &length, 1 << 26, pool));
    zm_object_close(message);
    check(zm_control_release(control, file->recipients[0].offset, '+'));
    zm_object_close(control);
    check(zm_spool_unlink_pair(bench->spool, zm_layout_name(pool, "queue", 2, id),
                               zm_layout_name(pool, "transport", 2, id)));
}

void bench_life(bench_t *bench, const char *name, uint64_t id)
{
    apr_pool_clear(bench->each);
    route(bench, name, id, bench->each);
    deliver(bench, id, bench->each);
}
