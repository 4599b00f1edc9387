#include <apr_strings.h>
#include <apr_poll.h>
#include <stdio.h>
#include <string.h>

#include "mta/router/pickup.h"
#include "platform/localsock.h"
#include "spool/trace.h"

#define ANSWER_PATIENCE apr_time_from_sec(60)

struct router_opener_t {
    zm_spool_t *spool;
    const char *path; /* of the helper's socket; null: no helper */
    apr_socket_t *socket;
    apr_pool_t *pool, *socket_pool;
};

static apr_status_t connect_helper(router_opener_t *opener)
{
    apr_status_t status;
    apr_pool_clear(opener->socket_pool);
    status = zm_localsock_connect(&opener->socket, opener->path, opener->socket_pool);
    if (status != APR_SUCCESS) {
        opener->socket = NULL;
        return status;
    }
    return apr_socket_timeout_set(opener->socket, ANSWER_PATIENCE);
}

apr_status_t router_opener_create(router_opener_t **opener, zm_spool_t *spool,
                                  const char *socket_path, apr_pool_t *pool, zm_error_t *error)
{
    router_opener_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status;
    made->spool = spool;
    made->path = socket_path;
    made->pool = pool;
    apr_pool_create(&made->socket_pool, pool);
    *opener = made;
    if (socket_path == NULL || (status = connect_helper(made)) == APR_SUCCESS)
        return APR_SUCCESS;
    return zm_error_system(error, status, "cannot reach the pickup helper at %s", socket_path);
}

static apr_status_t await_input(router_opener_t *opener)
{
    apr_pollfd_t polled = {
        .p = opener->pool, .desc_type = APR_POLL_SOCKET, .reqevents = APR_POLLIN};
    apr_interval_time_t patience;
    apr_int32_t ready;
    apr_status_t status;
    apr_socket_timeout_get(opener->socket, &patience);
    polled.desc.s = opener->socket;
    do
        status = apr_poll(&polled, 1, &ready, patience);
    while (APR_STATUS_IS_EINTR(status));
    return status;
}

/* Waits for the answer: receiving a file never does. */
static apr_status_t await_answer(router_opener_t *opener, char *answer, apr_size_t *length,
                                 int *descriptor)
{
    apr_size_t room = *length;
    apr_status_t status = await_input(opener);
    while (status == APR_SUCCESS) {
        *length = room;
        status = zm_localsock_receive_file(opener->socket, answer, length, descriptor);
        if (!APR_STATUS_IS_EAGAIN(status))
            return status;
        status = await_input(opener);
    }
    return status;
}

/* Sends a request and receives the answer and perhaps a file. */
static apr_status_t exchange(router_opener_t *opener, const char *request, char *answer,
                             apr_size_t *length, int *descriptor)
{
    apr_size_t sent = strlen(request);
    apr_status_t status = opener->socket != NULL ? APR_SUCCESS : connect_helper(opener);
    if (status == APR_SUCCESS)
        status = apr_socket_send(opener->socket, request, &sent);
    if (status == APR_SUCCESS)
        status = await_answer(opener, answer, length, descriptor);
    if (status != APR_SUCCESS && opener->socket != NULL) {
        apr_socket_close(opener->socket);
        opener->socket = NULL;
    }
    return status;
}

/* "ok" with mode and owner of the folder, or "no CODE". */
static apr_status_t read_answer(zm_str_t answer, router_folder_t *folder)
{
    zm_str_t word, number;
    int64_t code;
    if (!zm_str_word(&answer, &word))
        return ZM_E_PROTOCOL;
    if (zm_str_equal_c(word, "ok")) {
        if (folder == NULL)
            return APR_SUCCESS;
        memset(folder, 0, sizeof *folder);
        if (!zm_str_word(&answer, &number) || zm_str_i64(number, &code) != APR_SUCCESS ||
            !zm_str_word(&answer, &number) || zm_str_i64(number, &folder->uid) != APR_SUCCESS)
            return ZM_E_PROTOCOL;
        folder->mode = (uint32_t)code;
        return APR_SUCCESS;
    }
    if (zm_str_equal_c(word, "no") && zm_str_word(&answer, &number) &&
        zm_str_i64(number, &code) == APR_SUCCESS && code != 0)
        return (apr_status_t)code;
    return ZM_E_PROTOCOL;
}

static apr_status_t ask(router_opener_t *opener, const char *request, router_folder_t *folder,
                        int *descriptor)
{
    char answer[64];
    apr_size_t length = sizeof answer - 1;
    apr_status_t status = exchange(opener, request, answer, &length, descriptor);
    if (status != APR_SUCCESS) { /* the helper was restarted: once more */
        length = sizeof answer - 1;
        status = exchange(opener, request, answer, &length, descriptor);
    }
    if (status != APR_SUCCESS)
        return status;
    if (answer[length - 1] != '\n')
        status = ZM_E_PROTOCOL;
    else
        status = read_answer(zm_str_of(answer, length - 1), folder);
    return status == APR_SUCCESS && *descriptor < 0 ? ZM_E_PROTOCOL : status;
}

/* A request of up to three words; ZM_E_LIMIT when it is too long. */
static apr_status_t ask_for(router_opener_t *opener, const char *what, const char *uid,
                            const char *name, router_folder_t *folder, int *descriptor)
{
    char request[ROUTER_PICKUP_LINE];
    if (strchr(name, '\n') != NULL || name[0] == '\0')
        return APR_EINVAL;
    if (snprintf(request, sizeof request, "%s %s%s\n", what, uid, name) >= (int)sizeof request)
        return APR_ENAMETOOLONG;
    return ask(opener, request, folder, descriptor);
}

apr_status_t router_open_message(router_opener_t *opener, zm_object_t **object, const char *name)
{
    int descriptor = -1;
    apr_status_t status;
    if (opener->path == NULL)
        return zm_object_open(object, opener->spool, name, ZM_OBJECT_UPDATE | ZM_OBJECT_STEADY);
    status = ask_for(opener, "message", "", name, NULL, &descriptor);
    return status != APR_SUCCESS ? status : zm_object_adopt(object, opener->spool, descriptor);
}

static const char *number(zm_uid_t uid, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT " ", (apr_int64_t)uid);
}

apr_status_t router_open_file(router_opener_t *opener, zm_file_t **file, router_folder_t *folder,
                              zm_uid_t uid, const char *path, apr_pool_t *pool)
{
    int descriptor = -1;
    apr_status_t status;
    if (opener->path == NULL)
        return router_opening_file(file, folder, uid, path, pool);
    status = ask_for(opener, "file", number(uid, pool), path, folder, &descriptor);
    if (status == ZM_E_UNSAFE && uid == 0 && router_is_plain_path(zm_str(path)))
        /* not for root; perhaps for everybody */
        return router_opening_file(file, folder, uid, path, pool);
    return status != APR_SUCCESS ? status : zm_file_adopt(file, descriptor, pool);
}

apr_status_t router_open_trace(router_opener_t *opener, zm_object_t **trace, zm_uid_t uid,
                               const char *leaf, apr_pool_t *pool)
{
    int descriptor = -1;
    apr_status_t status;
    if (opener->path == NULL)
        return zm_spool_trace_open(trace, opener->spool, zm_str(leaf), uid);
    status = ask_for(opener, "trace", number(uid, pool), leaf, NULL, &descriptor);
    return status != APR_SUCCESS ? status : zm_object_adopt(trace, opener->spool, descriptor);
}
