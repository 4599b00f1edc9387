#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/setup.h"
#include "mta/admin/spool_commands.h"
#include "platform/fs.h"

#define FILE_LIMIT (64u << 20)

void setup_tell(setup_t *setup, const char *path, const char *state, const char *detail)
{
    bool news = strcmp(state, "kept") != 0;
    setup->changed += news && strcmp(state, "yours") != 0;
    if (setup->options->json) {
        printf("%s{\"path\":", setup->told++ > 0 ? ",\n " : "");
        spool_json_string(path);
        spool_json_text("state", state);
        if (detail != NULL)
            spool_json_text("detail", detail);
        printf("}");
    } else if (news && !setup->options->quiet) {
        printf("%-8s %s%s%s\n", state, path, detail != NULL ? ": " : "",
               detail != NULL ? detail : "");
    }
}

apr_status_t setup_read(setup_t *setup, const char *path, zm_buf_t *text)
{
    apr_size_t length;
    char *data;
    apr_status_t status;
    zm_buf_clear(text);
    status = zm_file_slurp(&data, &length, path, FILE_LIMIT, setup->pool);
    if (APR_STATUS_IS_ENOENT(status))
        return APR_SUCCESS;
    if (status != APR_SUCCESS)
        return zm_error_system(setup->error, status, "cannot read %s", path);
    zm_buf_add(text, data, length);
    return APR_SUCCESS;
}

/* Beside it first, so that a crash leaves the old one or the new one. */
static apr_status_t replace(setup_t *setup, const char *path, const zm_file_info_t *old,
                            uint32_t mode, zm_str_t text)
{
    const char *scratch = apr_pstrcat(setup->pool, path, ".new", NULL);
    zm_file_t *file;
    apr_status_t status, closed;
    (void)zm_file_unlink(NULL, scratch);
    status = zm_file_open(&file, NULL, scratch, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE,
                          old != NULL ? old->mode : mode, setup->pool);
    if (status == APR_SUCCESS) {
        if (old != NULL)
            (void)zm_file_set_owner(file, old->uid, old->gid);
        status = zm_file_write_at(file, 0, text.data, text.length);
        if (status == APR_SUCCESS)
            status = zm_file_sync(file);
        closed = zm_file_close(file);
        if (status == APR_SUCCESS)
            status = closed;
        if (status == APR_SUCCESS)
            status = zm_file_replace(NULL, scratch, NULL, path);
        if (status != APR_SUCCESS)
            (void)zm_file_unlink(NULL, scratch);
    }
    return status;
}

apr_status_t setup_write(setup_t *setup, const char *path, uint32_t mode, zm_str_t text)
{
    zm_buf_t before = ZM_BUF_INIT;
    zm_file_info_t info;
    bool there = zm_path_info(&info, NULL, path) == APR_SUCCESS, same;
    apr_status_t status = APR_SUCCESS;
    if (there && info.kind != ZM_FILE_REGULAR)
        return zm_error_set(setup->error, ZM_E_UNSAFE,
                            "%s is no plain file; replace it by one, or change it by hand", path);
    if (there)
        status = setup_read(setup, path, &before);
    same = there && status == APR_SUCCESS && zm_str_equal(zm_buf_str(&before), text);
    zm_buf_free(&before);
    if (status != APR_SUCCESS)
        return status;
    if (!same && !setup->options->dry_run)
        status = replace(setup, path, there ? &info : NULL, mode, text);
    if (status != APR_SUCCESS)
        return zm_error_system(setup->error, status, "cannot write %s", path);
    setup_tell(setup, path, same ? "kept" : there ? "changed" : "made", NULL);
    return APR_SUCCESS;
}

apr_status_t setup_directory(setup_t *setup, const char *path, uint32_t mode)
{
    zm_file_info_t info;
    apr_status_t status;
    if (zm_path_info(&info, NULL, apr_pstrcat(setup->pool, path, "/.", NULL)) == APR_SUCCESS) {
        setup_tell(setup, path, "kept", NULL);
        return APR_SUCCESS;
    }
    if (!setup->options->dry_run &&
        (status = zm_dir_make_all(path, mode, setup->pool)) != APR_SUCCESS)
        return zm_error_system(setup->error, status, "cannot make the directory %s", path);
    setup_tell(setup, path, "made", NULL);
    return APR_SUCCESS;
}

/* -- lines --------------------------------------------------------------------------------- */

void setup_set_line(zm_buf_t *text, const char *begin, const char *line)
{
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t all = zm_buf_str(text), rest = all, piece, last = {0};
    while (rest.length > 0) {
        zm_str_cut(rest, '\n', &piece, &rest);
        if (zm_str_starts(zm_str_trim(piece), zm_str(begin)))
            last = piece;
        if (piece.data + piece.length >= all.data + all.length)
            break;
    }
    if (last.data != NULL) {
        const char *end = last.data + last.length;
        zm_buf_add(&out, all.data, (apr_size_t)(last.data - all.data));
        if (line != NULL)
            zm_buf_printf(&out, "%s\n", line);
        if (end < all.data + all.length)
            end++;
        zm_buf_add(&out, end, (apr_size_t)(all.data + all.length - end));
    } else {
        zm_buf_add_str(&out, all);
        if (line != NULL)
            zm_buf_printf(&out, "%s%s\n",
                          all.length > 0 && all.data[all.length - 1] != '\n' ? "\n" : "", line);
    }
    zm_buf_clear(text);
    zm_buf_add_str(text, zm_buf_str(&out));
    zm_buf_free(&out);
}

bool setup_has_line(zm_str_t text, const char *line)
{
    zm_str_t piece;
    bool more = true;
    while (more) {
        more = zm_str_cut(text, '\n', &piece, &text);
        if (zm_str_equal_nocase(zm_str_trim(piece), zm_str(line)))
            return true;
    }
    return false;
}
