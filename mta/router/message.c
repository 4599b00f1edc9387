#include "mta/router/record.h"
#include "mta/router/message.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/router/exits.h"
#include "mta/router/trace.h"
#include "platform/child.h"
#include "platform/log.h"

#define HEADER_LIMIT (32u << 20) /* envelope and header of one message */

/* -- opening ---------------------------------------------------------------------------- */

/* A name is the object's number; files put back by hand often have something behind it. */
static apr_status_t normalise_name(router_message_t *message, const zm_object_info_t *info)
{
    zm_name_t parts;
    const char *name;
    apr_status_t status = zm_layout_parse(&parts, zm_str(message->name));
    if (status != APR_SUCCESS)
        return status;
    name = apr_psprintf(message->pool, "%.*s/%.*s%" APR_UINT64_T_FMT, (int)parts.directory.length,
                        parts.directory.data, (int)parts.prefix.length, parts.prefix.data,
                        (apr_uint64_t)info->id);
    if (strcmp(name, message->name) == 0)
        return APR_SUCCESS;
    status = zm_spool_rename(message->worker->spool, message->name, name);
    if (status == APR_SUCCESS)
        message->name = name;
    return status;
}

/* Old routers renamed what they worked on to NUMBER-PID: as long as that process lives it is
 * theirs. */
static bool is_anothers(const char *name)
{
    zm_str_t rest, number;
    int64_t pid;
    rest = zm_str(strrchr(name, '/') + 1);
    return zm_str_cut(rest, '-', &number, &rest) && zm_str_i64(number, &pid) == APR_SUCCESS &&
           zm_str_i64(rest, &pid) == APR_SUCCESS && pid > 1 && pid != zm_process_own() &&
           zm_process_alive(pid);
}

/* Opens, locks, and looks again: another router may have been faster. */
static apr_status_t open_message(router_message_t *message)
{
    router_worker_t *worker = message->worker;
    zm_object_info_t info;
    bool named = false;
    apr_status_t status;
    if (is_anothers(message->name))
        return APR_ENOENT;
    status = router_open_message(worker->opener, &message->object, message->name);
    if (status != APR_SUCCESS)
        return status;
    /* Its owner may still have it open, and hold a lock for as long as he likes: that is no reason
     * for a worker to wait.  The next look at the directory finds the message again. */
    status = zm_object_lock_whole(message->object, false);
    if (status == APR_SUCCESS)
        status = zm_object_info(&info, message->object);
    if (status == APR_SUCCESS)
        status = zm_object_has_name(&named, message->object, message->name);
    if (status == APR_SUCCESS && !named)
        status = APR_ENOENT;
    if (status == APR_SUCCESS)
        status = normalise_name(message, &info);
    return status;
}

/* -- the way ------------------------------------------------------------------------------- */

static void trace_header(router_message_t *message)
{
    zm_script_t *script = message->worker->script;
    int i;
    if (!zm_script_traced(script, "rfc822"))
        return;
    for (i = 0; i < message->file->field_count; i++)
        zm_script_trace_text(
            script, "rfc822", "%.*s:%.*s", (int)message->file->fields[i].name.length,
            message->file->fields[i].name.data, (int)message->file->fields[i].value.length,
            message->file->fields[i].value.data);
}

/* Tells that a step begins. */
static void at(router_message_t *message, const char *step)
{
    zm_script_trace_text(message->worker->script, "sequencer", "%s: %s", message->name, step);
}

/* Users may write into the input directories without any program of ours that would keep a limit.
 */
static bool is_too_large(router_message_t *message)
{
    uint64_t largest = 0;
    zm_error_t error = {0};
    if (message->trusted)
        return false;
    if (zm_zenv_size(message->worker->zenv, "MAX_SUBMIT_SIZE", 0, &largest, &error) != APR_SUCCESS)
        zm_log(ZM_LOG_ERROR, message->spool_id, "no limit is kept", ZM_F_S("reason", error.text));
    return largest > 0 && message->file->info.size > largest;
}

static router_outcome_t run_steps(router_message_t *message)
{
    router_outcome_t outcome;
    apr_status_t status;
    at(message, "envelope");
    if (message->file->fault == ZM_MESSAGE_BAD_CONTINUATION)
        return ROUTER_BAD_CONTINUATION;
    if (message->file->fault == ZM_MESSAGE_BAD_KEYWORD)
        return ROUTER_BAD_SUBMIT;
    status = router_read_envelope(message);
    if (status == ZM_E_TEMPORARY) {
        zm_log(ZM_LOG_WARNING, message->spool_id,
               "message is left where it is: the system cannot tell now who owns it",
               ZM_F_I("uid", message->file->info.uid));
        return ROUTER_NOT_OPENED;
    }
    if (status != APR_SUCCESS)
        return ROUTER_DEFERRED;
    router_trace_open(message);
    if (is_too_large(message)) {
        router_park(message, "toolarge", "it is larger than MAX_SUBMIT_SIZE");
        return ROUTER_NOT_OPENED;
    }
    at(message, "header");
    trace_header(message);
    if ((outcome = router_read_header(message)) != ROUTER_DONE)
        return outcome;
    router_publish_envelope(message);
    at(message, "sender");
    if ((outcome = router_find_sender(message)) != ROUTER_DONE)
        return outcome;
    at(message, "recipients");
    if ((outcome = router_find_recipients(message)) != ROUTER_DONE)
        return outcome;
    at(message, "control file");
    return router_commit(message);
}

static void conclude(router_message_t *message, router_outcome_t outcome)
{
    switch (outcome) {
    case ROUTER_BAD_CONTINUATION:
        router_park(message, ":badenvelope", "an envelope line begins with a blank or a colon");
        break;
    case ROUTER_BAD_SUBMIT:
        router_park(message, ":badsubmit",
                    apr_psprintf(message->pool, "unknown envelope keyword in \"%.60s\"",
                                 zm_str_c(message->pool, message->file->fault_line)));
        break;
    case ROUTER_LOOP:
        router_squirrel(message, 0, "_looped");
        router_reject(message, "loopexceeded");
        break;
    case ROUTER_BAD_ENVELOPE:
        router_reject(message, "envelope");
        break;
    case ROUTER_DEFERRED:
        router_defer(message, message->login == NULL ? "deferuid" : "deferred");
        break;
    case ROUTER_BAD_HEADER:
        router_reject(message, "header");
        break;
    case ROUTER_NO_RECIPIENTS:
        router_reject(message, "norecipients");
        break;
    case ROUTER_NO_SENDER:
        router_squirrel(message, ROUTER_SQUIRREL_NOSENDER, "_nosender");
        router_park(message, "nosender", "no sender can be made out");
        break;
    case ROUTER_CONTROL:
        router_defer(message, "ctrlfile");
        break;
    default:
        break;
    }
}

static router_outcome_t not_opened(router_message_t *message, apr_status_t status)
{
    zm_name_t parts;
    if (status == ZM_E_LIMIT && zm_layout_parse(&parts, zm_str(message->name)) == APR_SUCCESS) {
        status = zm_spool_rename(message->worker->spool, message->name,
                                 apr_psprintf(message->pool,
                                              ZM_DIR_POSTMAN "/%" APR_UINT64_T_FMT ".toolarge",
                                              (apr_uint64_t)parts.id));
        if (status == APR_SUCCESS) {
            zm_log(ZM_LOG_ERROR, NULL, "message with an endless header is parked in postman",
                   ZM_F_S("name", message->name));
            return ROUTER_NOT_OPENED;
        }
    }
    if (status == ZM_E_BUSY)
        zm_log(ZM_LOG_NOTICE, NULL, "message waits: somebody holds a lock on it",
               ZM_F_S("name", message->name));
    else if (!APR_STATUS_IS_ENOENT(status)) /* gone is fine: somebody else finished it */
        zm_log(ZM_LOG_ERROR, NULL, "message is left where it is", ZM_F_S("name", message->name),
               ZM_F_E("reason", status));
    return APR_STATUS_IS_ENOENT(status) ? ROUTER_DONE : ROUTER_NOT_OPENED;
}

router_outcome_t router_message_route(router_worker_t *worker, const char *name,
                                      const char *argument)
{
    apr_pool_t *pool = zm_script_pool(worker->script);
    router_message_t *message = apr_pcalloc(pool, sizeof *message);
    router_outcome_t outcome;
    apr_status_t status;

    message->worker = worker;
    message->pool = pool;
    message->name = name;
    message->argument = argument;
    message->started = apr_time_now();
    if (worker->syslog != NULL)
        zm_process_times(&message->user_time, &message->system_time);
    message->with = message->via = message->envid = message->ret = message->verbose =
        message->authres = ZM_S("");
    message->error_address = message->error_header = message->message_id = ZM_S("");
    status = open_message(message);
    if (status == APR_SUCCESS)
        status = zm_message_read(&message->file, message->object, HEADER_LIMIT, pool);
    if (status != APR_SUCCESS) {
        zm_object_close(message->object);
        return not_opened(message, status);
    }
    message->arrived =
        apr_time_from_sec(message->file->info.mtime_s) + message->file->info.mtime_ns / 1000;
    zm_layout_spool_id(message->spool_id, message->file->info.id, message->file->info.mtime_s,
                       message->file->info.mtime_ns);
    worker->message = message;
    router_record_received(message);
    outcome = run_steps(message);
    if (outcome != ROUTER_DONE)
        router_trace(message, "router gives up: status %d", outcome);
    conclude(message, outcome);
    router_trace_close(message, message->queued);
    worker->message = NULL;
    zm_object_close(message->object);
    return outcome;
}
