#include "mta/db/build.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <stdio.h>
#include <string.h>

#include "platform/child.h"
#include "platform/fs.h"
#include "platform/service.h"

/* -- running a program -------------------------------------------------------------------- */

typedef struct wait_t {
    zm_loop_t *loop;
    zm_child_end_t end;
} wait_t;

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    wait_t *wait = baton;
    (void)child;
    wait->end = *end;
    zm_loop_stop(wait->loop);
}

int zm_build_run(const char *const *argv, const zm_credentials_t *as, apr_pool_t *pool,
                 zm_error_t *error)
{
    zm_child_spec_t spec = {.argv = argv, .io = ZM_CHILD_INHERIT, .as = as};
    wait_t wait = {0};
    zm_child_t *child;
    apr_pool_t *own;
    int code = 71;
    apr_status_t status = apr_pool_create(&own, pool);
    fflush(stdout);
    if (status == APR_SUCCESS)
        status = zm_loop_create(&wait.loop, own);
    if (status != APR_SUCCESS) {
        zm_error_system(error, status, "cannot wait for %s", argv[0]);
        return code;
    }
    if (zm_child_start(&child, &spec, wait.loop, on_end, &wait, error) == APR_SUCCESS) {
        status = zm_loop_run(wait.loop);
        zm_child_close(child);
        code = wait.end.code;
        if (status != APR_SUCCESS || wait.end.signalled) {
            zm_error_set(error, APR_EGENERAL, "%s crashed", argv[0]);
            code = 70;
        }
    }
    apr_pool_destroy(own);
    return code;
}

const char *zm_build_sibling(const char *name, apr_pool_t *pool)
{
    const char *self, *slash;
    if (zm_service_program(&self, pool) != APR_SUCCESS || (slash = strrchr(self, '/')) == NULL)
        return name;
    return apr_psprintf(pool, "%.*s/%s", (int)(slash - self), self, name);
}

/* -- one database --------------------------------------------------------------------------- */

typedef struct building_t {
    const zm_build_t *build;
    zm_file_info_t source, made;
    const char *path; /* of the new file */
    apr_pool_t *pool;
    zm_error_t error;
} building_t;

static int fail(building_t *building, int code)
{
    const zm_build_t *build = building->build;
    if (building->error.text[0] != '\0')
        fprintf(stderr, "%s: %s\n", build->program, building->error.text);
    fprintf(stderr, "%s: '%s' rebuilding aborted; the old database stays in force\n",
            build->program, build->shown != NULL ? build->shown : build->source);
    return code;
}

/* Looks at what a name leads to, through links. */
static apr_status_t look(zm_file_info_t *info, const char *path, apr_pool_t *pool)
{
    zm_file_t *file;
    apr_status_t status = zm_file_open(&file, NULL, path, ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, pool);
    if (status != APR_SUCCESS)
        return status;
    status = zm_file_info(info, file);
    zm_file_close(file);
    return status;
}

static bool is_current(const building_t *building)
{
    const zm_file_info_t *from = &building->source;
    zm_file_info_t to;
    return look(&to, building->build->database, building->pool) == APR_SUCCESS &&
           (to.mtime_s > from->mtime_s ||
            (to.mtime_s == from->mtime_s && to.mtime_ns >= from->mtime_ns));
}

/* Whom makedb runs as: the owner of the source, when that is another and we can. */
static bool other_owner(const building_t *building, zm_credentials_t *who)
{
    who->uid = building->source.uid;
    who->gid = building->source.gid;
    return zm_identity_privileged() && who->uid != zm_identity_own().uid;
}

/* Makes the new file, which is the owner's to fill. */
static apr_status_t make_file(building_t *building)
{
    zm_credentials_t who;
    zm_file_t *file;
    apr_status_t status;
    (void)zm_file_unlink(NULL, building->path);
    status = zm_file_open(&file, NULL, building->path,
                          ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600,
                          building->pool);
    if (status != APR_SUCCESS)
        return zm_error_system(&building->error, status, "cannot make %s", building->path);
    if (other_owner(building, &who))
        status = zm_file_set_owner(file, who.uid, who.gid);
    if (status == APR_SUCCESS)
        status = zm_file_info(&building->made, file);
    zm_file_close(file);
    if (status != APR_SUCCESS)
        return zm_error_system(&building->error, status, "cannot prepare %s", building->path);
    return APR_SUCCESS;
}

static int run_makedb(building_t *building)
{
    const zm_build_t *build = building->build;
    apr_array_header_t *argv = apr_array_make(building->pool, 16, sizeof(const char *));
    zm_credentials_t who;
    const struct {
        bool given;
        const char *word;
    } flags[] = {{build->aliases, "-a"}, {build->policy, "-p"}, {build->lower, "-l"},
                 {build->upper, "-u"},   {build->append, "-A"}, {build->silent, "-s"},
                 {build->verbose, "-v"}};
    apr_size_t i;
    APR_ARRAY_PUSH(argv, const char *) =
        build->makedb != NULL ? build->makedb : zm_build_sibling("makedb", building->pool);
    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].given)
            APR_ARRAY_PUSH(argv, const char *) = flags[i].word;
    APR_ARRAY_PUSH(argv, const char *) = "--into";
    APR_ARRAY_PUSH(argv, const char *) = building->path;
    APR_ARRAY_PUSH(argv, const char *) = "--";
    APR_ARRAY_PUSH(argv, const char *) = build->type;
    APR_ARRAY_PUSH(argv, const char *) = build->database;
    APR_ARRAY_PUSH(argv, const char *) = build->source;
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    return zm_build_run((const char *const *)argv->elts, other_owner(building, &who) ? &who : NULL,
                        building->pool, &building->error);
}

/* Owner, mode and time as they are to be, contents on disk. */
static apr_status_t finish_file(building_t *building, zm_file_t *file)
{
    const zm_build_t *build = building->build;
    zm_file_info_t old;
    zm_file_info_t now;
    int64_t mode = build->mode;
    apr_status_t status = zm_file_info(&now, file);
    if (status == APR_SUCCESS &&
        (now.id != building->made.id || now.kind != ZM_FILE_REGULAR || now.links != 1))
        return ZM_E_UNSAFE;
    if (mode < 0)
        mode = look(&old, build->database, building->pool) == APR_SUCCESS ? old.mode & 0777 : 0644;
    if (status == APR_SUCCESS && build->has_owner && zm_identity_privileged())
        status = zm_file_set_owner(file, build->uid, build->gid);
    if (status == APR_SUCCESS)
        status = zm_file_set_mode(file, (uint32_t)mode);
    if (status == APR_SUCCESS) /* who edited the source meanwhile has it compiled the next time */
        status = zm_file_set_mtime(file, building->source.mtime_s, building->source.mtime_ns);
    return status == APR_SUCCESS ? zm_file_sync(file) : status;
}

static apr_status_t put_in_place(building_t *building)
{
    const char *database = building->build->database, *slash = strrchr(database, '/');
    zm_file_t *file;
    apr_status_t status =
        zm_file_open(&file, NULL, building->path, ZM_OPEN_READ | ZM_OPEN_WRITE, 0, building->pool);
    if (status == APR_SUCCESS) {
        status = finish_file(building, file);
        zm_file_close(file);
    }
    if (status == APR_SUCCESS)
        status = zm_file_replace(NULL, building->path, NULL, database);
    if (status != APR_SUCCESS)
        return zm_error_system(&building->error, status, "cannot replace %s", database);
    status = zm_dir_handle(
        &file, NULL,
        slash != NULL ? apr_pstrmemdup(building->pool, database, (apr_size_t)(slash - database) + 1)
                      : ".",
        building->pool);
    if (status == APR_SUCCESS) { /* should it be lost in a crash, the old one is there */
        (void)zm_dir_sync(file);
        zm_file_close(file);
    }
    return APR_SUCCESS;
}

int zm_build(const zm_build_t *build, apr_pool_t *pool)
{
    building_t building = {.build = build, .pool = pool};
    apr_status_t status = look(&building.source, build->source, pool);
    int code;
    if (status == APR_SUCCESS && building.source.kind != ZM_FILE_REGULAR)
        status = APR_EINVAL;
    if (status != APR_SUCCESS) {
        zm_error_system(&building.error, status, "cannot read %s", build->source);
        return fail(&building, 66);
    }
    if (build->if_newer && is_current(&building))
        return ZM_BUILD_CURRENT;
    building.path = apr_pstrcat(pool, build->database, ".new", NULL);
    if (make_file(&building) != APR_SUCCESS)
        return fail(&building, 73);
    code = run_makedb(&building);
    if (code == 0 && put_in_place(&building) != APR_SUCCESS)
        code = 73;
    if (code == 0)
        return 0;
    (void)zm_file_unlink(NULL, building.path);
    return fail(&building, code);
}
