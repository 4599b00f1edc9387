/*
 * An SMTP session.  The first byte chooses the kind of client, whether bare
 * newlines are let pass, and what is spoken, the second the size of the pieces in which the rest
 * arrives.
 *
 * Every reply line is well formed; every stored message has one well-formed
 * envelope with at least one recipient, and nothing of the input can add to it;
 * the session ends when the client does, and leaves nothing behind.
 */
#include <apr_strings.h>
#include <ctype.h>
#include <string.h>

#include "mta/smtpserver/session.h"
#include "platform/localsock.h"
#include "platform/log.h"
#include "tests/fuzz/fuzz.h"

/* -- a spool in memory, in place of the real one ------------------------------------------ */

struct zm_submission_t {
    zm_buf_t text;
    zm_publish_fn *fn;
    void *baton;
    int recipients;
    bool ended; /* the envelope */
};

static zm_loop_t *loop;
static int living;

apr_status_t zm_submit_begin(zm_submission_t **submission, zm_submitter_t *submitter,
                             const zm_submit_options_t *options)
{
    (void)submitter;
    (void)options;
    *submission = calloc(1, sizeof **submission);
    living++;
    return APR_SUCCESS;
}

void zm_submit_abort(zm_submission_t *submission)
{
    zm_buf_free(&submission->text);
    free(submission);
    living--;
}

apr_status_t zm_submit_line(zm_submission_t *submission, const char *keyword, zm_str_t value)
{
    FUZZ_EXPECT(!submission->ended);
    FUZZ_EXPECT(zm_str_find(value, '\n') < 0 && zm_str_find(value, '\r') < 0 &&
                zm_str_find(value, '\0') < 0);
    submission->recipients += strcmp(keyword, "to") == 0;
    FUZZ_EXPECT(strcmp(keyword, "to") != 0 || value.length > 0);
    return APR_SUCCESS;
}

apr_status_t zm_submit_overwrite(zm_submission_t *submission, uint64_t offset, const void *data,
                                 apr_size_t length)
{
    (void)submission;
    (void)offset;
    (void)data;
    (void)length;
    return APR_SUCCESS;
}

apr_status_t zm_submit_env_end(zm_submission_t *submission)
{
    FUZZ_EXPECT(!submission->ended && submission->recipients > 0);
    submission->ended = true;
    return APR_SUCCESS;
}

apr_status_t zm_submit_write(zm_submission_t *submission, const void *data, apr_size_t length)
{
    FUZZ_EXPECT(submission->ended);
    zm_buf_add(&submission->text, data, length);
    return APR_SUCCESS;
}

uint64_t zm_submit_written(const zm_submission_t *submission)
{
    return submission->text.length;
}

apr_status_t zm_submit_read(zm_submission_t *submission, uint64_t offset, void *buffer,
                            apr_size_t *length)
{
    (void)submission;
    (void)offset;
    (void)buffer;
    (void)length;
    return APR_EOF;
}

apr_status_t zm_submit_path(const char **path, zm_submission_t *submission, apr_pool_t *pool)
{
    (void)path;
    (void)submission;
    (void)pool;
    return ZM_E_UNSUPPORTED;
}

apr_status_t zm_submit_info(zm_object_info_t *info, zm_submission_t *submission)
{
    (void)submission;
    memset(info, 0, sizeof *info);
    return APR_SUCCESS;
}

void zm_submit_set_priority(zm_submission_t *submission, int priority)
{
    (void)submission;
    (void)priority;
}

static void answer(void *baton)
{
    zm_submission_t *submission = baton;
    const zm_published_t published = {.name = "router/1", .info = {.id = 1, .mtime_s = 1}};
    submission->fn(APR_SUCCESS, &published, submission->baton);
    zm_submit_abort(submission);
}

void zm_submit_commit(zm_submission_t *submission, zm_publish_fn *fn, void *baton)
{
    FUZZ_EXPECT(submission->ended);
    submission->fn = fn;
    submission->baton = baton;
    FUZZ_EXPECT(zm_loop_post(loop, answer, submission) == APR_SUCCESS);
}

void zm_submit_commit_aside(zm_submission_t *submission, const char *directory, const char *suffix,
                            zm_publish_fn *fn, void *baton)
{
    (void)directory;
    (void)suffix;
    zm_submit_commit(submission, fn, baton);
}

apr_status_t zm_spool_free_space(zm_spool_t *spool, uint64_t *bytes, uint64_t *objects)
{
    (void)spool;
    *bytes = *objects = UINT64_C(1) << 40;
    return APR_SUCCESS;
}

/* -- the server ------------------------------------------------------------------------------ */

static zm_zenv_t *site(void)
{
    static apr_pool_t *pool;
    static zm_zenv_t *zenv;
    zm_error_t error;
    if (zenv == NULL) {
        const zm_log_options_t log = {.program = "fuzz", .level = ZM_LOG_ERROR};
        FUZZ_EXPECT(apr_pool_create(&pool, NULL) == APR_SUCCESS);
        FUZZ_EXPECT(zm_zenv_parse(&zenv, ZM_S("POSTOFFICE=/po\n"), "zmailer.conf", "/usr", NULL,
                                  pool, &error) == APR_SUCCESS);
        FUZZ_EXPECT(zm_loop_create(&loop, pool) == APR_SUCCESS);
        FUZZ_EXPECT(zm_log_open(&log, &error) == APR_SUCCESS);
    }
    return zenv;
}

static void make_server(server_t *server, int kind, apr_pool_t *pool)
{
    static const char *const names[] = {"local.test", NULL};
    config_options_t options = {.zenv = site()};
    policy_options_t policy = {.percent_hack = true};
    const char *text = apr_pstrcat(
        pool,
        kind & 2 ? "PARAM data-bare-newline accept\n* 999 S\n" : "PARAM maxsize 5000\n* 999 veR\n",
        kind & 4 ? "PARAM lmtp-mode\nPARAM deliverby 60\nPARAM NoPIPELINING\n" : "",
        kind & 8 ? "PARAM MSA-mode\nPARAM no-multiline-replies\n" : "",
        kind & 16 ? "PARAM smtp-auth\nPARAM auth-user-file /x\nPARAM AUTH-LOGIN-also-without-TLS\n"
                  : "",
        NULL);
    config_t *config;
    zm_error_t error;
    memset(server, 0, sizeof *server);
    FUZZ_EXPECT(config_parse(&config, zm_str(text), "x", &options, pool) == APR_SUCCESS);
    FUZZ_EXPECT(localnames_open(&policy.names, "/nonexistent", names, NULL, pool, &error) ==
                APR_SUCCESS);
    FUZZ_EXPECT(policy_create(&server->policy, &policy, pool) == APR_SUCCESS);
    FUZZ_EXPECT(apr_pool_create(&server->scratch_pool, pool) == APR_SUCCESS);
    server->loop = loop;
    server->config = config;
    server->hostname = "mx.local.test";
    server->local = (kind & 1) != 0;
    if (kind & 16) /* nobody can ever say who is right */
        server->verifiers = inquiries_create(loop, "/nonexistent/desk", 0, pool);
    space_init(&server->space, NULL, 0);
}

static void run(void)
{
    int i;
    for (i = 0; i < 4; i++)
        FUZZ_EXPECT(zm_loop_once(loop, 0) == APR_SUCCESS);
}

/* -- the client ------------------------------------------------------------------------------- */

/* Takes what has come and checks the lines that are whole.  False: the server has ended. */
static bool hear(apr_socket_t *socket, zm_buf_t *replies)
{
    apr_status_t status;
    zm_str_t line, rest;
    do {
        char piece[4096];
        apr_size_t length = sizeof piece;
        status = apr_socket_recv(socket, piece, &length);
        if (status == APR_SUCCESS)
            zm_buf_add(replies, piece, length);
    } while (status == APR_SUCCESS);
    while (zm_str_cut(zm_buf_str(replies), '\n', &line, &rest)) {
        apr_size_t i;
        FUZZ_EXPECT(line.length >= 5 && line.length <= 511);
        FUZZ_EXPECT(line.data[0] >= '2' && line.data[0] <= '5' && isdigit(line.data[1]) &&
                    isdigit(line.data[2]) && (line.data[3] == ' ' || line.data[3] == '-'));
        for (i = 0; i < line.length - 1; i++)
            FUZZ_EXPECT(line.data[i] >= ' ' && line.data[i] <= '~');
        FUZZ_EXPECT(line.data[line.length - 1] == '\r');
        if (line.length > 8 && isdigit(line.data[4]) && line.data[5] == '.' &&
            isdigit(line.data[6]) && line.data[7] == '.') /* an enhanced code goes with its code */
            FUZZ_EXPECT(line.data[4] == line.data[0]);
        zm_buf_consume(replies, line.length + 1);
    }
    return APR_STATUS_IS_EAGAIN(status);
}

static void talk(apr_socket_t *socket, zm_str_t text, apr_size_t piece)
{
    zm_buf_t replies = ZM_BUF_INIT;
    apr_ssize_t first = zm_str_find(text, '\n') + 1; /* alone, since a greeting must be */
    bool open = true;
    while (text.length > 0 && open) {
        apr_size_t length = text.length < piece ? text.length : piece;
        if (first > 0)
            length = (apr_size_t)first;
        first = 0;
        if (apr_socket_send(socket, text.data, &length) != APR_SUCCESS)
            break;
        text = zm_str_from(text, length);
        run();
        open = hear(socket, &replies);
    }
    (void)apr_socket_shutdown(socket, APR_SHUTDOWN_WRITE);
    run();
    (void)hear(socket, &replies);
    FUZZ_EXPECT(replies.length == 0);
    zm_buf_free(&replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool(), *session_pool;
    session_options_t options = {0};
    apr_socket_t *pair[2];
    server_t server;
    if (size < 2)
        return 0;
    make_server(&server, data[0], pool);
    options.group = server.config->standard;
    if ((data[0] & 1) == 0)
        FUZZ_EXPECT(zm_endpoint_parse(&options.client, ZM_S("192.0.2.9"), 1) == APR_SUCCESS);
    FUZZ_EXPECT(zm_localsock_pair(pair, pool) == APR_SUCCESS);
    FUZZ_EXPECT(apr_pool_create(&session_pool, pool) == APR_SUCCESS);
    FUZZ_EXPECT(session_open(&server, &options, pair[0], session_pool) == APR_SUCCESS);
    run();
    talk(pair[1], zm_str_of((const char *)data + 2, size - 2), (apr_size_t)data[1] + 1);
    (void)apr_socket_close(pair[1]);
    run();
    FUZZ_EXPECT(server.open == 0 && living == 0);
    inquiries_close(server.verifiers);
    zm_buf_free(&server.scratch);
    zm_buf_free(&server.text);
    zm_buf_free(&server.line);
    return 0;
}
