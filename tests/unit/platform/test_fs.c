#include "platform/fs.h"

#include <apr_strings.h>

#include "tests/unit/harness.h"

#define NEW (ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE)

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static zm_file_t *open_file(const char *name, int flags)
{
    zm_file_t *file = NULL;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below(name), flags, 0644, zm_test_pool()));
    return file;
}

static void write_file(const char *name, const char *text)
{
    zm_file_t *file = open_file(name, NEW);
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
}

static const char *read_file(const char *name)
{
    char *data = NULL;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, below(name), 10000, zm_test_pool()));
    return data;
}

static bool exists(const char *name)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, below(name)) == APR_SUCCESS;
}

/* -- open ---------------------------------------------------------------------- */

static void exclusive_create_refuses_an_existing_name(void)
{
    zm_file_t *file;
    write_file("a", "x");
    CU_ASSERT_TRUE(
        APR_STATUS_IS_EEXIST(zm_file_open(&file, NULL, below("a"), NEW, 0644, zm_test_pool())));
    ZM_ASSERT_STR(read_file("a"), "x");
}

static void create_opens_what_is_there(void)
{
    zm_file_t *file;
    char byte;
    apr_size_t length = 1;
    write_file("a", "x");
    file = open_file("a", ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE);
    ZM_ASSERT_OK(zm_file_read_at(file, 0, &byte, &length));
    CU_ASSERT_EQUAL(byte, 'x');
}

static void absent_file_is_enoent(void)
{
    zm_file_t *file;
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(
        zm_file_open(&file, NULL, below("a"), ZM_OPEN_READ, 0, zm_test_pool())));
}

static void truncate_flag_empties(void)
{
    write_file("a", "xyz");
    ZM_ASSERT_OK(zm_file_close(open_file("a", ZM_OPEN_WRITE | ZM_OPEN_TRUNCATE)));
    ZM_ASSERT_STR(read_file("a"), "");
}

static void directory_handles_are_bases_of_names(void)
{
    zm_file_t *directory, *file;
    zm_file_info_t info;
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d"), 0755));
    ZM_ASSERT_OK(zm_dir_handle(&directory, NULL, below("d"), zm_test_pool()));
    ZM_ASSERT_OK(zm_file_open(&file, directory, "a", NEW, 0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_close(file));
    ZM_ASSERT_OK(zm_path_info(&info, directory, "a"));
    CU_ASSERT_TRUE(exists("d/a"));
    ZM_ASSERT_OK(zm_file_rename(directory, "a", NULL, below("b")));
    CU_ASSERT_TRUE(exists("b"));
    ZM_ASSERT_OK(zm_file_link(NULL, below("b"), directory, "c"));
    ZM_ASSERT_OK(zm_file_replace(NULL, below("b"), directory, "c2"));
    ZM_ASSERT_OK(zm_file_unlink(directory, "c"));
    ZM_ASSERT_OK(zm_file_unlink(directory, "c2"));
    ZM_ASSERT_OK(zm_dir_sync(directory));
}

/* -- reading and writing ----------------------------------------------------------- */

static void reads_and_writes_at_offsets(void)
{
    zm_file_t *file = open_file("a", NEW);
    char text[10];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "hello", 5));
    ZM_ASSERT_OK(zm_file_write_at(file, 1, "a", 1));
    ZM_ASSERT_OK(zm_file_read_at(file, 0, text, &length));
    CU_ASSERT_EQUAL(length, 5);
    CU_ASSERT_EQUAL(memcmp(text, "hallo", 5), 0);
    length = sizeof text;
    CU_ASSERT_EQUAL(zm_file_read_at(file, 5, text, &length), APR_EOF);
    CU_ASSERT_EQUAL(length, 0);
}

static void append_goes_to_the_end_whoever_wrote_last(void)
{
    zm_file_t *one = open_file("a", ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND);
    zm_file_t *two = open_file("a", ZM_OPEN_WRITE | ZM_OPEN_APPEND);
    ZM_ASSERT_OK(zm_file_append(one, "1", 1));
    ZM_ASSERT_OK(zm_file_append(two, "2", 1));
    ZM_ASSERT_OK(zm_file_append(one, "3", 1));
    ZM_ASSERT_STR(read_file("a"), "123");
    CU_ASSERT_EQUAL(zm_file_write_at(one, 0, "x", 1), APR_EINVAL);
    CU_ASSERT_EQUAL(zm_file_append(open_file("b", NEW), "x", 1), APR_EINVAL);
}

static void sync_and_truncate_work(void)
{
    zm_file_t *file = open_file("a", NEW);
    apr_status_t status;
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "hello", 5));
    ZM_ASSERT_OK(zm_file_truncate(file, 2));
    ZM_ASSERT_OK(zm_file_sync(file));
    status = zm_file_sync_all(file);
    CU_ASSERT_TRUE(status == APR_SUCCESS || status == ZM_E_UNSUPPORTED);
    ZM_ASSERT_STR(read_file("a"), "he");
}

static void slurp_keeps_to_its_limit(void)
{
    char *data;
    apr_size_t length;
    write_file("a", "12345");
    ZM_ASSERT_OK(zm_file_slurp(&data, &length, below("a"), 5, zm_test_pool()));
    CU_ASSERT_EQUAL(length, 5);
    CU_ASSERT_EQUAL(data[5], '\0');
    CU_ASSERT_EQUAL(zm_file_slurp(&data, &length, below("a"), 4, zm_test_pool()), ZM_E_LIMIT);
    CU_ASSERT_TRUE(
        APR_STATUS_IS_ENOENT(zm_file_slurp(&data, &length, below("b"), 4, zm_test_pool())));
}

/* -- names ---------------------------------------------------------------------------- */

static void rename_keeps_identity(void)
{
    zm_file_info_t before, after;
    write_file("a", "x");
    ZM_ASSERT_OK(zm_path_info(&before, NULL, below("a")));
    ZM_ASSERT_OK(zm_file_rename(NULL, below("a"), NULL, below("b")));
    ZM_ASSERT_OK(zm_path_info(&after, NULL, below("b")));
    CU_ASSERT_EQUAL(before.id, after.id);
    CU_ASSERT_EQUAL(before.device, after.device);
    CU_ASSERT_FALSE(exists("a"));
}

static void rename_never_overwrites(void)
{
    write_file("a", "new");
    write_file("b", "old");
    CU_ASSERT_TRUE(APR_STATUS_IS_EEXIST(zm_file_rename(NULL, below("a"), NULL, below("b"))));
    ZM_ASSERT_STR(read_file("a"), "new");
    ZM_ASSERT_STR(read_file("b"), "old");
}

static void replace_overwrites(void)
{
    write_file("a", "new");
    write_file("b", "old");
    ZM_ASSERT_OK(zm_file_replace(NULL, below("a"), NULL, below("b")));
    ZM_ASSERT_STR(read_file("b"), "new");
    CU_ASSERT_FALSE(exists("a"));
}

static void link_adds_a_name_of_the_same_object(void)
{
    zm_file_info_t one, two;
    write_file("a", "x");
    ZM_ASSERT_OK(zm_file_link(NULL, below("a"), NULL, below("b")));
    ZM_ASSERT_OK(zm_path_info(&one, NULL, below("a")));
    ZM_ASSERT_OK(zm_path_info(&two, NULL, below("b")));
    CU_ASSERT_EQUAL(one.id, two.id);
    CU_ASSERT_EQUAL(one.links, 2);
    CU_ASSERT_TRUE(APR_STATUS_IS_EEXIST(zm_file_link(NULL, below("a"), NULL, below("b"))));
}

static void open_file_survives_unlink(void)
{
    zm_file_t *file;
    char text[8];
    apr_size_t length = sizeof text;
    write_file("a", "still");
    file = open_file("a", ZM_OPEN_READ | ZM_OPEN_SHARED_DELETE);
    ZM_ASSERT_OK(zm_file_unlink(NULL, below("a")));
    ZM_ASSERT_OK(zm_file_read_at(file, 0, text, &length));
    CU_ASSERT_EQUAL(memcmp(text, "still", 5), 0);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(zm_file_unlink(NULL, below("a"))));
}

static void info_tells_size_kind_and_time(void)
{
    zm_file_t *file = open_file("a", NEW);
    zm_file_info_t info;
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "12345", 5));
    ZM_ASSERT_OK(zm_file_set_mtime(file, 1700000000, 123456700));
    ZM_ASSERT_OK(zm_file_info(&info, file));
    CU_ASSERT_EQUAL(info.size, 5);
    CU_ASSERT_EQUAL(info.kind, ZM_FILE_REGULAR);
    CU_ASSERT_EQUAL(info.mtime_s, 1700000000);
    CU_ASSERT_EQUAL(info.mtime_ns, 123456700);
    CU_ASSERT_EQUAL(info.links, 1);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, zm_test_directory()));
    CU_ASSERT_EQUAL(info.kind, ZM_FILE_DIRECTORY);
}

/* -- directories ----------------------------------------------------------------------- */

static void listing_names_each_entry_once(void)
{
    zm_dir_t *directory;
    const char *name;
    zm_file_kind_t kind;
    int files = 0, directories = 0;
    apr_status_t status;
    write_file("a", "");
    write_file("b", "");
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d"), 0755));
    ZM_ASSERT_OK(zm_dir_open(&directory, NULL, zm_test_directory(), zm_test_pool()));
    while ((status = zm_dir_next(directory, &name, &kind)) == APR_SUCCESS) {
        files += kind == ZM_FILE_REGULAR;
        directories += kind == ZM_FILE_DIRECTORY;
        CU_ASSERT_NOT_EQUAL(name[0], '.');
    }
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOENT(status));
    zm_dir_close(directory);
    CU_ASSERT_EQUAL(files, 2);
    CU_ASSERT_EQUAL(directories, 1);
}

static void make_all_creates_missing_parents(void)
{
    ZM_ASSERT_OK(zm_dir_make_all(below("x/y//z/"), 0755, zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make_all(below("x/y/z"), 0755, zm_test_pool()));
    CU_ASSERT_TRUE(exists("x/y/z"));
    write_file("x/f", "");
    CU_ASSERT_TRUE(zm_dir_make_all(below("x/f"), 0755, zm_test_pool()) != APR_SUCCESS);
    CU_ASSERT_TRUE(zm_dir_make_all(below("x/f/g"), 0755, zm_test_pool()) != APR_SUCCESS);
    CU_ASSERT_TRUE(APR_STATUS_IS_EEXIST(zm_dir_make(NULL, below("x"), 0755)));
    CU_ASSERT_TRUE(zm_dir_remove(NULL, below("x/y")) != APR_SUCCESS);
    ZM_ASSERT_OK(zm_dir_remove(NULL, below("x/y/z")));
}

static void free_space_is_told(void)
{
    uint64_t bytes = 0, inodes = 0;
    ZM_ASSERT_OK(zm_fs_free_space(&bytes, &inodes, zm_test_directory()));
    CU_ASSERT_TRUE(bytes > 0);
    CU_ASSERT_TRUE(inodes > 0);
    CU_ASSERT_TRUE(zm_fs_free_space(&bytes, &inodes, below("none")) != APR_SUCCESS);
}

/* -- locks --------------------------------------------------------------------------------- */

static void lock_belongs_to_the_open_file(void)
{
    zm_file_t *one = open_file("a", NEW), *two = open_file("a", ZM_OPEN_READ | ZM_OPEN_WRITE);
    bool held = true;
    ZM_ASSERT_OK(zm_file_write_at(one, 0, "0123456789", 10));
    ZM_ASSERT_OK(zm_file_lock(one, 2, 1, false));
    CU_ASSERT_EQUAL(zm_file_lock(two, 2, 1, false), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_file_lock(two, 3, 1, false));
    ZM_ASSERT_OK(zm_file_locked(&held, two, 2, 1));
    CU_ASSERT_TRUE(held);
    ZM_ASSERT_OK(zm_file_unlock(one, 2, 1));
    ZM_ASSERT_OK(zm_file_locked(&held, two, 2, 1));
    CU_ASSERT_FALSE(held);
    ZM_ASSERT_OK(zm_file_lock(one, 2, 1, false));
    ZM_ASSERT_OK(zm_file_close(one));
    ZM_ASSERT_OK(zm_file_lock(two, 2, 1, false));
}

static void whole_locks_are_shared_or_exclusive(void)
{
    zm_file_t *one = open_file("a", NEW), *two = open_file("a", ZM_OPEN_READ | ZM_OPEN_WRITE);
    ZM_ASSERT_OK(zm_file_lock_whole(one, false, false));
    ZM_ASSERT_OK(zm_file_lock_whole(two, false, false));
    ZM_ASSERT_OK(zm_file_close(two));
    two = open_file("a", ZM_OPEN_READ | ZM_OPEN_WRITE);
    CU_ASSERT_EQUAL(zm_file_lock_whole(two, true, false), ZM_E_BUSY);
    ZM_ASSERT_OK(zm_file_close(one));
    ZM_ASSERT_OK(zm_file_lock_whole(two, true, true));
}

ZM_TESTS("fs", ZM_TEST(exclusive_create_refuses_an_existing_name),
         ZM_TEST(create_opens_what_is_there), ZM_TEST(absent_file_is_enoent),
         ZM_TEST(truncate_flag_empties), ZM_TEST(directory_handles_are_bases_of_names),
         ZM_TEST(reads_and_writes_at_offsets), ZM_TEST(append_goes_to_the_end_whoever_wrote_last),
         ZM_TEST(sync_and_truncate_work), ZM_TEST(slurp_keeps_to_its_limit),
         ZM_TEST(rename_keeps_identity), ZM_TEST(rename_never_overwrites),
         ZM_TEST(replace_overwrites), ZM_TEST(link_adds_a_name_of_the_same_object),
         ZM_TEST(open_file_survives_unlink), ZM_TEST(info_tells_size_kind_and_time),
         ZM_TEST(listing_names_each_entry_once), ZM_TEST(make_all_creates_missing_parents),
         ZM_TEST(free_space_is_told), ZM_TEST(lock_belongs_to_the_open_file),
         ZM_TEST(whole_locks_are_shared_or_exclusive))
