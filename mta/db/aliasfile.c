#include "mta/db/aliasfile.h"

#include <apr_strings.h>
#include <stdio.h>

#include "mta/db/build.h"
#include "mta/db/names.h"
#include "platform/fs.h"

#define SOURCE_LIMIT (1u << 30)

static apr_status_t slurp(char **text, apr_size_t *length, zm_file_info_t *info, const char *path,
                          apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(info, file);
    if (status == APR_SUCCESS)
        status = zm_file_slurp_file(text, length, file, SOURCE_LIMIT, pool);
    zm_file_close(file);
    return status;
}

/* Writes PATH.all anew: it belongs to the owner of PATH and is as secret as PATH.private. */
static apr_status_t write_all(const char *all, const zm_buf_t *text, const zm_file_info_t *owner,
                              const zm_file_info_t *secret, apr_pool_t *pool)
{
    const char *made = apr_pstrcat(pool, all, ".new", NULL);
    zm_file_t *file;
    apr_status_t status;
    (void)zm_file_unlink(NULL, made);
    status =
        zm_file_open(&file, NULL, made,
                     ZM_OPEN_WRITE | ZM_OPEN_READ | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_write_at(file, 0, text->data, text->length);
    if (status == APR_SUCCESS && zm_identity_privileged())
        status = zm_file_set_owner(file, owner->uid, owner->gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(file, owner->mode & secret->mode & 0644);
    zm_file_close(file);
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, made, NULL, all);
    return status;
}

/* A file and its private part in one. */
static apr_status_t join(const zm_aliasfile_t *file, const char *private, const char *all,
                         apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_file_info_t owner, secret;
    char *open_part, *private_part;
    apr_size_t open_length, private_length;
    apr_status_t status = slurp(&open_part, &open_length, &owner, file->path, pool);
    if (status == APR_SUCCESS)
        status = slurp(&private_part, &private_length, &secret, private, pool);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_printf(&text, "# Made from %s\n# and %s; changes here are lost.\n", file->path, private);
    zm_buf_add(&text, open_part, open_length);
    if (open_length > 0 && open_part[open_length - 1] != '\n')
        zm_buf_add_byte(&text, '\n');
    zm_buf_add(&text, private_part, private_length);
    status = write_all(all, &text, &owner, &secret, pool);
    zm_buf_free(&text);
    return status;
}

static bool exists(const char *path)
{
    zm_file_info_t info;
    return zm_path_info(&info, NULL, path) == APR_SUCCESS;
}

int zm_aliasfile_compile(const zm_aliasfile_t *file, const zm_zenv_t *zenv, apr_pool_t *pool)
{
    zm_build_t build = {.program = file->program,
                        .type = zm_db_site_type(zenv),
                        .source = file->path,
                        .shown = file->path,
                        .aliases = true,
                        .lower = true,
                        .silent = file->silent,
                        .verbose = file->verbose,
                        .if_newer = file->if_newer,
                        .mode = -1};
    const char *private = apr_pstrcat(pool, file->path, ".private", NULL);
    int code;
    if (file->optional && !exists(file->path))
        return 0;
    if (exists(private)) {
        zm_error_t error;
        apr_status_t status;
        build.source = apr_pstrcat(pool, file->path, ".all", NULL);
        build.if_newer = false; /* PATH.all is always newer */
        status = join(file, private, build.source, pool);
        if (status != APR_SUCCESS) {
            zm_error_system(&error, status, "cannot write %s", build.source);
            fprintf(stderr, "%s: %s\n", file->program, error.text);
            return 73;
        }
    }
    if (!zm_db_is_compiled(build.type)) {
        fprintf(stderr, "%s: DBTYPE %s is no type of compiled database; try sqlite\n",
                file->program, build.type);
        return 78;
    }
    build.database = apr_pstrcat(pool, file->path, zm_db_suffix(build.type, zenv), NULL);
    if (!build.silent) {
        printf("%s: ", file->path);
        fflush(stdout);
    }
    code = zm_build(&build, pool);
    if (code == ZM_BUILD_CURRENT && !build.silent)
        puts("is current");
    return code == ZM_BUILD_CURRENT ? 0 : code;
}
