#include "spool/trace.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "spool/layout.h"

#define NAME_TRIES 100
#define RANDOM_BYTES 6
#define NAME_SIZE (sizeof ZM_DIR_PUBLIC "/" + ZM_TRACE_LEAF_SIZE - 1)

static void name_of(char name[NAME_SIZE], const char *leaf)
{
    apr_snprintf(name, NAME_SIZE, ZM_DIR_PUBLIC "/%s", leaf);
}

/* -- making ------------------------------------------------------------------------- */

static apr_status_t choose(char leaf[ZM_TRACE_LEAF_SIZE])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char random[RANDOM_BYTES];
    int i;
    apr_status_t status = apr_generate_random_bytes(random, sizeof random);
    if (status != APR_SUCCESS)
        return status;
    memcpy(leaf, "v_", 2);
    for (i = 0; i < RANDOM_BYTES; i++)
        leaf[2 + i] = letters[random[i] % (sizeof letters - 1)];
    leaf[2 + RANDOM_BYTES] = '\0';
    return APR_SUCCESS;
}

/* An object gets a number for its name first, then the one that it is known by. */
apr_status_t zm_spool_trace_make(char leaf[ZM_TRACE_LEAF_SIZE], zm_spool_t *spool, zm_uid_t owner)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_PUBLIC, .uid = owner, .gid = ZM_UID_NONE, .mode = 0600};
    zm_target_t target = {.directory = ZM_DIR_PUBLIC, .unsynced = true};
    zm_published_t published;
    zm_object_t *object;
    char name[NAME_SIZE];
    apr_pool_t *pool;
    int tries;
    apr_status_t status = apr_pool_create(&pool, NULL);
    if (status != APR_SUCCESS)
        return status;
    status = zm_object_create(&object, spool, &create);
    if (status == APR_SUCCESS)
        status = zm_object_publish_wait(object, &target, &published, pool);
    if (status == APR_SUCCESS) {
        status = APR_EEXIST;
        for (tries = 0; tries < NAME_TRIES && APR_STATUS_IS_EEXIST(status); tries++) {
            status = choose(leaf);
            if (status != APR_SUCCESS)
                break;
            name_of(name, leaf);
            status = zm_spool_rename(spool, published.name, name);
        }
        if (status != APR_SUCCESS)
            (void)zm_spool_unlink(spool, published.name);
    }
    apr_pool_destroy(pool);
    return status;
}

/* -- opening ------------------------------------------------------------------------ */

static bool is_leaf(zm_str_t leaf)
{
    apr_size_t i;
    if (leaf.length != ZM_TRACE_LEAF_SIZE - 1 || !zm_str_starts(leaf, ZM_S("v_")))
        return false;
    for (i = 2; i < leaf.length; i++)
        if (!zm_is_alpha((unsigned char)leaf.data[i]) && !zm_is_digit((unsigned char)leaf.data[i]))
            return false;
    return true;
}

zm_str_t zm_spool_trace_leaf(zm_str_t path)
{
    zm_str_t leaf = {path.data, path.length};
    apr_size_t at = path.length;
    while (at > 0 && path.data[at - 1] != '/')
        at--;
    leaf = zm_str_of(path.data + at, path.length - at);
    return is_leaf(leaf) ? leaf : ZM_S("");
}

static bool is_trustworthy(zm_object_t *trace, zm_uid_t owner)
{
    zm_object_info_t info;
    return zm_object_info(&info, trace) == APR_SUCCESS && info.links == 1 && info.uid == owner;
}

apr_status_t zm_spool_trace_open(zm_object_t **trace, zm_spool_t *spool, zm_str_t path,
                                 zm_uid_t owner)
{
    zm_str_t found = zm_spool_trace_leaf(path);
    char leaf[ZM_TRACE_LEAF_SIZE], name[NAME_SIZE];
    apr_status_t status;
    if (found.length == 0)
        return ZM_E_UNSAFE;
    apr_cpystrn(leaf, found.data, sizeof leaf);
    name_of(name, leaf);
    status = zm_object_open(trace, spool, name, ZM_OBJECT_UPDATE);
    if (status == APR_SUCCESS && !is_trustworthy(*trace, owner)) {
        zm_object_close(*trace);
        status = ZM_E_UNSAFE;
    }
    return status;
}

apr_status_t zm_spool_trace_read(zm_object_t **trace, zm_spool_t *spool, const char *leaf)
{
    char name[NAME_SIZE];
    if (!is_leaf(zm_str(leaf)))
        return ZM_E_UNSAFE;
    name_of(name, leaf);
    return zm_object_open(trace, spool, name, ZM_OBJECT_READ);
}

void zm_spool_trace_remove(zm_spool_t *spool, const char *leaf)
{
    char name[NAME_SIZE];
    if (!is_leaf(zm_str(leaf)))
        return;
    name_of(name, leaf);
    (void)zm_spool_unlink(spool, name);
}

/* -- writing ------------------------------------------------------------------------ */

void zm_spool_trace_line(zm_object_t *trace, zm_str_t line)
{
    zm_buf_t text = ZM_BUF_INIT;
    apr_size_t i;
    zm_buf_add_str(&text, line);
    for (i = 0; i < text.length; i++)
        if (((unsigned char)text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 127)
            text.data[i] = '?';
    zm_buf_add_byte(&text, '\n');
    (void)zm_object_append(trace, text.data, text.length, false);
    zm_buf_free(&text);
}
