#include "spool/probe.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

#include "platform/fs.h"

static const char *const names[ZM_GUARANTEE_COUNT] = {"publish",  "rename",   "link",
                                                      "identity", "in place", "open survives"};

const char *zm_guarantee_name(zm_guarantee_t guarantee)
{
    return names[guarantee];
}

typedef struct trial_t {
    zm_probe_t *probe;
    zm_file_t *one, *two; /* two directories in the scratch directory */
    apr_pool_t *pool;
} trial_t;

static void conclude(trial_t *trial, zm_guarantee_t guarantee, bool holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    trial->probe->holds[guarantee] = holds;
    apr_vsnprintf(trial->probe->evidence[guarantee], sizeof trial->probe->evidence[guarantee],
                  format, arguments);
    va_end(arguments);
}

/* "text", or why an operation failed, as evidence. */
static void conclude_status(trial_t *trial, zm_guarantee_t guarantee, apr_status_t status,
                            const char *done)
{
    char reason[120];
    if (status == APR_SUCCESS)
        conclude(trial, guarantee, true, "%s", done);
    else
        conclude(trial, guarantee, false, "%s fails: %s", done,
                 zm_status_text(status, reason, sizeof reason));
}

static apr_status_t make_file(trial_t *trial, zm_file_t **file, zm_file_t *at, const char *leaf)
{
    return zm_file_open(file, at, leaf,
                        ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600,
                        trial->pool);
}

static void try_publish(trial_t *trial)
{
    zm_file_t *file;
    apr_status_t status = make_file(trial, &file, trial->one, "publish");
    if (status == APR_SUCCESS) {
        status = zm_file_write_at(file, 0, "x", 1);
        if (status == APR_SUCCESS)
            status = zm_file_sync(file);
        zm_file_close(file);
    }
    if (status != APR_SUCCESS)
        conclude_status(trial, ZM_GUARANTEE_PUBLISH, status, "writing and syncing a file");
    else
        conclude_status(trial, ZM_GUARANTEE_PUBLISH, zm_dir_sync(trial->one),
                        "syncing a file and its directory");
}

static void try_rename(trial_t *trial)
{
    zm_file_t *file;
    zm_file_info_t info;
    apr_status_t status = make_file(trial, &file, trial->one, "a");
    if (status == APR_SUCCESS)
        zm_file_close(file);
    if (status == APR_SUCCESS)
        status = make_file(trial, &file, trial->two, "b");
    if (status == APR_SUCCESS)
        zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_rename(trial->one, "a", trial->two, "a");
    if (status != APR_SUCCESS) {
        conclude_status(trial, ZM_GUARANTEE_RENAME, status, "renaming into another directory");
        return;
    }
    status = zm_file_rename(trial->two, "a", trial->two, "b");
    if (APR_STATUS_IS_EEXIST(status) && zm_path_info(&info, trial->two, "a") == APR_SUCCESS)
        conclude(trial, ZM_GUARANTEE_RENAME, true, "renaming onto an existing name is refused");
    else if (status == APR_SUCCESS)
        conclude(trial, ZM_GUARANTEE_RENAME, false, "renaming overwrote an existing name");
    else
        conclude_status(trial, ZM_GUARANTEE_RENAME, status, "renaming without overwriting");
}

/* Also asks for the link, which one of its two trials needs. */
static void try_identity_and_link(trial_t *trial)
{
    zm_file_info_t made, renamed, linked = {0}, other;
    zm_file_t *file, *second;
    apr_status_t status = make_file(trial, &file, trial->one, "identity");
    if (status == APR_SUCCESS)
        status = zm_file_info(&made, file);
    if (status == APR_SUCCESS)
        status = make_file(trial, &second, trial->one, "second");
    if (status == APR_SUCCESS)
        status = zm_file_info(&other, second);
    if (status == APR_SUCCESS)
        status = zm_file_close(second);
    if (status == APR_SUCCESS)
        status = zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_rename(trial->one, "identity", trial->two, "renamed");
    if (status == APR_SUCCESS)
        status = zm_path_info(&renamed, trial->two, "renamed");
    if (status != APR_SUCCESS) {
        conclude_status(trial, ZM_GUARANTEE_IDENTITY, status, "making and renaming files");
        conclude_status(trial, ZM_GUARANTEE_LINK, status, "making and renaming files");
        return;
    }
    status = zm_file_link(trial->two, "renamed", trial->one, "linked");
    if (status == APR_SUCCESS)
        status = zm_path_info(&linked, trial->one, "linked");
    if (status == APR_SUCCESS && linked.links != 2)
        conclude(trial, ZM_GUARANTEE_LINK, false, "a file with two names says that it has %u",
                 linked.links);
    else
        conclude_status(trial, ZM_GUARANTEE_LINK, status, "giving a file a second name");
    if (made.id == other.id)
        conclude(trial, ZM_GUARANTEE_IDENTITY, false, "two files have the same number");
    else if (made.id != renamed.id)
        conclude(trial, ZM_GUARANTEE_IDENTITY, false, "a rename changed the file's number");
    else if (status == APR_SUCCESS && made.id != linked.id)
        conclude(trial, ZM_GUARANTEE_IDENTITY, false, "a second name has another number");
    else
        conclude(trial, ZM_GUARANTEE_IDENTITY, true, "the file's number survived its renaming");
}

static void try_in_place(trial_t *trial)
{
    zm_file_t *file, *reader;
    char byte = '\0';
    apr_size_t length = 1;
    apr_status_t status = make_file(trial, &file, trial->one, "place");
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 0, "abc", 3);
    if (status == APR_SUCCESS)
        status = zm_file_open(&reader, trial->one, "place", ZM_OPEN_READ, 0, trial->pool);
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 1, "B", 1);
    if (status == APR_SUCCESS)
        status = zm_file_read_at(reader, 1, &byte, &length);
    if (status == APR_SUCCESS && byte != 'B')
        conclude(trial, ZM_GUARANTEE_IN_PLACE, false,
                 "another handle does not see an overwritten byte");
    else
        conclude_status(trial, ZM_GUARANTEE_IN_PLACE, status, "reading an overwritten byte");
}

static void try_open_survives(trial_t *trial)
{
    zm_file_t *file;
    char byte = '\0';
    apr_size_t length = 1;
    apr_status_t status = make_file(trial, &file, trial->one, "open");
    if (status == APR_SUCCESS)
        status = zm_file_write_at(file, 0, "x", 1);
    if (status == APR_SUCCESS)
        status = zm_file_unlink(trial->one, "open");
    if (status == APR_SUCCESS)
        status = zm_file_read_at(file, 0, &byte, &length);
    conclude_status(trial, ZM_GUARANTEE_OPEN, status, "reading a file whose name was removed");
}

static void sweep(zm_file_t *directory, apr_pool_t *pool)
{
    zm_dir_t *entries;
    const char *leaf;
    if (zm_dir_open(&entries, directory, ".", pool) != APR_SUCCESS)
        return;
    while (zm_dir_next(entries, &leaf, NULL) == APR_SUCCESS)
        zm_file_unlink(directory, leaf);
    zm_dir_close(entries);
}

/* The files are closed before the sweep: some filesystems hide open ones that were removed, and
 * only then let go. */
static apr_status_t try_all(trial_t *trial, apr_pool_t *pool)
{
    apr_status_t status = apr_pool_create(&trial->pool, pool);
    if (status != APR_SUCCESS)
        return status;
    try_publish(trial);
    try_rename(trial);
    try_identity_and_link(trial);
    try_in_place(trial);
    try_open_survives(trial);
    apr_pool_destroy(trial->pool);
    return APR_SUCCESS;
}

apr_status_t zm_probe(zm_probe_t *probe, const char *directory, apr_pool_t *parent,
                      zm_error_t *error)
{
    trial_t trial = {.probe = probe};
    zm_file_t *scratch;
    apr_pool_t *pool;
    const char *path;
    apr_uint32_t number = 0;
    apr_status_t status = apr_pool_create(&pool, parent);
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot examine %s", directory);
    memset(probe, 0, sizeof *probe);
    apr_generate_random_bytes((unsigned char *)&number, sizeof number);
    path = apr_psprintf(pool, "%s/.probe-%08x", directory, number);
    status = zm_dir_make(NULL, path, 0700);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&scratch, NULL, path, pool);
    if (status == APR_SUCCESS)
        status = zm_dir_make(scratch, "one", 0700);
    if (status == APR_SUCCESS)
        status = zm_dir_make(scratch, "two", 0700);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&trial.one, scratch, "one", pool);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&trial.two, scratch, "two", pool);
    if (status == APR_SUCCESS)
        status = try_all(&trial, pool);
    if (status == APR_SUCCESS) {
        sweep(trial.one, pool);
        sweep(trial.two, pool);
        zm_file_close(trial.one);
        zm_file_close(trial.two);
        zm_dir_remove(scratch, "one");
        zm_dir_remove(scratch, "two");
        zm_file_close(scratch);
    } else {
        zm_error_system(error, status, "cannot try out the directory %s", directory);
    }
    zm_dir_remove(NULL, path);
    apr_pool_destroy(pool);
    return status;
}

apr_status_t zm_probe_native(const char *directory, apr_pool_t *pool, zm_error_t *error)
{
    zm_probe_t probe = {0};
    int i;
    apr_status_t status = zm_probe(&probe, directory, pool, error);
    if (status != APR_SUCCESS)
        return status;
    for (i = 0; i < ZM_GUARANTEE_COUNT; i++)
        if (!probe.holds[i])
            return zm_error_set(error, ZM_E_UNSUPPORTED,
                                "%s cannot hold a native spool: the guarantee \"%s\" fails (%s)",
                                directory, names[i], probe.evidence[i]);
    return APR_SUCCESS;
}
