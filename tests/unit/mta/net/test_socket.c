#include "mta/net/socket.h"

#include "mta/net/stream.h"
#include "platform/clock.h"
#include "tests/unit/mta/net/net_help.h"

typedef struct result_t {
    int done;
    apr_status_t status;
    apr_socket_t *socket;
    zm_endpoint_t peer;
    int accepted;
} result_t;

static void on_connected(apr_status_t status, apr_socket_t *socket, void *baton)
{
    result_t *result = baton;
    result->done = 1;
    result->status = status;
    result->socket = socket;
}

static void on_accepted(apr_socket_t *socket, apr_pool_t *pool, void *baton)
{
    result_t *result = baton;
    result->accepted++;
    result->peer = zm_socket_remote_end(socket);
    apr_pool_destroy(pool);
}

static zm_endpoint_t where(const char *text)
{
    zm_endpoint_t endpoint = {{0, {0}}, 0};
    ZM_ASSERT_OK(zm_endpoint_parse(&endpoint, zm_str(text), 0));
    return endpoint;
}

static apr_socket_t *listen_at(const char *text, zm_endpoint_t *actual)
{
    zm_endpoint_t wanted = where(text);
    apr_socket_t *socket = NULL;
    ZM_ASSERT_OK(zm_socket_listen(&socket, &wanted, 0, zm_test_pool(), NULL));
    *actual = zm_socket_local_end(socket);
    return socket;
}

static void port_zero_tells_the_port_it_got(void)
{
    zm_endpoint_t actual;
    listen_at("127.0.0.1:0", &actual);
    CU_ASSERT_NOT_EQUAL(actual.port, 0);
    CU_ASSERT_TRUE(zm_ip_is_loopback(&actual.ip));
}

static void connection_is_made_and_accepted(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server;
    apr_socket_t *socket = listen_at("127.0.0.1:0", &server);
    zm_listener_t *listener;
    zm_connect_t *connect;
    ZM_ASSERT_OK(zm_listener_open(&listener, loop, socket, on_accepted, &result));
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    CU_ASSERT_EQUAL(result.done, 0);
    net_run_until(loop, &result.done);
    ZM_ASSERT_OK(result.status);
    net_run_until(loop, &result.accepted);
    CU_ASSERT_EQUAL(zm_socket_local_end(result.socket).port, result.peer.port);
    CU_ASSERT_EQUAL(zm_socket_remote_end(result.socket).port, server.port);
    zm_listener_close(listener);
}

static void any_address_serves_ipv4(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t bound, server = where("127.0.0.1");
    apr_socket_t *socket = listen_at("*:0", &bound);
    zm_listener_t *listener;
    zm_connect_t *connect;
    server.port = bound.port;
    ZM_ASSERT_OK(zm_listener_open(&listener, loop, socket, on_accepted, &result));
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    net_run_until(loop, &result.accepted);
    CU_ASSERT_EQUAL(result.peer.ip.family, 4);
    zm_listener_close(listener);
}

static void source_address_is_used(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server, source = where("127.0.0.1:0");
    apr_socket_t *socket = listen_at("127.0.0.1:0", &server);
    zm_listener_t *listener;
    zm_connect_t *connect;
    ZM_ASSERT_OK(zm_listener_open(&listener, loop, socket, on_accepted, &result));
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, &source, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    net_run_until(loop, &result.accepted);
    CU_ASSERT_TRUE(zm_ip_equal(&result.peer.ip, &source.ip));
    zm_listener_close(listener);
}

static void refused_connection_is_told_with_its_reason(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server;
    zm_connect_t *connect;
    apr_socket_close(listen_at("127.0.0.1:0", &server)); /* nobody listens there any more */
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(15),
                                  on_connected, &result, zm_test_pool()));
    net_run_until(loop, &result.done);
    CU_ASSERT_TRUE(APR_STATUS_IS_ECONNREFUSED(result.status));
    CU_ASSERT_PTR_NULL(result.socket);
}

/* A listening socket whose queue is full lets a connect hang. */
static void hanging_connect_ends_at_its_time_limit(void)
{
    result_t filler[8] = {{0}}, result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server, wanted = where("127.0.0.1:0");
    apr_socket_t *socket;
    zm_connect_t *connect, *fillers[8];
    int i;
    if (zm_test_on_wine())
        return; /* its queue takes more than it was told */
    ZM_ASSERT_OK(zm_socket_listen(&socket, &wanted, 1, zm_test_pool(), NULL));
    server = zm_socket_local_end(socket);
    for (i = 0; i < 8; i++)
        ZM_ASSERT_OK(zm_connect_start(&fillers[i], loop, &server, NULL, apr_time_from_sec(1000),
                                      on_connected, &filler[i], zm_test_pool()));
    net_run_idle(loop);
    zm_clock_freeze(zm_clock_wall(), zm_clock_monotonic());
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    net_run_idle(loop);
    CU_ASSERT_EQUAL(result.done, 0);
    zm_clock_advance(apr_time_from_sec(10));
    net_run_idle(loop);
    CU_ASSERT_EQUAL(result.done, 1);
    CU_ASSERT_TRUE(APR_STATUS_IS_TIMEUP(result.status));
    zm_clock_thaw();
    for (i = 0; i < 8; i++)
        if (!filler[i].done)
            zm_connect_cancel(fillers[i]);
}

static void cancelled_connect_is_not_heard_of(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server;
    zm_connect_t *connect;
    listen_at("127.0.0.1:0", &server);
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    zm_connect_cancel(connect);
    net_run_idle(loop);
    CU_ASSERT_EQUAL(result.done, 0);
}

static void port_of_a_living_server_is_refused(void)
{
    zm_endpoint_t server;
    apr_socket_t *second;
    zm_error_t error;
    listen_at("127.0.0.1:0", &server);
    CU_ASSERT_NOT_EQUAL(zm_socket_listen(&second, &server, 0, zm_test_pool(), &error), APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "cannot listen on 127.0.0.1:"));
}

static void paused_listener_leaves_connections_waiting(void)
{
    result_t result = {0};
    zm_loop_t *loop = net_loop();
    zm_endpoint_t server;
    apr_socket_t *socket = listen_at("127.0.0.1:0", &server);
    zm_listener_t *listener;
    zm_connect_t *connect;
    ZM_ASSERT_OK(zm_listener_open(&listener, loop, socket, on_accepted, &result));
    zm_listener_pause(listener, true);
    ZM_ASSERT_OK(zm_connect_start(&connect, loop, &server, NULL, apr_time_from_sec(10),
                                  on_connected, &result, zm_test_pool()));
    net_run_until(loop, &result.done);
    net_run_idle(loop);
    CU_ASSERT_EQUAL(result.accepted, 0);
    zm_listener_pause(listener, false);
    net_run_until(loop, &result.accepted);
    zm_listener_close(listener);
}

ZM_TESTS("net socket", ZM_TEST(port_zero_tells_the_port_it_got),
         ZM_TEST(connection_is_made_and_accepted), ZM_TEST(any_address_serves_ipv4),
         ZM_TEST(source_address_is_used), ZM_TEST(refused_connection_is_told_with_its_reason),
         ZM_TEST(hanging_connect_ends_at_its_time_limit),
         ZM_TEST(cancelled_connect_is_not_heard_of), ZM_TEST(port_of_a_living_server_is_refused),
         ZM_TEST(paused_listener_leaves_connections_waiting))
