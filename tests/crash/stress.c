/*
 * zm-spool-stress SPOOL ROLE SEED SECONDS JOURNAL...
 *
 * One process on a spool that others use and where it may be killed at any time:
 *
 *   publish  makes objects of all sizes in router/
 *   move     renames what it finds there to queue/, links some to postman/
 *   read     opens what it finds, and looks whether it is whole
 *   remove   removes some of what is in queue/ and postman/
 *   recover  does what a router does at its start, which takes all in queue/ back: nothing there
 *            has a control file
 *   judge    at the end, alone: what was told published is there, once, and whole
 *
 * An object tells what must be in it: "SEED COUNTER SIZE\n" and bytes that follow
 * from these.  A journal has a line "P NAME-DIGITS" for each publish after its
 * success, and "R NAME-DIGITS" before each removal.
 */
#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "spool/layout.h"
#include "spool/recover.h"
#include "spool/spool.h"

typedef struct stress_t {
    zm_spool_t *spool;
    uint64_t seed, random;
    apr_time_t end;
    zm_file_t *journal;
    apr_pool_t *pool, *each;
    uint64_t done;
} stress_t;

static void die(const char *what, const char *name, apr_status_t status)
{
    char text[200];
    fprintf(stderr, "zm-spool-stress: %s %s: %s\n", what, name,
            zm_status_text(status, text, sizeof text));
    exit(1);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static bool going_on(stress_t *s)
{
    apr_pool_clear(s->each);
    return zm_clock_monotonic() < s->end;
}

/* -- contents ------------------------------------------------------------------------------- */

static void fill(char *data, apr_size_t size, uint64_t seed, uint64_t counter)
{
    uint64_t state = seed * 1000003 + counter;
    apr_size_t i =
        (apr_size_t)apr_snprintf(data, size, "%" APR_UINT64_T_FMT " %" APR_UINT64_T_FMT " %lu\n",
                                 seed, counter, (unsigned long)size);
    for (; i < size; i++)
        data[i] = (char)next_random(&state);
}

static bool is_whole(const char *data, apr_size_t length, apr_pool_t *pool)
{
    unsigned long long seed, counter;
    unsigned long size;
    char *expected;
    if (length < 20 || sscanf(data, "%llu %llu %lu\n", &seed, &counter, &size) != 3 ||
        size != length)
        return false;
    expected = apr_palloc(pool, length);
    fill(expected, length, seed, counter);
    return memcmp(expected, data, length) == 0;
}

static void look_at(stress_t *s, const char *name)
{
    zm_object_t *object;
    char *data;
    apr_size_t length;
    apr_status_t status = zm_object_open(&object, s->spool, name, ZM_OBJECT_READ);
    if (APR_STATUS_IS_ENOENT(status))
        return; /* moved or removed meanwhile */
    if (status != APR_SUCCESS)
        die("cannot open", name, status);
    status = zm_object_read_all(object, &data, &length, 1 << 24, s->each);
    if (status != APR_SUCCESS)
        die("cannot read", name, status);
    if (!is_whole(data, length, s->each)) {
        fprintf(stderr, "zm-spool-stress: %s is not whole (%lu bytes)\n", name,
                (unsigned long)length);
        exit(1);
    }
    zm_object_close(object);
}

/* -- roles ---------------------------------------------------------------------------------- */

static void note(stress_t *s, char what, uint64_t id)
{
    char line[40];
    int length = apr_snprintf(line, sizeof line, "%c %" APR_UINT64_T_FMT "\n", what, id);
    apr_status_t status = zm_file_append(s->journal, line, (apr_size_t)length);
    if (status != APR_SUCCESS)
        die("cannot write the journal", "", status);
}

static uint64_t id_of(const char *name)
{
    zm_name_t parts;
    return zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS ? parts.id : 0;
}

static void publish_one(stress_t *s, uint64_t counter)
{
    static const apr_size_t limits[] = {300, 5000, 20000, 70000, 300000};
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {
        .directory = "router", .hash_levels = (int)(counter % 2), .make_hash = true};
    apr_size_t size = 50 + next_random(&s->random) % limits[next_random(&s->random) % 5];
    char *data = apr_palloc(s->each, size);
    zm_published_t published;
    zm_object_t *object;
    apr_status_t status = zm_object_create(&object, s->spool, &create);
    fill(data, size, s->seed, counter);
    if (status == APR_SUCCESS)
        status = zm_object_write(object, data, size);
    if (status == APR_SUCCESS)
        status = zm_object_publish_wait(object, &target, &published, s->each);
    if (status != APR_SUCCESS)
        die("cannot publish", "", status);
    note(s, 'P', id_of(published.name));
}

static void publish(stress_t *s)
{
    while (going_on(s))
        publish_one(s, s->done++);
}

typedef void visit_fn(stress_t *s, const char *name);

static void visit_all(stress_t *s, const char *directory, visit_fn *visit)
{
    zm_listing_t *listing;
    const char *name;
    apr_pool_t *pool;
    apr_status_t status;
    apr_pool_create(&pool, s->pool);
    status = zm_spool_list(&listing, s->spool, directory, false, pool);
    if (status != APR_SUCCESS)
        die("cannot list", directory, status);
    while (zm_clock_monotonic() < s->end &&
           (status = zm_listing_next(listing, &name)) == APR_SUCCESS) {
        visit(s, apr_pstrdup(pool, name));
        apr_pool_clear(s->each);
    }
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        die("cannot list", directory, status);
    zm_listing_close(listing);
    apr_pool_destroy(pool);
}

static void move_one(stress_t *s, const char *name)
{
    const char *target = zm_layout_name(s->each, "queue", 2, id_of(name));
    apr_status_t status = zm_spool_rename(s->spool, name, target);
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status) && !APR_STATUS_IS_EEXIST(status))
        die("cannot rename", name, status);
    if (status == APR_SUCCESS && next_random(&s->random) % 16 == 0) {
        const char *copy = apr_psprintf(s->each, "postman/%" APR_UINT64_T_FMT "_copy", id_of(name));
        status = zm_spool_link(s->spool, target, copy);
        if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status) && !APR_STATUS_IS_EEXIST(status))
            die("cannot link", target, status);
    }
    s->done++;
}

static void remove_one(stress_t *s, const char *name)
{
    apr_status_t status;
    if (next_random(&s->random) % 4 == 0)
        return;
    note(s, 'R', id_of(name));
    status = zm_spool_unlink(s->spool, name);
    if (status != APR_SUCCESS && !APR_STATUS_IS_ENOENT(status))
        die("cannot unlink", name, status);
    s->done++;
}

static void read_one(stress_t *s, const char *name)
{
    look_at(s, name);
    s->done++;
}

static void repeat(stress_t *s, visit_fn *visit, const char *first, const char *second)
{
    while (going_on(s)) {
        visit_all(s, first, visit);
        if (second != NULL)
            visit_all(s, second, visit);
        apr_sleep(1000);
    }
}

static void recover(stress_t *s)
{
    zm_recover_options_t options = {0};
    zm_recover_report_t report;
    zm_error_t error = {0};
    zm_log_options_t log = {.program = "stress", .file = "/dev/null", .level = ZM_LOG_ERROR};
    (void)zm_log_open(&log, NULL); /* of bodies that killed publishers had finished */
    while (going_on(s)) {
        apr_status_t status = zm_spool_recover(s->spool, &options, &report, s->each, &error);
        if (status != APR_SUCCESS)
            die("cannot recover:", error.text, status);
        s->done++;
        apr_sleep(20000);
    }
}

/* -- the end -------------------------------------------------------------------------------- */

/* What is known of an object: a name that it has, or that it may have been removed. */
static void take_journal(apr_hash_t *published, apr_hash_t *removed, const char *path,
                         apr_pool_t *pool)
{
    char *data, *line, *state;
    apr_size_t length;
    apr_status_t status = zm_file_slurp(&data, &length, path, 1 << 30, pool);
    if (APR_STATUS_IS_ENOENT(status))
        return;
    if (status != APR_SUCCESS)
        die("cannot read", path, status);
    for (line = apr_strtok(data, "\n", &state); line != NULL; line = apr_strtok(NULL, "\n", &state))
        if (strlen(line) > 2)
            apr_hash_set(line[0] == 'P' ? published : removed, line + 2, APR_HASH_KEY_STRING, line);
}

static apr_hash_t *present;

static void count_one(stress_t *s, const char *name)
{
    char *id = apr_psprintf(s->pool, "%" APR_UINT64_T_FMT, id_of(name));
    const char *before = apr_hash_get(present, id, APR_HASH_KEY_STRING);
    look_at(s, name);
    if (before != NULL && strncmp(name, "postman/", 8) != 0) {
        fprintf(stderr, "zm-spool-stress: %s is also %s\n", name, before);
        exit(1);
    }
    apr_hash_set(present, id, APR_HASH_KEY_STRING, apr_pstrdup(s->pool, name));
    s->done++;
}

static int judge(stress_t *s, int argc, const char *const *argv)
{
    apr_hash_t *published = apr_hash_make(s->pool), *removed = apr_hash_make(s->pool);
    apr_hash_index_t *index;
    int lost = 0, i;
    present = apr_hash_make(s->pool);
    s->end = zm_clock_monotonic() + apr_time_from_sec(3600);
    visit_all(s, "router", count_one);
    visit_all(s, "queue", count_one);
    visit_all(s, "postman", count_one);
    for (i = 0; i < argc; i++)
        take_journal(published, removed, argv[i], s->pool);
    for (index = apr_hash_first(s->pool, published); index != NULL; index = apr_hash_next(index)) {
        const void *id;
        apr_hash_this(index, &id, NULL, NULL);
        if (apr_hash_get(present, id, APR_HASH_KEY_STRING) == NULL &&
            apr_hash_get(removed, id, APR_HASH_KEY_STRING) == NULL) {
            fprintf(stderr, "zm-spool-stress: %s is lost\n", (const char *)id);
            lost++;
        }
    }
    printf("%u published, %u removed, %u there, %d lost\n", apr_hash_count(published),
           apr_hash_count(removed), apr_hash_count(present), lost);
    return lost != 0;
}

int main(int argc, const char *const *argv)
{
    stress_t s = {0};
    zm_spool_options_t options = {0};
    zm_error_t error;
    int code = 0;
    if (argc < 6) {
        fprintf(stderr,
                "usage: zm-spool-stress SPOOL publish|move|read|remove|recover|judge SEED SECONDS "
                "JOURNAL...\n");
        return 2;
    }
    apr_initialize();
    apr_pool_create(&s.pool, NULL);
    apr_pool_create(&s.each, s.pool);
    options.location = argv[1];
    options.create = true;
    if (zm_spool_open(&s.spool, &options, s.pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "zm-spool-stress: %s\n", error.text);
        return 1;
    }
    s.seed = s.random = (uint64_t)atoll(argv[3]);
    s.end = zm_clock_monotonic() + apr_time_from_sec(atoi(argv[4]));
    if (strcmp(argv[2], "judge") != 0 &&
        zm_file_open(&s.journal, NULL, argv[5], ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND,
                     0600, s.pool) != APR_SUCCESS)
        die("cannot open", argv[5], APR_EGENERAL);
    if (strcmp(argv[2], "publish") == 0)
        publish(&s);
    else if (strcmp(argv[2], "move") == 0)
        repeat(&s, move_one, "router", NULL);
    else if (strcmp(argv[2], "read") == 0)
        repeat(&s, read_one, "router", "queue");
    else if (strcmp(argv[2], "remove") == 0)
        repeat(&s, remove_one, "queue", "postman");
    else if (strcmp(argv[2], "recover") == 0)
        recover(&s);
    else
        code = judge(&s, argc - 5, argv + 5);
    if (strcmp(argv[2], "judge") != 0)
        printf("%s: %llu\n", argv[2], (unsigned long long)s.done);
    zm_spool_close(s.spool);
    apr_pool_destroy(s.pool);
    apr_terminate();
    return code;
}
