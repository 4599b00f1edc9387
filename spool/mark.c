#include "spool/mark.h"

#include <apr_strings.h>
#include <string.h>

#include "platform/fs.h"
#include "spool/layout.h"

#define MARK_FILE ".engine"
#define MARK_LIMIT 4096
#define MARK_FORMAT 1

static const char *below(const char *location, const char *leaf, apr_pool_t *pool)
{
    return apr_pstrcat(pool, location, "/", leaf, NULL);
}

static apr_status_t parse(const char **engine, zm_str_t text, const char *path, apr_pool_t *pool,
                          zm_error_t *error)
{
    zm_str_t line, word, key;
    uint64_t format = 0;
    zm_str_cut(text, '\n', &line, &text);
    if (!zm_str_word(&line, &key) || !zm_str_equal_c(key, "zmailer-spool") ||
        !zm_str_word(&line, &word) || zm_str_u64(word, &format) != APR_SUCCESS)
        return zm_error_set(
            error, ZM_E_CORRUPT,
            "%s does not start with \"zmailer-spool %d\"; it must be two lines, this and "
            "\"engine native\" or \"engine emulated\"",
            path, MARK_FORMAT);
    if (format > MARK_FORMAT)
        return zm_error_set(
            error, ZM_E_UNSUPPORTED,
            "%s says that the spool was made by a newer version (format %u, known is %d); use "
            "that version, or a spool of its own for this one",
            path, (unsigned)format, MARK_FORMAT);
    while (text.length > 0) {
        zm_str_cut(text, '\n', &line, &text);
        if (zm_str_word(&line, &key) && zm_str_equal_c(key, "engine") &&
            zm_str_word(&line, &word)) {
            *engine = zm_str_c(pool, word);
            return APR_SUCCESS;
        }
    }
    return zm_error_set(error, ZM_E_CORRUPT,
                        "%s names no engine; its second line must be \"engine native\" or \"engine "
                        "emulated\"",
                        path);
}

apr_status_t zm_mark_read(const char **engine, const char *location, apr_pool_t *pool,
                          zm_error_t *error)
{
    const char *path = below(location, MARK_FILE, pool);
    char *data;
    apr_size_t length;
    apr_status_t status = zm_file_slurp(&data, &length, path, MARK_LIMIT, pool);
    *engine = NULL;
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(error, status, "cannot read %s", path);
    return parse(engine, zm_str_of(data, length), path, pool, error);
}

static apr_status_t write_file(const char *path, const char *text, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t closed,
        status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0644, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text, strlen(text));
    if (status == APR_SUCCESS)
        status = zm_file_sync(file);
    closed = zm_file_close(file);
    return status != APR_SUCCESS ? status : closed;
}

apr_status_t zm_mark_write(const char *location, const char *engine, apr_pool_t *pool,
                           zm_error_t *error)
{
    const char *path = below(location, MARK_FILE, pool);
    const char *fresh = below(location, MARK_FILE ".new", pool);
    zm_file_t *directory;
    apr_status_t status = write_file(
        fresh, apr_psprintf(pool, "zmailer-spool %d\nengine %s\n", MARK_FORMAT, engine), pool);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, fresh, NULL, path);
    if (status == APR_SUCCESS)
        status = zm_dir_handle(&directory, NULL, below(location, ".", pool), pool);
    if (status == APR_SUCCESS) {
        status = zm_dir_sync(directory);
        zm_file_close(directory);
    }
    if (status != APR_SUCCESS && status != ZM_E_UNSUPPORTED)
        return zm_error_system(error, status, "cannot write %s", path);
    return APR_SUCCESS;
}

/* -- spools within spools ------------------------------------------------------------------ */

#define ANCESTORS 64

static bool has(const char *directory, const char *leaf, apr_pool_t *pool)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, below(directory, leaf, pool)) == APR_SUCCESS;
}

/* The nearest directory of a path that is there. */
static const char *nearest(const char *location, apr_pool_t *pool)
{
    char *path = apr_pstrdup(pool, location);
    while (!has(path, ".", pool)) {
        apr_size_t length = strlen(path);
        while (length > 0 && strchr("/\\", path[length - 1]) == NULL)
            length--;
        if (length <= 1)
            return length == 0 ? "." : "/";
        path[length - 1] = '\0';
    }
    return path;
}

apr_status_t zm_mark_check_outside(const char *location, apr_pool_t *pool, zm_error_t *error)
{
    const char *path = nearest(location, pool);
    zm_file_info_t info, above;
    int i;
    for (i = 0; i < ANCESTORS; i++) {
        const char *parent = below(path, "..", pool);
        if (has(path, MARK_FILE, pool) ||
            (has(path, ZM_DIR_ROUTER, pool) && has(path, ZM_DIR_QUEUE, pool) &&
             has(path, ZM_DIR_TRANSPORT, pool)))
            return zm_error_set(error, ZM_E_CONFIG,
                                "%s lies within a spool, which would take its files for its own; "
                                "name a directory outside of it",
                                location);
        if (zm_path_info(&info, NULL, below(path, ".", pool)) != APR_SUCCESS ||
            zm_path_info(&above, NULL, parent) != APR_SUCCESS ||
            (info.id == above.id && info.device == above.device))
            break;
        path = parent;
    }
    return APR_SUCCESS;
}

/* -- permissions ----------------------------------------------------------------- */

static apr_status_t check_directory(const char *location, const zm_layout_directory_t *wanted,
                                    apr_pool_t *pool, zm_error_t *error)
{
    const char *path = below(location, wanted->name, pool);
    bool open_to_all = (wanted->mode & 0002) != 0;
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, NULL, path);
    if (status != APR_SUCCESS)
        return zm_error_system(error, APR_STATUS_IS_ENOENT(status) ? ZM_E_CONFIG : status,
                               "the spool directory %s is missing; make it with \"zmailer init\"",
                               path);
    if (info.kind == ZM_FILE_SYMLINK &&
        !open_to_all) /* an administrator's choice, e.g. of another disk */
        status = zm_path_info(&info, NULL, apr_pstrcat(pool, path, "/.", NULL));
    if (status != APR_SUCCESS || info.kind != ZM_FILE_DIRECTORY)
        return zm_error_set(error, ZM_E_UNSAFE, "%s in the spool is not a directory", path);
    if ((info.mode & 0002) != 0 && !open_to_all)
        return zm_error_set(
            error, ZM_E_UNSAFE,
            "the spool directory %s can be changed by everybody (mode %04o); chmod it to %04o",
            path, info.mode, wanted->mode);
    if ((info.mode & 0002) != 0 && (info.mode & 01000) == 0)
        return zm_error_set(
            error, ZM_E_UNSAFE,
            "the spool directory %s lets everybody remove the files of others (mode %04o, no "
            "sticky bit); chmod it to %04o",
            path, info.mode, wanted->mode);
    return APR_SUCCESS;
}

apr_status_t zm_mark_check_root(const char *location, apr_pool_t *pool, zm_error_t *error)
{
    zm_file_info_t info;
    apr_status_t status = zm_path_info(&info, NULL, below(location, ".", pool));
    if (status != APR_SUCCESS)
        return zm_error_system(error, APR_STATUS_IS_ENOENT(status) ? ZM_E_CONFIG : status,
                               "there is no spool at %s", location);
    if (info.kind != ZM_FILE_DIRECTORY)
        return zm_error_set(error, ZM_E_CONFIG, "the spool %s is not a directory", location);
    if ((info.mode & 0002) != 0)
        return zm_error_set(
            error, ZM_E_UNSAFE,
            "the spool %s can be changed by everybody (mode %04o); chmod it to 2755", location,
            info.mode);
    return APR_SUCCESS;
}

apr_status_t zm_mark_check_directories(const char *location, apr_pool_t *pool, zm_error_t *error)
{
    const zm_layout_directory_t *wanted;
    apr_status_t status = zm_mark_check_root(location, pool, error);
    for (wanted = zm_layout_directories; status == APR_SUCCESS && wanted->name != NULL; wanted++)
        status = check_directory(location, wanted, pool, error);
    return status;
}
