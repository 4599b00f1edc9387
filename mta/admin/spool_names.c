#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/admin/spool_commands.h"
#include "spool/layout.h"

#define PIECE 65536

/* Both ends of a pair belong to the scheduler while it runs. */
static bool may_touch(spool_command_t *command, zm_spool_t *spool, const char *name, int *code)
{
    const char *user;
    zm_name_t parts;
    if (command->force || zm_layout_parse(&parts, zm_str(name)) != APR_SUCCESS ||
        (!zm_str_equal_c(parts.directory, ZM_DIR_QUEUE) &&
         !zm_str_equal_c(parts.directory, ZM_DIR_TRANSPORT)) ||
        (user = spool_user(command, zm_spool_location(spool))) == NULL)
        return true;
    fprintf(
        stderr,
        "zmailer: %s is not touched: %s is running on this spool; stop it first, or say --force\n",
        name, user);
    *code = SPOOL_TEMPFAIL;
    return false;
}

/* -- mkdir --------------------------------------------------------------------------------- */

int spool_mkdir(spool_command_t *command)
{
    const char *directory = command->argv[0];
    int code = 0;
    apr_status_t status;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    /* Where mail comes in everybody may make names, which the sticky bit keeps his own. */
    status = zm_spool_make_directory(
        spool, directory,
        strncmp(directory, ZM_DIR_ROUTER, strlen(ZM_DIR_ROUTER)) == 0 ? 03777 : 02750);
    if (status != APR_SUCCESS)
        code = spool_fail_status(status, "make", directory);
    zm_spool_close(spool);
    return code;
}

/* -- put ----------------------------------------------------------------------------------- */

static apr_status_t take_input(zm_object_t *object)
{
    static char piece[PIECE];
    apr_size_t length;
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && (length = fread(piece, 1, sizeof piece, stdin)) > 0)
        status = zm_object_write(object, piece, length);
    return status == APR_SUCCESS && ferror(stdin) ? APR_EGENERAL : status;
}

/* It gets a name in public/ first, where nobody looks, and is durable then. */
static apr_status_t make_object(zm_spool_t *spool, const char *directory, zm_published_t *published,
                                apr_pool_t *pool)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE};
    zm_target_t target = {.directory = directory};
    zm_object_t *object;
    apr_status_t status = zm_object_create(&object, spool, &create);
    if (status != APR_SUCCESS)
        return status;
    status = take_input(object);
    if (status == APR_SUCCESS)
        return zm_object_publish_wait(object, &target, published, pool);
    zm_object_discard(object);
    return status;
}

static apr_status_t put(spool_command_t *command, zm_spool_t *spool, const char *name)
{
    zm_published_t published = {0};
    zm_name_t parts;
    bool directory = strchr(name, '/') == NULL;
    apr_status_t status = directory ? APR_SUCCESS : zm_layout_parse(&parts, zm_str(name));
    if (status == APR_SUCCESS)
        status = make_object(spool, directory ? name : ZM_DIR_PUBLIC, &published, command->pool);
    if (status == APR_SUCCESS && !directory) {
        status = zm_spool_rename(spool, published.name, name);
        if (status != APR_SUCCESS)
            (void)zm_spool_unlink(spool, published.name);
        else
            status = zm_spool_sync_names(spool, zm_str_c(command->pool, parts.directory));
    }
    if (status == APR_SUCCESS && !command->quiet)
        printf("%s\n", directory ? published.name : name);
    return status;
}

int spool_put(spool_command_t *command)
{
    int code = 0;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    if (may_touch(command, spool, command->argv[0], &code)) {
        apr_status_t status = put(command, spool, command->argv[0]);
        if (status != APR_SUCCESS)
            code = spool_fail_status(status, "make", command->argv[0]);
    }
    zm_spool_close(spool);
    return code;
}

/* -- mv and rm ------------------------------------------------------------------------------ */

/* "router/4711/", or a directory's name alone, means: there, under the old leaf. */
static const char *target_of(const char *from, const char *to, zm_spool_t *spool, apr_pool_t *pool)
{
    const char *leaf = strrchr(from, '/');
    apr_size_t length = strlen(to);
    if (leaf == NULL || length == 0)
        return to;
    if (to[length - 1] == '/')
        return apr_psprintf(pool, "%s%s", to, leaf + 1);
    if (strchr(to, '/') == NULL && zm_spool_has_directory(spool, to))
        return apr_psprintf(pool, "%s%s", to, leaf);
    return to;
}

int spool_mv(spool_command_t *command)
{
    int code = 0;
    const char *from = command->argv[0], *to;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    to = target_of(from, command->argv[1], spool, command->pool);
    if (may_touch(command, spool, from, &code) && may_touch(command, spool, to, &code)) {
        apr_status_t status = zm_spool_rename(spool, from, to);
        zm_name_t parts;
        if (status == APR_SUCCESS && zm_layout_parse(&parts, zm_str(to)) == APR_SUCCESS)
            status = zm_spool_sync_names(spool, zm_str_c(command->pool, parts.directory));
        if (status != APR_SUCCESS)
            code = spool_fail_status(
                status, "rename",
                APR_STATUS_IS_EEXIST(status) || !zm_spool_name_valid(zm_str(to)) ? to : from);
    }
    zm_spool_close(spool);
    return code;
}

int spool_rm(spool_command_t *command)
{
    int i, code = 0;
    zm_spool_t *spool = spool_open(command, NULL, &code);
    if (spool == NULL)
        return code;
    for (i = 0; i < command->argc; i++) {
        apr_status_t status;
        if (!may_touch(command, spool, command->argv[i], &code))
            continue;
        status = zm_spool_unlink(spool, command->argv[i]);
        if (status != APR_SUCCESS)
            code = spool_fail_status(status, "remove", command->argv[i]);
    }
    zm_spool_close(spool);
    return code;
}
