#include "tests/unit/mta/router/world.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/map/map.h"
#include "mta/router/routing.h"
#include "platform/fs.h"
#include "platform/log.h"
#include "platform/service.h"
#include "spool/layout.h"

#define TEXT_LIMIT (1u << 26)

/* -- the site ---------------------------------------------------------------------------- */

static const char *below(world_t *world, const char *path)
{
    return apr_pstrcat(zm_test_pool(), world->directory, "/", path, NULL);
}

/* The stock files as they are installed: beside this program's folder in the build tree. */
static const char *stock_files(void)
{
    const char *self;
    char *copy, *slash;
    ZM_ASSERT_OK(zm_service_program(&self, zm_test_pool()));
    copy = apr_pstrdup(zm_test_pool(), self);
    for (slash = copy; *slash != '\0'; slash++)
        if (*slash == '\\')
            *slash = '/';
    *strrchr(copy, '/') = '\0';
    *strrchr(copy, '/') = '\0';
    return apr_pstrcat(zm_test_pool(), copy, "/stage/" ZM_SHARE_REL, NULL);
}

void world_file(world_t *world, const char *path, const char *text)
{
    char *full = apr_pstrdup(zm_test_pool(), below(world, path)), *slash = strrchr(full, '/');
    zm_file_t *file;
    *slash = '\0';
    ZM_ASSERT_OK(zm_dir_make_all(full, 0755, zm_test_pool()));
    *slash = '/';
    ZM_ASSERT_OK(zm_file_open(&file, NULL, full, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0644, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, text, strlen(text)));
    ZM_ASSERT_OK(zm_file_close(file));
}

void world_set(world_t *world, const char *line)
{
    const char *path = below(world, "etc/zmailer.conf");
    char *text;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_slurp(&text, &length, path, TEXT_LIMIT, zm_test_pool()));
    world_file(world, "etc/zmailer.conf", apr_pstrcat(zm_test_pool(), text, line, "\n", NULL));
}

void world_map(world_t *world, const char *name, const char *key, const char *value)
{
    zm_map_options_t options = {0};
    zm_error_t error;
    zm_map_t *map;
    apr_pool_t *pool;
    apr_pool_create(&pool, zm_test_pool());
    options.file = apr_pstrcat(pool, below(world, "var/db/"), name, ".sqlite", NULL);
    ZM_ASSERT_OK(zm_dir_make_all(below(world, "var/db"), 0755, pool));
    ZM_ASSERT_OK(zm_map_create(&map, "sqlite", &options, pool, &error));
    ZM_ASSERT_OK(zm_map_add(map, zm_str(key), zm_str(value), &error));
    apr_pool_destroy(pool);
}

world_t *world_begin(void)
{
    return world_begin_in(zm_test_directory());
}

world_t *world_begin_in(const char *directory)
{
    static unsigned count;
    world_t *world = apr_pcalloc(zm_test_pool(), sizeof *world);
    zm_log_options_t log = {0};
    const char *stock = stock_files();
    world->directory = directory;
    world_file(world, "etc/zmailer.conf",
               apr_psprintf(zm_test_pool(),
                            "POSTOFFICE=memory:/router%u\n"
                            "MAILSHARE=%s\nMAILVAR=%s/var\nLOGDIR=%s/log\nMAILBIN=%s/bin\n"
                            "MAILUSERS=%s/var/db/mailusers\nSYSLOGFLG=-\n",
                            ++count, stock, world->directory, world->directory, world->directory,
                            world->directory));
    world_file(world, "var/mail.conf",
               "hostname=mail.test\nmydomain=mail.test\norgdomain=mail.test\n");
    world_file(world, "var/db/mailusers", "root\nalice\nbob\n");
    world_file(world, "var/db/localnames", "mail.test\nlocalhost\n");
    world_file(world, "log/router", "");
    log.program = "router";
    log.file = below(world, "log/router");
    log.level = ZM_LOG_DEBUG;
    ZM_ASSERT_OK(zm_log_open(&log, NULL));
    return world;
}

bool world_try_start(world_t *world, const char **reason)
{
    zm_zenv_options_t site = {0};
    router_worker_options_t options = {0};
    zm_error_t error = {0};
    apr_status_t status;
    site.file = below(world, "etc/zmailer.conf");
    ZM_ASSERT_OK(zm_zenv_load(&world->zenv, &site, zm_test_pool(), &error));
    if (world->spool == NULL)
        ZM_ASSERT_OK(zm_site_spool(&world->spool, world->zenv, NULL, zm_test_pool(), &error));
    options.zenv = world->zenv;
    options.config = world->config ? world->config
                                   : apr_pstrcat(zm_test_pool(), zm_zenv_mailshare(world->zenv),
                                                 "/router.cf", NULL);
    options.illegal_object = world->illegal_object;
    status = router_worker_open(&world->worker, &options, zm_test_pool(), &error);
    *reason = apr_pstrdup(zm_test_pool(), error.text);
    return status == APR_SUCCESS;
}

/* Files of the site are root's, whoever runs the tests. */
static void be_root(world_t *world)
{
    zm_user_t *user = NULL;
    zm_error_t error = {0};
    int code;
    if (zm_user_by_uid(&user, world_root(), zm_test_pool()) == APR_SUCCESS &&
        strcmp(user->name, "root") == 0)
        return;
    ZM_ASSERT_OK(zm_script_run(
        world->worker->script,
        zm_str(world_format("uid2login (uid) {\n\tcase \"$uid\" in\n\t%" APR_INT64_T_FMT
                            ")\techo root ;;\n\t*)\tbuiltin uid2login $uid ;;\n\tesac\n}\n",
                            (apr_int64_t)world_root())),
        "world", &code, &error));
}

void world_start(world_t *world)
{
    const char *reason;
    if (!world_try_start(world, &reason)) {
        fprintf(stderr, "the configuration does not load: %s\n%s", reason, world_log(world));
        CU_FAIL_FATAL("the configuration does not load");
    }
    be_root(world);
}

world_t *world_with(const char *local)
{
    world_t *world = world_begin();
    if (local != NULL)
        world_file(world, "var/router.local.cf", local);
    world_start(world);
    return world;
}

void world_end(world_t *world)
{
    if (world->worker != NULL)
        zm_spool_close(world->worker->spool);
    if (world->spool != NULL)
        zm_spool_close(world->spool);
    zm_log_close();
}

/* -- messages ------------------------------------------------------------------------------ */

uint64_t world_submit_mode(world_t *world, zm_uid_t owner, uint32_t mode, const char *text,
                           apr_size_t length)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = owner, .gid = ZM_UID_NONE, .mode = mode};
    zm_target_t target = {.directory = ZM_DIR_ROUTER};
    zm_published_t published = {0};
    zm_object_t *object;
    ZM_ASSERT_OK(zm_object_create(&object, world->spool, &create));
    ZM_ASSERT_OK(zm_object_write(object, text, length));
    ZM_ASSERT_OK(zm_object_publish_wait(object, &target, &published, zm_test_pool()));
    return published.info.id;
}

uint64_t world_submit(world_t *world, zm_uid_t owner, const char *text)
{
    return world_submit_mode(world, owner, 0600, text, strlen(text));
}

void world_route(world_t *world, uint64_t id)
{
    router_worker_process(world->worker, zm_layout_name(zm_test_pool(), ZM_DIR_ROUTER, 0, id));
}

const char *world_contents(world_t *world, const char *name)
{
    zm_object_t *object;
    char *data = NULL;
    apr_size_t length;
    if (zm_object_open(&object, world->spool, name, ZM_OBJECT_READ) != APR_SUCCESS)
        return NULL;
    ZM_ASSERT_OK(zm_object_read_all(object, &data, &length, TEXT_LIMIT, zm_test_pool()));
    zm_object_close(object);
    return data;
}

const char *world_control_text(world_t *world, uint64_t id)
{
    return world_contents(world, zm_layout_name(zm_test_pool(), ZM_DIR_TRANSPORT, 2, id));
}

zm_control_file_t *world_control(world_t *world, uint64_t id)
{
    const char *text = world_control_text(world, id);
    zm_control_file_t *file = NULL;
    zm_error_t error = {0};
    if (text == NULL) {
        fprintf(stderr, "no control file\n%.2000s\n", world_log(world));
        CU_FAIL_FATAL("no control file");
    }
    ZM_ASSERT_OK(zm_control_parse(&file, text, strlen(text), zm_test_pool(), &error));
    CU_ASSERT_TRUE_FATAL(file->complete && file->recipient_count > 0);
    CU_ASSERT_PTR_NOT_NULL(
        world_contents(world, zm_layout_name(zm_test_pool(), ZM_DIR_QUEUE, 2, id)));
    return file;
}

const char *world_header(world_t *world, uint64_t id)
{
    zm_control_file_t *file = world_control(world, id);
    CU_ASSERT_TRUE_FATAL(file->recipients[0].header >= 0);
    return zm_str_c(zm_test_pool(), file->headers[file->recipients[0].header].text);
}

const char *world_recipients(world_t *world, uint64_t id)
{
    zm_control_file_t *file = world_control(world, id);
    const char *all = "";
    int i;
    for (i = 0; i < file->recipient_count; i++) {
        const zm_quad_t *quad = &file->recipients[i].quad;
        all = apr_psprintf(zm_test_pool(), "%s%s%.*s/%.*s/%.*s/%" APR_INT64_T_FMT, all,
                           i ? " " : "", (int)quad->channel.length, quad->channel.data,
                           (int)quad->host.length, quad->host.data, (int)quad->user.length,
                           quad->user.data, (apr_int64_t)quad->privilege);
    }
    return all;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *world_names(world_t *world, const char *directory)
{
    apr_array_header_t *names = apr_array_make(zm_test_pool(), 8, sizeof(const char *));
    zm_listing_t *listing;
    const char *name;
    int i;
    const char *all = "";
    ZM_ASSERT_OK(zm_spool_list(&listing, world->spool, directory, true, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        APR_ARRAY_PUSH(names, const char *) =
            apr_pstrdup(zm_test_pool(), name + strlen(directory) + 1);
    zm_listing_close(listing);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), compare_names);
    for (i = 0; i < names->nelts; i++)
        all = apr_pstrcat(zm_test_pool(), all, i ? " " : "", APR_ARRAY_IDX(names, i, const char *),
                          NULL);
    return all;
}

const char *world_report(world_t *world)
{
    const char *names = world_names(world, ZM_DIR_ROUTER);
    if (names[0] == '\0')
        return NULL;
    CU_ASSERT_PTR_NULL_FATAL(strchr(names, ' '));
    return world_contents(world, apr_pstrcat(zm_test_pool(), ZM_DIR_ROUTER "/", names, NULL));
}

const char *world_log(world_t *world)
{
    char *text;
    apr_size_t length;
    ZM_ASSERT_OK(
        zm_file_slurp(&text, &length, below(world, "log/router"), TEXT_LIMIT, zm_test_pool()));
    return text;
}

bool world_logged(world_t *world, const char *piece)
{
    return strstr(world_log(world), piece) != NULL;
}

uint64_t world_take(world_t *world, const char *text)
{
    uint64_t id = world_submit(world, world_root(), text);
    world_route(world, id);
    return id;
}

/* -- asking the configuration ------------------------------------------------------------- */

const char *world_routes(world_t *world, const char *address, const char *type)
{
    zm_script_t *script = world->worker->script;
    apr_array_header_t *quads = apr_array_make(zm_test_pool(), 4, sizeof(router_quad_t));
    zm_value_t properties[4], attributes;
    zm_buf_t out = ZM_BUF_INIT;
    const char *text;
    int i;
    zm_script_begin(script);
    properties[0] = ZM_VALUE("privilege");
    properties[1] = zm_script_printf(script, "%d", (int)world->worker->nobody);
    properties[2] = ZM_VALUE("type");
    properties[3] = zm_script_string_c(script, type);
    attributes = zm_script_gensym(script, zm_script_list(script, properties, 4));
    router_route(world->worker, quads, zm_str(address), attributes);
    for (i = 0; i < quads->nelts; i++) {
        const router_quad_t *quad = &APR_ARRAY_IDX(quads, i, router_quad_t);
        zm_value_t shown = zm_value_of(quad->channel);
        zm_value_t items[3] = {shown, zm_value_of(quad->host), zm_value_of(quad->user)};
        if (i > 0)
            zm_buf_add_byte(&out, ' ');
        zm_value_print(zm_script_list(script, items, 3), &out);
    }
    zm_script_end(script);
    text = apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_buf_free(&out);
    return text;
}

/* Collects what is printed. */
static void collect(void *baton, int stream, const char *data, apr_size_t length)
{
    (void)stream;
    zm_buf_add(baton, data, length);
}

const char *world_call(world_t *world, const char *words)
{
    zm_script_t *script = world->worker->script;
    zm_buf_t out = ZM_BUF_INIT;
    zm_value_t arguments[20];
    apr_size_t count = 0;
    zm_str_t rest = zm_str(words), word;
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    const char *name, *text;
    zm_script_begin(script);
    zm_script_set_output(script, 1, collect, &out);
    CU_ASSERT_TRUE_FATAL(zm_str_word(&rest, &word));
    name = zm_str_c(zm_test_pool(), word);
    while (count < 20 && zm_str_word(&rest, &word))
        arguments[count++] = zm_value_of(word);
    ZM_ASSERT_OK(zm_script_call(script, name, arguments, count, &result, &error));
    if (result.has_value)
        zm_value_print(result.value, &out);
    while (out.length > 0 && out.data[out.length - 1] == '\n')
        out.length--;
    text = result.status != 0 ? apr_psprintf(zm_test_pool(), "?%d", result.status)
                              : apr_pstrdup(zm_test_pool(), zm_buf_c(&out));
    zm_script_end(script);
    zm_script_set_output(script, 1, NULL, NULL);
    zm_buf_free(&out);
    return text;
}

zm_uid_t world_root(void)
{
    return zm_identity_own().uid;
}

zm_user_t *world_account(void)
{
    static const char *const names[] = {"games", "bin", "sys", "man", "nobody", "SYSTEM"};
    zm_user_t *user = NULL;
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (zm_user_by_name(&user, names[i], zm_test_pool()) == APR_SUCCESS &&
            user->uid != world_root())
            return user;
    CU_FAIL_FATAL("this system has no account for the test");
    return user;
}

bool world_has(const char *text, const char *piece)
{
    if (text != NULL && strstr(text, piece) != NULL)
        return true;
    fprintf(stderr, "lacks \"%s\":\n%.2000s\n", piece, text ? text : "(nothing)");
    return false;
}

const char *world_format(const char *format, ...)
{
    va_list arguments;
    const char *text;
    va_start(arguments, format);
    text = apr_pvsprintf(zm_test_pool(), format, arguments);
    va_end(arguments);
    return text;
}

char *world_repeated(const char *before, const char *piece, int times, const char *after)
{
    apr_size_t length = strlen(piece);
    char *text =
        apr_palloc(zm_test_pool(), strlen(before) + (apr_size_t)times * length + strlen(after) + 1);
    char *at = text;
    int i;
    strcpy(at, before);
    at += strlen(before);
    for (i = 0; i < times; i++, at += length)
        memcpy(at, piece, length);
    strcpy(at, after);
    return text;
}

const char *world_side(const char *directory, uint64_t id, const char *why)
{
    return world_format("%s/%" APR_UINT64_T_FMT ".%s", directory, (apr_uint64_t)id, why);
}
