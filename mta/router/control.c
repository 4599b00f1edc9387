/*
 * From recipients to the control file, and the commit:
 *
 *     1. every recipient is routed, and crossed with the sender
 *     2. the control file is made in memory and written as transport/.../.ID
 *     3. the message is renamed to queue/
 *     4. the control file gets its name: from here on the scheduler owns both
 *
 * A crash after 2 leaves the message in router/, to be routed again; after 3
 * recovery takes it back there.  Should 4 fail, 3 is undone.
 */
#include <apr_strings.h>
#include <string.h>

#include "mta/mail/complete.h"
#include "mta/mail/print.h"
#include "mta/router/exits.h"
#include "mta/router/message.h"
#include "platform/log.h"
#include "spool/control.h"
#include "spool/notify.h"

/* -- routes -------------------------------------------------------------------------------- */

static zm_value_t recipient_attributes(router_message_t *message,
                                       const router_recipient_t *recipient)
{
    zm_script_t *script = message->worker->script;
    zm_value_t items[12];
    apr_size_t count = 0;
    items[count++] = ZM_VALUE("privilege");
    items[count++] = zm_script_printf(script, "%" APR_INT64_T_FMT, (apr_int64_t)message->privilege);
    items[count++] = ZM_VALUE("type");
    items[count++] = ZM_VALUE("recipient");
    if (recipient->dsn.length > 0) {
        items[count++] = ZM_VALUE("DSN");
        items[count++] = zm_value_of(recipient->dsn);
        items[count++] = ZM_VALUE("DSNr");
        items[count++] = zm_value_of(message->ret);
        items[count++] = ZM_VALUE("DSNe");
        items[count++] = zm_value_of(message->envid);
    }
    items[count++] = ZM_VALUE("sender");
    items[count++] = zm_value_of(message->sender_address);
    return zm_script_gensym(script, zm_script_list(script, items, count));
}

static void route_recipients(router_message_t *message, apr_array_header_t *routes)
{
    int i;
    for (i = 0; i < message->recipients->nelts; i++) {
        const router_recipient_t *recipient =
            &APR_ARRAY_IDX(message->recipients, i, router_recipient_t);
        router_route(message->worker, routes, recipient->address,
                     recipient_attributes(message, recipient));
    }
}

/* -- header rewriting ------------------------------------------------------------------------ */

typedef struct rewriting_t {
    router_message_t *message;
    zm_str_t function;
} rewriting_t;

static bool rewrite_address(void *baton, const zm_header_t *header, zm_str_t plain, zm_str_t *text)
{
    rewriting_t *rewriting = baton;
    zm_script_t *script = rewriting->message->worker->script;
    zm_value_t arguments[2] = {zm_value_of(plain), zm_value_of(header->name)};
    zm_script_result_t result = {0};
    zm_error_t error = {0};
    const char *function = zm_str_c(rewriting->message->pool, rewriting->function);
    apr_status_t status;
    rewriting->message->rewriting = header;
    zm_script_defer_clear(script);
    status = zm_script_call(script, function, arguments, 2, &result, &error);
    if ((status != APR_SUCCESS || result.status != 0) && zm_script_deferred(script).length > 0 &&
        zm_script_has_function(script, "header_defer"))
        status = zm_script_call(script, "header_defer", arguments, 2, &result, &error);
    rewriting->message->rewriting = NULL;
    if (status != APR_SUCCESS || result.status != 0 || !result.has_value ||
        zm_value_is_list(result.value) || zm_value_str(result.value).length == 0)
        return false;
    *text = zm_value_str(result.value);
    return true;
}

/* The header as the recipients of one rewriting group get it. */
static zm_str_t header_text(router_message_t *message, zm_value_t rewrite)
{
    rewriting_t rewriting = {message, zm_value_is_list(rewrite) ? zm_value_item_str(rewrite, 0)
                                                                : zm_value_str(rewrite)};
    zm_headers_t *headers = zm_headers_copy(message->headers, message->pool);
    zm_buf_t out = ZM_BUF_INIT;
    zm_str_t text;
    if (rewriting.function.length > 0)
        zm_headers_rewrite(headers, rewrite_address, &rewriting);
    zm_headers_print(&out, headers, zm_headers_signed(headers) ? ZM_PRINT_KEEP : 0);
    text = zm_str_copy(message->pool, zm_buf_str(&out));
    zm_buf_free(&out);
    return text;
}

/* -- the control file -------------------------------------------------------------------------- */

static bool fill_quad(router_message_t *message, const router_quad_t *from, zm_quad_t *quad)
{
    quad->channel = from->channel;
    quad->host = from->host;
    quad->user = from->user;
    return router_privilege(message->worker, from, &quad->privilege);
}

static bool write_sender_group(router_message_t *message, zm_control_writer_t *writer,
                               const router_sender_group_t *group)
{
    zm_quad_t quad;
    int i;
    if (!fill_quad(message, &group->sender, &quad))
        return false;
    zm_control_sender(writer, &quad);
    if (group->error_address.length > 0 && !zm_str_equal(group->error_address, group->sender.user))
        zm_control_error_address(writer, group->error_address);
    for (i = 0; i < group->recipients->nelts; i++) {
        const router_quad_t *recipient = &APR_ARRAY_IDX(group->recipients, i, router_quad_t);
        if (!fill_quad(message, recipient, &quad))
            return false;
        zm_control_recipient(writer, &quad, router_attribute(message->worker, recipient, "DSN"),
                             router_attribute(message->worker, recipient, "DSNr"),
                             router_attribute(message->worker, recipient, "DSNe"));
    }
    return true;
}

static bool write_plan(router_message_t *message, zm_control_writer_t *writer,
                       const router_plan_t *plan)
{
    int i, k;
    for (i = 0; i < plan->rewrites->nelts; i++) {
        const router_rewrite_group_t *group =
            APR_ARRAY_IDX(plan->rewrites, i, router_rewrite_group_t *);
        for (k = 0; k < group->senders->nelts; k++)
            if (!write_sender_group(message, writer,
                                    APR_ARRAY_IDX(group->senders, k, router_sender_group_t *)))
                return false;
        zm_control_header(writer, header_text(message, group->rewrite));
    }
    return true;
}

static apr_status_t make_control(router_message_t *message, const router_plan_t *plan,
                                 zm_str_t *file)
{
    zm_control_writer_t *writer = zm_control_writer(message->pool);
    zm_header_t *obsoletes;
    if (message->verbose.length > 0)
        zm_control_verbose(writer, message->verbose);
    zm_control_message(writer, message->file->info.id, message->file->body_offset);
    zm_control_log_id(writer, message->message_id);
    if (!message->null_path && message->error_header.length > 0)
        zm_control_error_address(writer, message->error_header);
    for (obsoletes = zm_headers_find(message->headers, "obsoletes"); obsoletes != NULL;
         obsoletes = zm_headers_find_next(obsoletes))
        zm_control_obsoletes(writer, zm_header_line(obsoletes, message->pool));
    if (!write_plan(message, writer, plan))
        return ZM_E_CORRUPT;
    return zm_control_finish(writer, file);
}

/* -- the commit ----------------------------------------------------------------------------------
 */

static apr_status_t write_control(router_message_t *message, zm_str_t text, zm_object_t **object)
{
    bool own = zm_identity_privileged();
    zm_create_options_t options = {0};
    apr_status_t status;
    options.directory = ZM_DIR_TRANSPORT;
    options.scratch =
        apr_psprintf(message->pool, ".%" APR_UINT64_T_FMT, (apr_uint64_t)message->file->info.id);
    /* The submitter owns his control file but may not write it; agents do so as root or by their
     * group. */
    options.uid = own ? message->file->info.uid : ZM_UID_NONE;
    options.gid = ZM_UID_NONE;
    options.mode = own ? 0460 : 0660;
    status = zm_object_create(object, message->worker->spool, &options);
    if (APR_STATUS_IS_EEXIST(status)) { /* left by a crash; the lock on the message makes it ours */
        (void)zm_spool_unlink(
            message->worker->spool,
            apr_pstrcat(message->pool, ZM_DIR_TRANSPORT "/", options.scratch, NULL));
        status = zm_object_create(object, message->worker->spool, &options);
    }
    if (status != APR_SUCCESS)
        return status;
    status = zm_object_write(*object, text.data, text.length);
    if (status != APR_SUCCESS)
        zm_object_discard(*object);
    return status;
}

static apr_status_t commit(router_message_t *message, zm_str_t text, const char **queued)
{
    router_worker_t *worker = message->worker;
    zm_target_t target = {0};
    zm_object_t *control;
    apr_status_t status = write_control(message, text, &control);
    if (status != APR_SUCCESS)
        return status;
    *queued =
        zm_layout_name(message->pool, ZM_DIR_QUEUE, worker->hash_levels, message->file->info.id);
    target.directory = ZM_DIR_TRANSPORT;
    target.hash_levels = worker->hash_levels;
    target.make_hash = true;
    target.id = message->file->info.id;
    target.unsynced = true;
    target.companion = message->name;
    target.companion_target = *queued;
    return zm_object_publish_wait(control, &target, NULL, message->pool);
}

/* Values in the system log are cut. */
static int shown(apr_size_t length)
{
    return length > 200 ? 200 : (int)length;
}

static void log_syslog(const router_message_t *message, const router_plan_t *plan)
{
    const zm_object_info_t *info = &message->file->info;
    apr_time_t now = apr_time_now();
    int64_t delay = (now - message->arrived) / APR_USEC_PER_SEC,
            took = (now - message->started) / APR_USEC_PER_SEC;
    if (!message->worker->syslog)
        return;
    zm_log_syslog(ZM_LOG_INFO, "router",
                  "%s: from=<%.*s>, rrelay=%.*s, size=%" APR_UINT64_T_FMT
                  ", nrcpts=%d, msgid=%.*s, "
                  "delay=%02d:%02d:%02d, xdelay=%02d:%02d:%02d",
                  message->spool_id, message->null_path ? 0 : shown(message->sender_address.length),
                  message->sender_address.data, shown(message->relay.length), message->relay.data,
                  (apr_uint64_t)info->size, plan->recipients, shown(message->message_id.length),
                  message->message_id.data, (int)(delay / 3600), (int)(delay / 60 % 60),
                  (int)(delay % 60), (int)(took / 3600), (int)(took / 60 % 60), (int)(took % 60));
}

router_outcome_t router_commit(router_message_t *message)
{
    apr_array_header_t *routes =
        apr_array_make(message->pool, message->recipients->nelts, sizeof(router_quad_t));
    router_plan_t *plan;
    zm_error_t error = {0};
    const char *queued;
    zm_str_t text;
    apr_status_t status;
    route_recipients(message, routes);
    if (routes->nelts == 0)
        return ROUTER_DEFERRED;
    status = router_plan(&plan, message->worker, &message->sender_quad, routes, &error);
    if (status == APR_SUCCESS && plan->recipients == 0)
        return ROUTER_NO_RECIPIENTS;
    zm_headers_complete_date(message->headers, message->resent, message->arrived);
    if (status == APR_SUCCESS)
        status = make_control(message, plan, &text);
    if (status == APR_SUCCESS)
        status = commit(message, text, &queued);
    if (status != APR_SUCCESS) {
        zm_log(ZM_LOG_ERROR, message->spool_id, "no control file", ZM_F_S("error", error.text),
               ZM_F_E("reason", status));
        return ROUTER_CONTROL;
    }
    zm_notify_send(message->worker->scheduler_notify, NULL, queued + strlen(ZM_DIR_QUEUE "/"));
    zm_log(ZM_LOG_INFO, message->spool_id, "routed", ZM_F_N("from", message->sender_address),
           ZM_F_N("relay", message->relay), ZM_F_I("size", message->file->info.size),
           ZM_F_I("recipients", plan->recipients), ZM_F_I("duplicates", plan->duplicates),
           ZM_F_N("message_id", message->message_id),
           ZM_F_I("took_us", apr_time_now() - message->started));
    log_syslog(message, plan);
    return ROUTER_DONE;
}
