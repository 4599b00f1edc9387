#include "tests/unit/mta/smtpserver/session_help.h"

#include <apr_strings.h>
#include <stdio.h>

#include "mta/smtpserver/turn.h"
#include "platform/clock.h"
#include "platform/localsock.h"
#include "platform/log.h"

static const char *const local_names[] = {"local.test", ".sub.test", NULL};

static void on_ended(const zm_endpoint_t *address, void *baton)
{
    client_t *client = baton;
    (void)address;
    client->ended++;
}

static void file(void *baton, zm_str_t content, turn_filed_fn *done, void *done_baton)
{
    client_t *client = baton;
    client->filed = zm_str_c(zm_test_pool(), content);
    done(client->filing, done_baton);
}

static void run(client_t *client)
{
    int i;
    for (i = 0; i < 12; i++)
        ZM_ASSERT_OK(zm_loop_once(client->server.loop, 0));
}

void client_again(client_t *client, const char *address)
{
    session_options_t options = {.group = client->config->standard,
                                 .submit = client->submit,
                                 .ended = on_ended,
                                 .baton = client};
    apr_socket_t *pair[2];
    apr_pool_t *pool;
    apr_pool_create(&pool, zm_test_pool());
    ZM_ASSERT_OK(zm_localsock_pair(pair, pool));
    client->socket = pair[1];
    if (address != NULL) {
        ZM_ASSERT_OK(zm_endpoint_parse(&options.client, zm_str(address), 40112));
        ZM_ASSERT_OK(zm_endpoint_parse(&options.server, ZM_S("192.0.2.1"),
                                       client->port != 0 ? client->port : 25));
    }
    apr_pool_create(&pool, pool);
    ZM_ASSERT_OK(session_open(&client->server, &options, pair[0], pool));
}

static config_t *configure(client_t *client, const char *text)
{
    apr_pool_t *pool = zm_test_pool();
    config_options_t options = {.style = PATTERN_VERIFY | PATTERN_EXPAND};
    zm_zenv_t *zenv;
    config_t *config;
    zm_error_t error;
    ZM_ASSERT_OK(zm_zenv_parse(&zenv, ZM_S("POSTOFFICE=/nonexistent\n"), "zmailer.conf", "/usr",
                               NULL, pool, &error));
    options.zenv = zenv;
    text = apr_pstrcat(pool, text, "\n* 999 ve\n", NULL);
    client->server.counters = zm_counters_open(zenv, false, pool);
    ZM_ASSERT_OK(config_parse(&config, zm_str(text), "smtpserver.conf", &options, pool));
    return config;
}

client_t *client_connect(const char *config, const char *address)
{
    apr_pool_t *pool = zm_test_pool();
    client_t *client = apr_pcalloc(pool, sizeof *client);
    server_t *server = &client->server;
    policy_options_t policy = {0};
    turns_options_t turns = {.hostname = "mx.local.test", .file = file, .baton = client};
    journal_options_t journal = {0};
    zm_error_t error;
    zm_log_options_t log = {.program = "test",
                            .level = ZM_LOG_ERROR,
                            .file = apr_pstrcat(pool, zm_test_directory(), "/log", NULL)};
    ZM_ASSERT_OK(zm_log_open(&log, &error));
    zm_clock_freeze(apr_time_from_sec(1795237187), apr_time_from_sec(1000));
    client->config = configure(client, config);
    server->loop = net_loop();
    server->config = client->config;
    server->hostname = "mx.local.test";
    server->local = address == NULL;
    server->style = PATTERN_VERIFY | PATTERN_EXPAND;
    server->scratch_pool = pool;
    apr_pool_create(&server->scratch_pool, pool);
    ZM_ASSERT_OK(localnames_open(&policy.names, "/nonexistent", local_names, NULL, pool, &error));
    policy.percent_hack = true;
    ZM_ASSERT_OK(policy_create(&server->policy, &policy, pool));
    ZM_ASSERT_OK(journal_open(&server->journal, &journal, pool, &error));
    turns.nodes = client->config->nodes;
    server->turns = turns_create(server->loop, &turns, pool);
    fake_spool_reset(server->loop);
    space_init(&server->space, NULL, 5000 * 1024);
    client_again(client, address);
    run(client);
    return client;
}

const char *say_bytes(client_t *client, const char *data, apr_size_t length)
{
    apr_status_t status = APR_SUCCESS;
    while (length > 0 && (status == APR_SUCCESS || APR_STATUS_IS_EAGAIN(status))) {
        apr_size_t piece = length;
        status = apr_socket_send(client->socket, data, &piece);
        data += piece;
        length -= piece;
        run(client);
    }
    run(client);
    return net_get(client->socket);
}

const char *say(client_t *client, const char *text)
{
    return say_bytes(client, text, strlen(text));
}

const char *reply_to(client_t *client, const char *text)
{
    const char *got = say(client, text);
    int i;
    for (i = 0; i < 200 && *got == '\0'; i++)
        got = say(client, "");
    return got;
}

const char *later(client_t *client, int seconds)
{
    zm_clock_advance(apr_time_from_sec(seconds));
    run(client);
    return net_get(client->socket);
}

const char *hang_up(client_t *client)
{
    const char *got;
    ZM_ASSERT_OK(apr_socket_shutdown(client->socket, APR_SHUTDOWN_WRITE));
    run(client);
    got = net_get(client->socket);
    (void)apr_socket_close(client->socket);
    run(client);
    return got;
}

void client_done(client_t *client)
{
    (void)apr_socket_close(client->socket);
    fake_spool.hold = false;
    fake_spool_release();
    run(client);
    zm_clock_advance(apr_time_from_sec(4000));
    run(client);
    zm_clock_advance(apr_time_from_sec(4000));
    run(client);
    CU_ASSERT_EQUAL(client->server.open, 0);
    turns_close(client->server.turns);
    zm_buf_free(&client->server.scratch);
    zm_buf_free(&client->server.text);
    zm_buf_free(&client->server.line);
    zm_clock_thaw();
    zm_log_close();
}

int line_count(const char *text)
{
    int count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

void zm_test_assert_has(const char *text, const char *part, const char *file, int line)
{
    if (!has(text, part))
        fprintf(stderr, "%s:%d: no \"%s\" in \"%s\"\n", file, line, part, text);
    CU_ASSERT_TRUE(has(text, part));
}

const char *hello(client_t *client)
{
    (void)net_get(client->socket);
    return say(client, "EHLO peer.test\r\n");
}

const char *send_text(client_t *client, const char *data)
{
    (void)say(client, BEGIN);
    return say(client, data);
}
