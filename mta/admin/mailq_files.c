#include "mta/admin/mailq.h"

#include <apr_strings.h>
#include <stdio.h>
#include <string.h>

#include "mta/conf/site.h"
#include "platform/service.h"
#include "spool/layout.h"

#define CONTROL_LIMIT (256u * 1024 * 1024)

static zm_spool_t *spool_of(mailq_t *mailq)
{
    zm_error_t error;
    if (!mailq->spool_tried) {
        mailq->spool_tried = true;
        if (zm_site_spool(&mailq->spool, mailq->zenv, NULL, mailq->pool, &error) != APR_SUCCESS)
            mailq->spool = NULL;
    }
    return mailq->spool;
}

/* -- one message --------------------------------------------------------------------------- */

static mailq_file_t *read_file(mailq_t *mailq, zm_str_t path, apr_pool_t *pool)
{
    mailq_file_t *file = apr_pcalloc(pool, sizeof *file);
    const char *leaf = zm_str_c(pool, path);
    zm_object_info_t info;
    zm_object_t *object;
    zm_error_t error;
    char *data;
    apr_size_t length;
    apr_status_t status;

    if (mailq->server != NULL || spool_of(mailq) == NULL ||
        zm_object_open(&object, mailq->spool, apr_pstrcat(pool, ZM_DIR_TRANSPORT "/", leaf, NULL),
                       ZM_OBJECT_READ) != APR_SUCCESS)
        return NULL;
    status = zm_object_read_all(object, &data, &length, CONTROL_LIMIT, pool);
    zm_object_close(object);
    if (status != APR_SUCCESS ||
        zm_control_parse(&file->control, data, length, pool, &error) != APR_SUCCESS ||
        zm_spool_info(&info, mailq->spool, apr_pstrcat(pool, ZM_DIR_QUEUE "/", leaf, NULL)) !=
            APR_SUCCESS)
        return NULL;
    file->control_size = length;
    file->message_size = info.size;
    file->arrived = info.mtime_s;
    file->owner = info.uid;
    return file;
}

mailq_file_t *mailq_file(mailq_t *mailq, zm_str_t path, apr_pool_t *pool)
{
    mailq_file_t *file = read_file(mailq, path, pool);
    *(file != NULL ? &mailq->any_read : &mailq->any_unread) = true;
    return file;
}

static const zm_control_recipient_t *recipient_at(const zm_control_file_t *control, uint64_t offset)
{
    int low = 0, high = control->recipient_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (control->recipients[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < control->recipient_count && control->recipients[low].offset == offset
               ? &control->recipients[low]
               : NULL;
}

zm_str_t mailq_file_recipient(const mailq_file_t *file, uint64_t offset, apr_pool_t *pool)
{
    const zm_control_recipient_t *recipient = recipient_at(file->control, offset);
    return recipient != NULL ? zm_quad_unquote(pool, recipient->quad.user) : ZM_S("");
}

zm_str_t mailq_file_sender(const mailq_file_t *file, uint64_t offset)
{
    const zm_control_recipient_t *recipient =
        file != NULL ? recipient_at(file->control, offset) : NULL;
    return recipient != NULL && recipient->sender >= 0
               ? file->control->senders[recipient->sender].error_address
               : ZM_S("");
}

/* -- a message that the scheduler does not know -------------------------------------------- */

/* The directories beside router/ that mail is submitted to: INPUTDIRS and ROUTERDIRS. */
static const char *const input_lists[][2] = {{"INPUTDIRS", ""},
                                             {"ROUTERDIRS", "router1:router2:router3:router4"}};

/* Takes the next one out of a list; null after the last. */
static const char *next_input(mailq_t *mailq, zm_str_t *list)
{
    while (list->length > 0) {
        zm_str_t word = *list, rest = ZM_S("");
        zm_str_cut(*list, ':', &word, &rest);
        *list = rest;
        if (word.length > 0 && !zm_str_equal_c(word, ZM_DIR_ROUTER))
            return zm_str_c(mailq->pool, word);
    }
    return NULL;
}

static zm_str_t input_list(const mailq_t *mailq, int which)
{
    return zm_str(zm_zenv_get_or(mailq->zenv, input_lists[which][0], input_lists[which][1]));
}

static bool find_in(mailq_t *mailq, const char *directory, uint64_t id, const char **found)
{
    zm_listing_t *listing;
    const char *name;
    zm_name_t parts;
    bool any = false;

    if (zm_spool_list(&listing, mailq->spool, directory, false, mailq->pool) != APR_SUCCESS)
        return false;
    while (!any && zm_listing_next(listing, &name) == APR_SUCCESS)
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.id == id) {
            *found = apr_pstrdup(mailq->pool, name);
            any = true;
        }
    zm_listing_close(listing);
    return any;
}

#define WAITS_FOR_ROUTER "it waits for the router; see the router's log if it stays there"

static bool find_in_inputs(mailq_t *mailq, uint64_t id, const char **found)
{
    const char *directory;
    int which;
    for (which = 0; which < 2; which++) {
        zm_str_t list = input_list(mailq, which);
        while ((directory = next_input(mailq, &list)) != NULL)
            if (find_in(mailq, directory, id, found))
                return true;
    }
    return false;
}

int mailq_explain_file(mailq_t *mailq, zm_str_t id)
{
    static const struct {
        const char *directory, *meaning;
    } places[] = {
        {ZM_DIR_ROUTER, WAITS_FOR_ROUTER},
        {ZM_DIR_DEFERRED, "routing failed for now; zmailer resubmit tries again"},
        {ZM_DIR_TRANSPORT, "it is routed, and the scheduler has not taken it up; see its log"},
        {ZM_DIR_QUEUE, "the router is at it, or it lost its control file; a restart of the router "
                       "routes it again"},
        {ZM_DIR_POSTMAN, "it was set aside for the postmaster"},
        {ZM_DIR_FREEZER, "content policy set it aside"},
    };
    const char *name;
    uint64_t number;
    apr_size_t start = 0, end, i;

    for (i = 0; i < id.length; i++)
        if (id.data[i] == '/' || (i == 0 && id.data[i] == 'S'))
            start = i + 1;
    for (end = start; end < id.length && zm_is_digit(id.data[end]); end++)
        continue;
    if (zm_str_starts(id, ZM_S("<"))) {
        printf("%.*s is not in the scheduler's queue; the logs tell\n", (int)id.length, id.data);
        return 0;
    }
    if (spool_of(mailq) == NULL ||
        zm_str_u64(zm_str_of(id.data + start, end - start), &number) != APR_SUCCESS)
        return mailq_complain(EXIT_UNAVAILABLE,
                              "the scheduler does not know %.*s, and the spool "
                              "cannot be read",
                              (int)id.length, id.data);
    for (i = 0; i < sizeof places / sizeof places[0]; i++)
        if (find_in(mailq, places[i].directory, number, &name)) {
            printf("%s: %s\n", name, places[i].meaning);
            return 0;
        }
    if (find_in_inputs(mailq, number, &name)) {
        printf("%s: " WAITS_FOR_ROUTER "\n", name);
        return 0;
    }
    printf("%.*s is not in the spool: it is finished, or never came; the logs tell\n",
           (int)id.length, id.data);
    return 0;
}

/* -- directories --------------------------------------------------------------------------- */

/* Messages in a directory and its hash directories; -1 when it cannot be listed. */
static int64_t count_messages(mailq_t *mailq, const char *directory)
{
    zm_listing_t *listing;
    const char *name;
    int64_t count = 0;
    zm_name_t parts;

    if (spool_of(mailq) == NULL ||
        zm_spool_list(&listing, mailq->spool, directory, false, mailq->pool) != APR_SUCCESS)
        return -1;
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        if (zm_layout_parse(&parts, zm_str(name)) == APR_SUCCESS && parts.numeric)
            count++;
    zm_listing_close(listing);
    return count;
}

/* Whether the daemons of this spool work on another machine, as far as we were told. */
static bool is_elsewhere(const mailq_t *mailq)
{
    const char *server = mailq->server;
    if (server == NULL && mailq->port == NULL)
        server = zm_zenv_get_or(mailq->zenv, "MAILSERVER", NULL);
    return server != NULL && strcmp(server, "localhost") != 0;
}

static bool has_core(const mailq_t *mailq, const char *directory)
{
    apr_finfo_t info;
    return apr_stat(&info,
                    apr_pstrcat(mailq->pool, zm_zenv_postoffice(mailq->zenv), "/", directory,
                                "/core", NULL),
                    APR_FINFO_TYPE, mailq->pool) == APR_SUCCESS;
}

static const char *daemon_state(mailq_t *mailq, const char *pid_file, const char *at_work,
                                const char *gone, int64_t count)
{
    const char *path =
        apr_pstrcat(mailq->pool, zm_zenv_postoffice(mailq->zenv), "/", pid_file, NULL);
    apr_int64_t pid;
    apr_finfo_t info;

    if (zm_pidfile_holder(&pid, path, mailq->pool) == APR_SUCCESS)
        return count > 0 ? at_work : "idle";
    if (is_elsewhere(mailq))
        return "non-local";
    if (apr_stat(&info, path, APR_FINFO_TYPE, mailq->pool) == APR_SUCCESS)
        return gone;
    return "never started";
}

static void tell_json(const char *directory, int64_t count, const char *state)
{
    static bool any;
    printf("%s\n {\"directory\":", any ? "," : "");
    mailq_json_string(zm_str(directory));
    printf(",\"messages\":%lld", (long long)count);
    if (state != NULL)
        mailq_json_field("daemon", zm_str(state));
    printf("}");
    any = true;
}

static void tell_inputs(mailq_t *mailq, const char *directory, int64_t count)
{
    const char *gone = has_core(mailq, ZM_DIR_ROUTER) ? "core dumped" : "no daemon";
    const char *state = daemon_state(mailq, ".pid.router", "processing", gone, count);
    if (mailq->json)
        tell_json(directory, count, state);
    else
        printf("%lld entr%s in %s/%s/ directory: %s\n", (long long)count, count == 1 ? "y" : "ies",
               zm_zenv_postoffice(mailq->zenv), directory, state);
}

static void tell_more_inputs(mailq_t *mailq)
{
    const char *directory;
    int which;
    for (which = 0; which < 2; which++) {
        zm_str_t list = input_list(mailq, which);
        while ((directory = next_input(mailq, &list)) != NULL) {
            int64_t count = count_messages(mailq, directory);
            if (count > 0)
                tell_inputs(mailq, directory, count);
        }
    }
}

static void tell_rest(mailq_t *mailq, int64_t deferred, int64_t control, int64_t queued)
{
    const char *postoffice = zm_zenv_postoffice(mailq->zenv);
    const char *state =
        daemon_state(mailq, ".pid.scheduler", "working", "no scheduler daemon", control);
    if (mailq->json) {
        tell_json(ZM_DIR_DEFERRED, deferred, NULL);
        tell_json(ZM_DIR_TRANSPORT, control, state);
        tell_json(ZM_DIR_QUEUE, queued, NULL);
        return;
    }
    if (deferred > 0)
        printf("%lld message%s deferred\n", (long long)deferred, deferred == 1 ? "" : "s");
    printf("%lld message%s in %s/transport/ directory: %s%s\n", (long long)control,
           control == 1 ? "" : "s", postoffice, state,
           has_core(mailq, ZM_DIR_TRANSPORT) ? " (core exists)" : "");
    if (queued >= 0 && queued != control)
        printf("%lld message%s in %s/queue/ directory\n", (long long)queued, queued == 1 ? "" : "s",
               postoffice);
}

int mailq_status(mailq_t *mailq)
{
    int64_t routing = count_messages(mailq, ZM_DIR_ROUTER);
    int64_t deferred = count_messages(mailq, ZM_DIR_DEFERRED);
    int64_t control = count_messages(mailq, ZM_DIR_TRANSPORT);
    int64_t queued = count_messages(mailq, ZM_DIR_QUEUE);

    if (routing < 0 || control < 0)
        return mailq_complain(EXIT_OSFILE, "cannot read the spool at %s",
                              zm_zenv_postoffice(mailq->zenv));
    if (mailq->json)
        printf("[");
    tell_inputs(mailq, ZM_DIR_ROUTER, routing);
    tell_more_inputs(mailq);
    tell_rest(mailq, deferred, control, queued);
    if (mailq->json)
        printf("]\n");
    return 0;
}
