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
#include "mta/router/exits.h"
#include "mta/router/message.h"
#include "mta/router/record.h"
#include "mta/router/rewrite.h"
#include "mta/router/trace.h"
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

/* -- the control file -------------------------------------------------------------------------- */

static zm_quad_t quad_of(const router_quad_t *from, int64_t privilege)
{
    zm_quad_t quad = {from->channel, from->host, from->user, privilege};
    return quad;
}

static void write_sender_group(zm_control_writer_t *writer, const router_sender_group_t *group)
{
    zm_quad_t quad = quad_of(&group->sender, group->privilege);
    int i;
    zm_control_sender(writer, &quad);
    if (group->error_address.length > 0 && !zm_str_equal(group->error_address, group->sender.user))
        zm_control_error_address(writer, group->error_address);
    for (i = 0; i < group->recipients->nelts; i++) {
        const router_final_t *final = APR_ARRAY_IDX(group->recipients, i, router_final_t *);
        quad = quad_of(&final->quad, final->privilege);
        zm_control_recipient(writer, &quad, final->dsn, final->ret, final->envid);
    }
}

static void trace_header(router_message_t *message, zm_value_t rewrite, zm_str_t header)
{
    zm_str_t fields = zm_value_item_str(rewrite, 1), addresses = zm_value_is_list(rewrite)
                                                                     ? zm_value_item_str(rewrite, 0)
                                                                     : zm_value_str(rewrite);
    if (message->trace == NULL)
        return;
    if (fields.length > 0)
        router_trace(message,
                     "headers rewritten using '%.*s' and '%.*s' functions:", (int)addresses.length,
                     addresses.data, (int)fields.length, fields.data);
    else
        router_trace(message, "headers rewritten using '%.*s' function:", (int)addresses.length,
                     addresses.data);
    router_trace_text(message, header);
}

static void write_plan(router_message_t *message, zm_control_writer_t *writer,
                       const router_plan_t *plan)
{
    int i, k;
    for (i = 0; i < plan->rewrites->nelts; i++) {
        const router_rewrite_group_t *group =
            APR_ARRAY_IDX(plan->rewrites, i, router_rewrite_group_t *);
        zm_str_t header = router_rewrite_header(message, group->rewrite);
        for (k = 0; k < group->senders->nelts; k++)
            write_sender_group(writer, APR_ARRAY_IDX(group->senders, k, router_sender_group_t *));
        zm_control_header(writer, header);
        trace_header(message, group->rewrite, header);
    }
}

/* The lines of the control file that tell who gets it, for the trace. */
static void trace_lines(router_message_t *message, zm_str_t file)
{
    zm_str_t rest = file, line;
    bool more = message->trace != NULL;
    while (more) {
        more = zm_str_cut(rest, '\n', &line, &rest);
        if (zm_str_equal_c(line, "m")) { /* a header block, told already */
            while (more && line.length > 0)
                more = zm_str_cut(rest, '\n', &line, &rest);
        } else if (line.length > 0 && strchr("lesrNRn", line.data[0]) != NULL) {
            router_trace(message, "%.*s", (int)line.length, line.data);
        }
    }
}

static apr_status_t make_control(router_message_t *message, const router_plan_t *plan,
                                 zm_str_t *file)
{
    zm_control_writer_t *writer = zm_control_writer(message->pool);
    zm_header_t *field;
    apr_status_t status;
    if (message->trace != NULL)
        zm_control_verbose(writer, router_trace_name(message));
    zm_control_message(writer, message->file->info.id, message->file->body_offset);
    zm_control_log_id(writer, message->message_id);
    if (!message->null_path && message->error_header.length > 0)
        zm_control_error_address(writer, message->error_header);
    for (field = message->headers->first; field != NULL; field = field->next) {
        if (field->rule->name == NULL)
            continue;
        if (strcmp(field->rule->name, "obsoletes") == 0)
            zm_control_obsoletes(writer, zm_header_line(field, message->pool));
        else if (strcmp(field->rule->name, "turnme") == 0)
            zm_control_turn(writer, zm_header_line(field, message->pool));
    }
    write_plan(message, writer, plan);
    status = zm_control_finish(writer, file);
    if (status == APR_SUCCESS)
        trace_lines(message, *file);
    return status;
}

/* -- the commit -------------------------------------------------------------------------------- */

static apr_status_t write_control(router_message_t *message, zm_str_t text, zm_object_t **object)
{
    bool own = zm_identity_privileged();
    uint64_t id = message->file->info.id;
    char *name = zm_layout_name(message->pool, ZM_DIR_TRANSPORT, message->worker->hash_levels, id);
    zm_create_options_t options = {0};
    apr_status_t status;
    *strrchr(name, '/') = '\0'; /* where it will stand for good: one directory less to wait for */
    options.directory = name;
    options.scratch = apr_psprintf(message->pool, ".%" APR_UINT64_T_FMT, (apr_uint64_t)id);
    /* The submitter owns his control file but may not write it; agents do so as root or by their
     * group. */
    options.uid = own ? message->file->info.uid : ZM_UID_NONE;
    options.gid = ZM_UID_NONE;
    options.mode = own ? 0460 : 0660;
    status = zm_object_create(object, message->worker->spool, &options);
    if (APR_STATUS_IS_EEXIST(status)) { /* left by a crash; the lock on the message makes it ours */
        (void)zm_spool_unlink(message->worker->spool,
                              apr_pstrcat(message->pool, name, "/", options.scratch, NULL));
        status = zm_object_create(object, message->worker->spool, &options);
    }
    if (status != APR_SUCCESS)
        return status;
    status = zm_object_write(*object, text.data, text.length);
    if (status != APR_SUCCESS)
        zm_object_discard(*object);
    return status;
}

static apr_status_t try_commit(router_message_t *message, zm_str_t text, const char *queued)
{
    router_worker_t *worker = message->worker;
    zm_target_t target = {0};
    zm_object_t *control;
    apr_status_t status = write_control(message, text, &control);
    if (status != APR_SUCCESS)
        return status;
    target.directory = ZM_DIR_TRANSPORT;
    target.hash_levels = worker->hash_levels;
    target.make_hash = true;
    target.id = message->file->info.id;
    target.unsynced = true;
    target.companion = message->name;
    target.companion_target = queued;
    return zm_object_publish_wait(control, &target, NULL, message->pool);
}

/*
 * A control file that already has the name of ours is of a message that is gone, for ours is alive
 * and has the id: its scheduler was stopped between removing the message and removing the file.
 */
static apr_status_t commit(router_message_t *message, zm_str_t text, const char **queued)
{
    router_worker_t *worker = message->worker;
    uint64_t id = message->file->info.id;
    const char *stale = zm_layout_name(message->pool, ZM_DIR_TRANSPORT, worker->hash_levels, id);
    zm_object_info_t info;
    apr_status_t status, there;
    *queued = zm_layout_name(message->pool, ZM_DIR_QUEUE, worker->hash_levels, id);
    status = try_commit(message, text, *queued);
    if (!APR_STATUS_IS_EEXIST(status))
        return status;
    there = zm_spool_info(&info, worker->spool, *queued);
    if (!APR_STATUS_IS_ENOENT(there))
        return status;
    zm_log(ZM_LOG_WARNING, message->spool_id, "removed the control file of a message that is gone",
           ZM_F_S("name", stale));
    status = zm_spool_unlink(worker->spool, stale);
    return status == APR_SUCCESS || APR_STATUS_IS_ENOENT(status)
               ? try_commit(message, text, *queued)
               : status;
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
        router_squirrel(message, ROUTER_SQUIRREL_NOCHANNEL, "_nochannel");
        return ROUTER_CONTROL;
    }
    message->queued = queued;
    zm_notify_send(message->worker->scheduler_notify, NULL, queued + strlen(ZM_DIR_QUEUE "/"));
    router_record_routed(message, plan, text.length);
    return ROUTER_DONE;
}
