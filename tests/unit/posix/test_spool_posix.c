/* A native spool among the things that Unix users can do to it. */
#include <apr_strings.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spool.h"
#include "tests/unit/harness.h"

static const char *path(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static zm_spool_t *make_spool(void)
{
    zm_spool_options_t options = {.location = zm_test_directory(), .create = true};
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    return spool;
}

static zm_object_t *new_object(zm_spool_t *spool)
{
    zm_create_options_t create = {.directory = "public", .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_object_t *object = NULL;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    return object;
}

static int names_in(zm_spool_t *spool, const char *directory)
{
    zm_listing_t *listing;
    const char *name;
    int count = 0;
    ZM_ASSERT_OK(zm_spool_list(&listing, spool, directory, true, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        count++;
    zm_listing_close(listing);
    return count;
}

static apr_status_t open_name(zm_spool_t *spool, const char *name)
{
    zm_object_t *object;
    apr_status_t status = zm_object_open(&object, spool, name, ZM_OBJECT_READ);
    if (status == APR_SUCCESS)
        zm_object_close(object);
    return status;
}

static void write_file(const char *at)
{
    int descriptor = open(at, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_EQUAL(write(descriptor, "to me\n", 6), 6);
    close(descriptor);
}

static void symbolic_links_are_not_followed(void)
{
    zm_spool_t *spool = make_spool();
    zm_object_info_t info;
    write_file(path("secret"));
    write_file(path("queue/4712"));
    CU_ASSERT_EQUAL(symlink("../secret", path("router/4711")), 0);
    CU_ASSERT_EQUAL(symlink("../queue", path("router/Q")), 0);
    CU_ASSERT_EQUAL(open_name(spool, "router/4711"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(zm_spool_info(&info, spool, "router/4711"), ZM_E_UNSAFE);
    CU_ASSERT_NOT_EQUAL(open_name(spool, "router/Q/4712"), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_spool_unlink(spool, "router/Q/4712"), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_spool_rename(spool, "router/Q/4712", "deferred/1"), APR_SUCCESS);
    CU_ASSERT_EQUAL(names_in(spool, "router"), 0);
    ZM_ASSERT_OK(open_name(spool, "queue/4712"));
    zm_spool_close(spool);
}

/* As an administrator may do who has transport/ on another disk. */
static void link_in_the_place_of_a_directory_of_the_spool_is_followed(void)
{
    zm_spool_t *spool = make_spool();
    zm_target_t target = {.directory = "transport", .hash_levels = 2, .make_hash = true};
    zm_published_t published;
    zm_object_info_t info;
    zm_spool_close(spool);
    CU_ASSERT_EQUAL(rename(path("transport"), path("disk")), 0);
    CU_ASSERT_EQUAL(symlink("disk", path("transport")), 0);
    spool = make_spool();
    ZM_ASSERT_OK(zm_object_publish_wait(new_object(spool), &target, &published, zm_test_pool()));
    CU_ASSERT_EQUAL(names_in(spool, "transport"), 1);
    CU_ASSERT_EQUAL(names_in(spool, "disk"), 1);
    ZM_ASSERT_OK(open_name(spool, published.name));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&info, spool, "transport/4711")));
    ZM_ASSERT_OK(zm_spool_rename(spool, published.name, "transport/4711"));
    CU_ASSERT_EQUAL(unlink(path("transport")), 0);
    CU_ASSERT_EQUAL(mkdir(path("transport"), 0750), 0);
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&info, spool, "transport/4712")));
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_spool_info(&info, spool, "transport/4711")));
    zm_spool_close(spool);
}

static void fifo_in_the_input_directory_does_not_stop_us(void)
{
    zm_spool_t *spool = make_spool();
    CU_ASSERT_EQUAL(mkfifo(path("router/4711"), 0666), 0);
    CU_ASSERT_EQUAL(open_name(spool, "router/4711"), ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(names_in(spool, "router"), 0);
    zm_spool_close(spool);
}

static void strangers_hash_directory_is_refused(void)
{
    zm_spool_t *spool = make_spool();
    if (geteuid() == 0) { /* only root can make one here that belongs to somebody else */
        CU_ASSERT_EQUAL(mkdir(path("router/Q"), 0777), 0);
        write_file(path("router/Q/4711"));
        CU_ASSERT_EQUAL(chown(path("router/Q"), 12345, 12345), 0);
        CU_ASSERT_EQUAL(open_name(spool, "router/Q/4711"), ZM_E_UNSAFE);
        CU_ASSERT_EQUAL(names_in(spool, "router"), 0);
        CU_ASSERT_EQUAL(mkdir(path("queue/Q"), 0755), 0);
        write_file(path("queue/Q/4711"));
        CU_ASSERT_EQUAL(chown(path("queue/Q"), 12345, 12345), 0);
        ZM_ASSERT_OK(open_name(spool, "queue/Q/4711")); /* an administrator's choice */
    }
    zm_spool_close(spool);
}

static void owner_and_mode_are_those_asked_for(void)
{
    zm_spool_t *spool = make_spool();
    zm_create_options_t create = {.directory = "public",
                                  .uid = geteuid() == 0 ? 12345 : ZM_UID_NONE,
                                  .gid = ZM_UID_NONE,
                                  .mode = 0460};
    zm_target_t target = {.directory = "transport"};
    zm_published_t published;
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, spool, &create));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    CU_ASSERT_EQUAL(published.info.mode, 0460);
    CU_ASSERT_EQUAL(published.info.uid, geteuid() == 0 ? 12345 : (zm_uid_t)geteuid());
    zm_spool_close(spool);
}

static void with_file_size_limit(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* The limit stands for a full disk: a write ends early or fails. */
static void full_disk_leaves_nothing_half_visible(void)
{
    zm_spool_t *spool = make_spool();
    zm_target_t target = {.directory = "router"};
    static char piece[100000];
    zm_object_t *small = new_object(spool), *large = new_object(spool);
    with_file_size_limit(50000);
    ZM_ASSERT_OK(zm_object_write(small, piece, 60000)); /* still in the buffer */
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(small, &target, NULL, zm_test_pool()), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_object_write(large, piece, sizeof piece), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_object_write(large, piece, 1), APR_SUCCESS);
    CU_ASSERT_NOT_EQUAL(zm_object_publish_wait(large, &target, NULL, zm_test_pool()), APR_SUCCESS);
    with_file_size_limit(RLIM_INFINITY);
    CU_ASSERT_EQUAL(names_in(spool, "router"), 0);
    CU_ASSERT_EQUAL(names_in(spool, "public"), 0);
    zm_spool_close(spool);
}

static void note_status(apr_status_t status, const zm_published_t *published, void *baton)
{
    int *counts = baton;
    (void)published;
    counts[status == APR_SUCCESS]++;
}

/* A group that does not fit fails; what comes when there is room again is not hurt by it. */
static void full_disk_under_an_emulated_spool_passes(void)
{
    zm_spool_options_t options = {
        .location = apr_pstrcat(zm_test_pool(), "emulated:", zm_test_directory(), NULL),
        .create = true};
    zm_target_t target = {.directory = "router"};
    zm_spool_t *spool = NULL;
    zm_error_t error = {0};
    zm_object_t *objects[20];
    static char text[20000];
    int counts[2] = {0, 0}, i, round;
    ZM_ASSERT_OK(zm_loop_create(&options.loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_spool_open(&spool, &options, zm_test_pool(), &error));
    for (round = 0; round < 2; round++) {
        for (i = 0; i < 20; i++) {
            objects[i] = new_object(spool);
            ZM_ASSERT_OK(zm_object_write(objects[i], text, sizeof text));
        }
        with_file_size_limit(round == 0 ? 200000 : RLIM_INFINITY);
        for (i = 0; i < 20; i++)
            zm_object_publish(objects[i], &target, note_status, counts);
        while (counts[0] + counts[1] < 20 * (round + 1))
            ZM_ASSERT_OK(zm_loop_once(options.loop, -1));
        with_file_size_limit(RLIM_INFINITY);
    }
    CU_ASSERT(counts[0] > 0 && counts[0] <= 20);
    CU_ASSERT_EQUAL(names_in(spool, "router"), counts[1]);
    zm_spool_close(spool);
}

static void append_that_does_not_fit_is_cut_back(void)
{
    zm_spool_t *spool = make_spool();
    zm_target_t target = {.directory = "transport"};
    zm_published_t published;
    zm_object_info_t info;
    zm_object_t *object = new_object(spool);
    ZM_ASSERT_OK(zm_object_write(object, "m\n\n", 3));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    ZM_ASSERT_OK(zm_object_open(&object, spool, published.name, ZM_OBJECT_UPDATE));
    with_file_size_limit(10);
    CU_ASSERT_NOT_EQUAL(zm_object_append(object, "d 123456789\n", 12, true), APR_SUCCESS);
    with_file_size_limit(RLIM_INFINITY);
    ZM_ASSERT_OK(zm_object_info(&info, object));
    CU_ASSERT_EQUAL(info.size, 3);
    ZM_ASSERT_OK(zm_object_append(object, "d 1\n", 4, true));
    zm_object_close(object);
    zm_spool_close(spool);
}

static void open_file_of_a_helper_is_adopted(void)
{
    zm_spool_t *spool = make_spool();
    zm_object_t *object;
    char *data;
    apr_size_t length;
    int pipes[2];
    write_file(path("router/4711"));
    ZM_ASSERT_OK(zm_object_adopt(&object, spool, open(path("router/4711"), O_RDWR | O_CLOEXEC)));
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, 100, zm_test_pool()));
    ZM_ASSERT_STR(data, "to me\n");
    ZM_ASSERT_OK(zm_object_lock_whole(object, false));
    zm_object_close(object);
    CU_ASSERT_EQUAL(pipe(pipes), 0);
    CU_ASSERT_EQUAL(zm_object_adopt(&object, spool, pipes[0]), ZM_E_UNSAFE);
    close(pipes[1]);
    zm_spool_close(spool);
}

static void opening_survives_running_out_of_descriptors(void)
{
    static const char *const directories[] = {"router", "public", "transport", "freezer"};
    zm_spool_t *spool = make_spool();
    struct rlimit limit, old;
    int i, blocked[64], count = 0;
    CU_ASSERT_EQUAL(mkdir(path("queue/A"), 0700), 0);
    write_file(path("queue/A/1"));
    for (i = 0; i < 4; i++)
        ZM_ASSERT_OK(zm_spool_sync_names(spool, directories[i]));
    getrlimit(RLIMIT_NOFILE, &old);
    limit = old;
    limit.rlim_cur = 60;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (count < 64 && (blocked[count] = open("/", O_RDONLY)) >= 0)
        count++;
    ZM_ASSERT_OK(open_name(spool, "queue/A/1")); /* handles kept open are given up for it */
    while (count > 0)
        close(blocked[--count]);
    setrlimit(RLIMIT_NOFILE, &old);
    zm_spool_close(spool);
}

ZM_TESTS("spool on Unix", ZM_TEST(symbolic_links_are_not_followed),
         ZM_TEST(link_in_the_place_of_a_directory_of_the_spool_is_followed),
         ZM_TEST(fifo_in_the_input_directory_does_not_stop_us),
         ZM_TEST(strangers_hash_directory_is_refused), ZM_TEST(owner_and_mode_are_those_asked_for),
         ZM_TEST(full_disk_leaves_nothing_half_visible),
         ZM_TEST(full_disk_under_an_emulated_spool_passes),
         ZM_TEST(append_that_does_not_fit_is_cut_back), ZM_TEST(open_file_of_a_helper_is_adopted),
         ZM_TEST(opening_survives_running_out_of_descriptors))
