#include "tests/unit/mta/scheduler/place.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/layout.h"
#include "tests/unit/harness.h"

#define HEADER "Subject: the test\nFrom: alice@x\n"
#define ENVELOPE "from <alice@x>\nto bob@y\nenv-end\n"
#define BODY "first line\nlast line\n"

static apr_status_t start(void *baton, zm_ta_t *ta, zm_thread_t *thread, void **process,
                          zm_error_t *error)
{
    (void)baton;
    (void)ta;
    (void)thread;
    (void)process;
    return zm_error_set(error, APR_EGENERAL, "no agents in this test");
}

static apr_status_t record(void *baton, zm_job_t *job, uint32_t offset, bool failed,
                           zm_str_t notary, zm_str_t text)
{
    place_t *place = baton;
    return zm_files_record(&place->files, job, offset, failed, notary, text);
}

static apr_status_t expire(void *baton, zm_job_t *job, uint32_t offset, zm_str_t notary,
                           zm_str_t text)
{
    place_t *place = baton;
    return zm_files_expire(&place->files, job, offset, notary, text);
}

static apr_status_t delayed(void *baton, zm_job_t *job, uint32_t offset, int number,
                            zm_str_t notary, zm_str_t text)
{
    place_t *place = baton;
    return zm_files_delayed(&place->files, job, offset, number, notary, text);
}

static apr_status_t deadline(void *baton, const zm_job_t *job, uint32_t offset, int64_t *by,
                             char *mode)
{
    place_t *place = baton;
    return zm_files_deadline(&place->files, job, offset, by, mode);
}

static void complete(void *baton, zm_job_t *job)
{
    place_t *place = baton;
    zm_reports_complete(place->reports, job);
}

static void reportable(void *baton, zm_job_t *job)
{
    place_t *place = baton;
    zm_reports_interim(place->reports, job);
}

static void reread(void *baton, zm_job_t *job)
{
    place_t *place = baton;
    zm_files_reread(&place->files, place->scheduler, job);
}

static void finished(void *baton, const zm_job_t *job, const zm_thread_t *thread, zm_state_t state)
{
    place_t *place = baton;
    (void)thread;
    zm_buf_printf(&place->log, "finished %llu %s\n", (unsigned long long)job->id,
                  zm_state_name(state));
}

static void event(void *baton, zm_log_level_t level, const zm_job_t *job, const char *text)
{
    (void)baton;
    (void)level;
    (void)job;
    (void)text;
}

static const zm_outside_t outside = {
    .start = start,
    .record = record,
    .expire = expire,
    .delayed = delayed,
    .deadline = deadline,
    .complete = complete,
    .reportable = reportable,
    .reread = reread,
    .finished = finished,
    .event = event,
};

static void settle(void *baton)
{
    (void)baton;
}

static void removed(void *baton, const zm_job_t *job)
{
    place_t *place = baton;
    zm_buf_printf(&place->log, "removed %llu total %u failed %u\n", (unsigned long long)job->id,
                  job->total, job->failed);
}

static void write_form(const char *directory)
{
    static const char form[] = "HDR From: The Post Office <postmaster>\nSUB Subject: Report\n"
                               "ADR Cc: Watcher <watch@z>\n\nForm text.\n";
    const char *path = apr_pstrcat(zm_test_pool(), directory, "/forms", NULL);
    zm_file_t *file;
    ZM_ASSERT_OK(zm_dir_make_all(path, 0755, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_open(&file, NULL, apr_pstrcat(zm_test_pool(), path, "/delivery", NULL),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, form, sizeof form - 1));
    zm_file_close(file);
}

static void open_reports(place_t *place)
{
    zm_reports_options_t options = {0};
    options.loop = place->loop;
    options.scheduler = place->scheduler;
    options.files = &place->files;
    options.submitter = &place->submitter;
    options.zenv = place->zenv;
    options.domain = "mta.test";
    options.owner.uid = options.owner.gid = ZM_UID_NONE;
    options.full_by_default = true;
    options.settle = settle;
    options.removed = removed;
    options.baton = place;
    zm_reports_open(&place->reports, &options, zm_test_pool());
}

place_t *place_open(const char *conf)
{
    apr_pool_t *pool = zm_test_pool();
    place_t *place = apr_pcalloc(pool, sizeof *place);
    const char *root = zm_test_directory();
    zm_spool_options_t spool = {0};
    zm_config_options_t config = {"s.conf", NULL, false, 100};
    zm_scheduler_options_t options = {.frozen = true};
    zm_buf_t problems = ZM_BUF_INIT;
    zm_error_t error = {0};

    write_form(root);
    ZM_ASSERT_OK(zm_loop_create(&place->loop, pool));
    ZM_ASSERT_OK(zm_zenv_parse(
        &place->zenv,
        zm_str(apr_psprintf(pool, "POSTOFFICE=%s/po\nMAILSHARE=%s\nMAILBIN=/b\nLOGDIR=/l\n", root,
                            root)),
        "z", "/", NULL, pool, &error));
    spool.location = apr_pstrcat(pool, root, "/po", NULL);
    spool.loop = place->loop;
    spool.create = true;
    ZM_ASSERT_OK(zm_spool_open(&place->spool, &spool, pool, &error));
    config.zenv = place->zenv;
    ZM_ASSERT_OK(zm_config_parse(&place->config, zm_str(conf), &config, &problems, pool));
    zm_buf_free(&problems);
    zm_scheduler_create(&place->scheduler, place->config, &options, &outside, place, pool);
    place->files.spool = place->spool;
    place->take.scheduler = place->scheduler;
    place->take.files = &place->files;
    place->submitter.spool = place->spool;
    open_reports(place);
    return place;
}

void place_close(place_t *place)
{
    zm_files_release(&place->files, 0);
    zm_scheduler_destroy(place->scheduler);
    zm_reports_close(place->reports);
    zm_spool_close(place->spool);
    zm_buf_free(&place->log);
}

/* -- jobs ------------------------------------------------------------------------------- */

static uint64_t publish(place_t *place, const char *directory, uint64_t id, const char *suffix,
                        zm_str_t text)
{
    zm_create_options_t create = {.directory = directory, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory, .id = id, .suffix = suffix};
    zm_published_t published = {0};
    zm_object_t *object;

    create.directory = strcmp(directory, ZM_DIR_QUEUE) == 0 ? ZM_DIR_PUBLIC : ZM_DIR_TRANSPORT;
    create.mode = 0660;
    ZM_ASSERT_OK(zm_object_create(&object, place->spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text.data, text.length));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.info.id;
}

static const char *replaced(const char *text, apr_size_t offset)
{
    const char *at = text != NULL ? strstr(text, "%OFF%") : NULL;
    if (at == NULL)
        return text != NULL ? text : "";
    return apr_psprintf(zm_test_pool(), "%.*s%lu%s", (int)(at - text), text, (unsigned long)offset,
                        at + 5);
}

uint64_t place_job(place_t *place, const char *lines, const char *tail)
{
    uint64_t id = publish(place, ZM_DIR_QUEUE, 0, NULL, zm_str(ENVELOPE HEADER "\n" BODY));
    zm_buf_t text = ZM_BUF_INIT;
    const char *first;

    if (lines == NULL)
        return id;
    zm_buf_printf(&text, "@ 0x00000007\ni %llu\no %d\nl <m%llu@x>\n%s", (unsigned long long)id,
                  (int)strlen(ENVELOPE HEADER "\n"), (unsigned long long)id, lines);
    first = strstr(zm_buf_c(&text), "\nr");
    zm_buf_printf(&text, "m\n%s\n%s", HEADER,
                  replaced(tail, first != NULL ? (apr_size_t)(first - text.data) + 1 : 0));
    publish(place, ZM_DIR_TRANSPORT, id, NULL, zm_buf_str(&text));
    zm_buf_free(&text);
    return id;
}

void place_control(place_t *place, uint64_t id, const char *suffix, const char *text)
{
    publish(place, ZM_DIR_TRANSPORT, id, suffix, zm_str(text));
}

zm_taken_t place_take(place_t *place, uint64_t id, zm_error_t *reason)
{
    zm_scheduler_tick(place->scheduler);
    return zm_take_file(&place->take, apr_psprintf(zm_test_pool(), "%" APR_UINT64_T_FMT, id),
                        zm_test_pool(), reason);
}

/* The disk takes as long as it takes; PATIENCE is for what would never come. */
#define PATIENCE 6000

void place_run(place_t *place)
{
    int i;
    for (i = 0; i < PATIENCE && place->scheduler->job_count > 0; i++)
        ZM_ASSERT_OK(zm_loop_once(place->loop, apr_time_from_msec(10)));
    CU_ASSERT_EQUAL(place->scheduler->job_count, 0);
}

void place_run_until_submitted(place_t *place)
{
    int i;
    for (i = 0; i < PATIENCE && place_submitted(place)[0] == '\0'; i++)
        ZM_ASSERT_OK(zm_loop_once(place->loop, apr_time_from_msec(10)));
}

void place_run_a_little(place_t *place)
{
    int i;
    for (i = 0; i < 20; i++)
        ZM_ASSERT_OK(zm_loop_once(place->loop, 0));
}

const char *place_read(place_t *place, const char *name)
{
    zm_object_t *object;
    char *data;
    apr_size_t length;
    if (zm_object_open(&object, place->spool, name, ZM_OBJECT_READ) != APR_SUCCESS)
        return "";
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 1 << 20, zm_test_pool()));
    zm_object_close(object);
    return data;
}

const char *place_control_text(place_t *place, uint64_t id)
{
    return place_read(place, apr_psprintf(zm_test_pool(), "transport/%" APR_UINT64_T_FMT, id));
}

const char *place_submitted(place_t *place)
{
    zm_listing_t *listing;
    const char *name, *text = "";
    int count = 0;
    ZM_ASSERT_OK(zm_spool_list(&listing, place->spool, ZM_DIR_ROUTER, false, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS) {
        text = place_read(place, name);
        count++;
    }
    zm_listing_close(listing);
    return count == 1 ? text : count == 0 ? "" : "more than one";
}

bool place_exists(place_t *place, const char *directory, uint64_t id)
{
    zm_object_info_t info;
    return zm_spool_info(&info, place->spool,
                         apr_psprintf(zm_test_pool(), "%s/%" APR_UINT64_T_FMT, directory, id)) ==
           APR_SUCCESS;
}
