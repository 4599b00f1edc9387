#include "mta/db/aliasfile.h"

#include <apr_strings.h>
#include <stdio.h>

#include "mta/db/build.h"
#include "mta/db/joined.h"
#include "mta/db/names.h"
#include "platform/fs.h"

/* A file and its private part in one. */
static apr_status_t join(const zm_aliasfile_t *file, const char *private, const char *all,
                         apr_pool_t *pool)
{
    zm_buf_t text = ZM_BUF_INIT;
    zm_file_info_t owner, secret;
    char *open_part, *private_part;
    apr_size_t open_length, private_length;
    apr_status_t status = zm_joined_read(&open_part, &open_length, &owner, file->path, pool);
    if (status == APR_SUCCESS)
        status = zm_joined_read(&private_part, &private_length, &secret, private, pool);
    if (status != APR_SUCCESS)
        return status;
    zm_buf_printf(&text, "# Made from %s\n# and %s; changes here are lost.\n", file->path, private);
    zm_buf_add(&text, open_part, open_length);
    if (open_length > 0 && open_part[open_length - 1] != '\n')
        zm_buf_add_byte(&text, '\n');
    zm_buf_add(&text, private_part, private_length);
    /* it belongs to the owner of PATH and is as secret as PATH.private */
    status = zm_joined_write(all, zm_buf_str(&text), &owner, owner.mode & secret.mode & 0644, pool);
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
