#include "mta/router/exits.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/router/trace.h"
#include "platform/fs.h"
#include "platform/log.h"

#define BAD_ADDRESS_SHOWN 1000 /* octets of an address that are noted */

/* -- side directories ------------------------------------------------------------------- */

static const char *side_name(router_message_t *message, const char *directory, const char *suffix)
{
    return apr_psprintf(message->pool, "%s/%" APR_UINT64_T_FMT ".%s", directory,
                        (apr_uint64_t)message->file->info.id, suffix);
}

/* Where a further name is not to be had (the message is somebody else's file) a copy is made. */
static apr_status_t copy_to(router_message_t *message, const char *key)
{
    zm_create_options_t create = {
        .directory = ZM_DIR_POSTMAN, .uid = ZM_UID_NONE, .gid = ZM_UID_NONE, .mode = 0600};
    zm_target_t target = {.directory = ZM_DIR_POSTMAN,
                          .id = message->file->info.id,
                          .suffix = apr_pstrcat(message->pool, ".", key, NULL),
                          .unsynced = true};
    zm_object_t *copy;
    uint64_t offset = 0;
    char block[8192];
    apr_size_t length = sizeof block;
    apr_status_t status = zm_object_create(&copy, message->worker->spool, &create);
    if (status != APR_SUCCESS)
        return status;
    while ((status = zm_object_read(message->object, offset, block, &length)) == APR_SUCCESS &&
           (status = zm_object_write(copy, block, length)) == APR_SUCCESS) {
        offset += length;
        length = sizeof block;
    }
    if (!APR_STATUS_IS_EOF(status)) {
        zm_object_discard(copy);
        return status;
    }
    return zm_object_publish_wait(copy, &target, NULL, message->pool);
}

void router_squirrel(router_message_t *message, unsigned event, const char *key)
{
    apr_status_t status;
    if (event != 0 && (message->worker->squirrel & event) == 0)
        return;
    status = zm_spool_link(message->worker->spool, message->name,
                           side_name(message, ZM_DIR_POSTMAN, key));
    if (status != APR_SUCCESS && !APR_STATUS_IS_EEXIST(status))
        status = copy_to(message, key);
    if (status == APR_SUCCESS || APR_STATUS_IS_EEXIST(status))
        zm_log(ZM_LOG_NOTICE, message->spool_id, "copy kept for the postmaster",
               ZM_F_S("key", key));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "no copy could be kept for the postmaster",
               ZM_F_S("key", key), ZM_F_E("reason", status));
}

static void add_bad_addresses(zm_buf_t *out, const router_message_t *message,
                              const zm_header_t *header)
{
    const zm_address_t *item;
    for (item = header->parsed->first; item != NULL; item = item->next) {
        zm_str_t source;
        apr_size_t i;
        if (!item->bad)
            continue;
        source = zm_address_source(header->parsed, item);
        zm_buf_printf(out, "%s %.*s: ", message->spool_id, (int)header->name.length,
                      header->name.data);
        for (i = 0; i < source.length && i < BAD_ADDRESS_SHOWN; i++)
            zm_buf_add_byte(out, (unsigned char)source.data[i] < ' ' ? ' ' : source.data[i]);
        zm_buf_add_byte(out, '\n');
    }
}

void router_note_bad_addresses(const router_message_t *message)
{
    const char *path = message->worker->bad_address_file;
    const zm_header_t *header;
    zm_buf_t out = ZM_BUF_INIT;
    zm_file_t *file;
    apr_status_t status;
    if (path == NULL)
        return;
    for (header = message->headers->first; header != NULL; header = header->next)
        if (header->bad && header->parsed != NULL)
            add_bad_addresses(&out, message, header);
    status = zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0640,
                          message->pool);
    if (status == APR_SUCCESS) {
        status = zm_file_append(file, out.data, out.length);
        zm_file_close(file);
    }
    if (status != APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, message->spool_id, "bad addresses cannot be noted",
               ZM_F_S("file", path), ZM_F_E("reason", status));
    zm_buf_free(&out);
}

/* Renames the message; a name that is taken gets a number behind it. */
static apr_status_t move(router_message_t *message, const char *directory, const char *suffix)
{
    apr_status_t status = APR_EEXIST;
    int tries;
    for (tries = 0; tries < 100 && APR_STATUS_IS_EEXIST(status); tries++) {
        const char *tail =
            tries == 0 ? suffix : apr_psprintf(message->pool, "%s.%d", suffix, tries);
        status = zm_spool_rename(message->worker->spool, message->name,
                                 side_name(message, directory, tail));
    }
    return status;
}

void router_park(router_message_t *message, const char *key, const char *why)
{
    apr_status_t status = move(message, ZM_DIR_POSTMAN, key);
    router_trace(message, "message kept in %s: %s", ZM_DIR_POSTMAN, why);
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, message->spool_id, "message parked in postman", ZM_F_S("key", key),
               ZM_F_S("reason", why));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "message stays where it is: it cannot be parked",
               ZM_F_S("name", message->name), ZM_F_S("reason", why), ZM_F_E("trouble", status));
}

void router_defer(router_message_t *message, const char *why)
{
    apr_status_t status = move(message, ZM_DIR_DEFERRED, why);
    router_trace(message, "message deferred: %s", why);
    if (status == APR_SUCCESS)
        zm_log(ZM_LOG_WARNING, message->spool_id,
               "message deferred; it is tried again by the clock, or by \"zmailer resubmit\"", ZM_F_S("reason", why));
    else
        zm_log(ZM_LOG_ERROR, message->spool_id, "message stays where it is: it cannot be deferred",
               ZM_F_S("name", message->name), ZM_F_S("reason", why), ZM_F_E("trouble", status));
}
