#include "platform/localsock.h"

#include <apr_strings.h>

#include "platform/fs.h"
#include "platform/loop.h"
#include "tests/unit/harness.h"

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static void nothing(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    *(int *)baton |= events;
}

/* Waits until the socket has something, through a loop. */
static void await(apr_socket_t *socket)
{
    zm_loop_t *loop;
    zm_watch_t *watch;
    int events = 0;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    ZM_ASSERT_OK(zm_watch_open(&watch, loop, socket, ZM_READ, nothing, &events));
    while (events == 0)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_sec(10)));
    zm_watch_close(watch);
}

static void datagram_makes_the_round_trip(void)
{
    apr_socket_t *socket;
    char text[50];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL));
    CU_ASSERT_TRUE(APR_STATUS_IS_EAGAIN(zm_localsock_datagram_receive(socket, text, &length)));
    ZM_ASSERT_OK(zm_localsock_datagram_send(below("n"), "NEW router 4711", 15));
    ZM_ASSERT_OK(zm_localsock_datagram_send(below("n"), "2", 1));
    await(socket);
    length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_receive(socket, text, &length));
    CU_ASSERT_EQUAL(length, 15);
    CU_ASSERT_EQUAL(memcmp(text, "NEW router 4711", 15), 0);
    await(socket);
    length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_receive(socket, text, &length));
    CU_ASSERT_EQUAL(length, 1);
}

static void long_datagram_is_cut_and_said_to_be(void)
{
    apr_socket_t *socket;
    char text[4];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_localsock_datagram_send(below("n"), "12345678", 8));
    await(socket);
    CU_ASSERT_EQUAL(zm_localsock_datagram_receive(socket, text, &length), ZM_E_LIMIT);
    length = sizeof text;
    CU_ASSERT_TRUE(APR_STATUS_IS_EAGAIN(zm_localsock_datagram_receive(socket, text, &length)));
}

static void sending_to_nobody_is_an_error(void)
{
    apr_socket_t *socket;
    CU_ASSERT_TRUE(zm_localsock_datagram_send(below("none"), "x", 1) != APR_SUCCESS);
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL));
    ZM_ASSERT_OK(apr_socket_close(socket));
    /* A hint may be lost without notice, but sending it must neither block nor crash. */
    (void)zm_localsock_datagram_send(below("n"), "x", 1);
}

static void full_queue_does_not_block(void)
{
    apr_socket_t *socket;
    char big[1000] = {0};
    int i;
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL));
    for (i = 0; i < 2000; i++)
        (void)zm_localsock_datagram_send(below("n"), big, sizeof big);
    CU_ASSERT_EQUAL(i, 2000);
}

static void endpoint_left_by_a_dead_process_is_replaced(void)
{
    apr_socket_t *dead, *socket;
    char text[5];
    apr_size_t length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&dead, below("n"), 0622, zm_test_pool(), NULL));
    ZM_ASSERT_OK(apr_socket_close(dead));
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_localsock_datagram_send(below("n"), "x", 1));
    await(socket);
    ZM_ASSERT_OK(zm_localsock_datagram_receive(socket, text, &length));
    CU_ASSERT_EQUAL(length, 1);
}

static void unusable_path_is_an_error_that_names_it(void)
{
    apr_socket_t *socket;
    zm_error_t error;
    CU_ASSERT_TRUE(zm_localsock_listen(&socket, below("none/s"), 0600, zm_test_pool(), &error) !=
                   APR_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "none/s"));
}

static void stream_carries_bytes_both_ways(void)
{
    apr_socket_t *listener, *client, *server;
    char text[10];
    apr_size_t length = 5;
    ZM_ASSERT_OK(zm_localsock_listen(&listener, below("s"), 0600, zm_test_pool(), NULL));
    CU_ASSERT_TRUE(APR_STATUS_IS_EAGAIN(zm_localsock_accept(&server, listener, zm_test_pool())));
    ZM_ASSERT_OK(zm_localsock_connect(&client, below("s"), zm_test_pool()));
    await(listener);
    ZM_ASSERT_OK(zm_localsock_accept(&server, listener, zm_test_pool()));
    ZM_ASSERT_OK(apr_socket_send(client, "hello", &length));
    await(server);
    length = sizeof text;
    ZM_ASSERT_OK(apr_socket_recv(server, text, &length));
    CU_ASSERT_EQUAL(length, 5);
    ZM_ASSERT_OK(apr_socket_send(server, "world", &length));
    await(client);
    length = sizeof text;
    ZM_ASSERT_OK(apr_socket_recv(client, text, &length));
    CU_ASSERT_EQUAL(memcmp(text, "world", 5), 0);
    length = sizeof text;
    CU_ASSERT_TRUE(APR_STATUS_IS_EAGAIN(apr_socket_recv(client, text, &length)));
}

static void connecting_to_nobody_fails(void)
{
    apr_socket_t *socket;
    CU_ASSERT_TRUE(zm_localsock_connect(&socket, below("s"), zm_test_pool()) != APR_SUCCESS);
}

static void pair_is_connected_and_half_closes(void)
{
    apr_socket_t *pair[2];
    char text[4];
    apr_size_t length = 2;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(apr_socket_send(pair[0], "ab", &length));
    ZM_ASSERT_OK(apr_socket_shutdown(pair[0], APR_SHUTDOWN_WRITE));
    await(pair[1]);
    length = sizeof text;
    ZM_ASSERT_OK(apr_socket_recv(pair[1], text, &length));
    CU_ASSERT_EQUAL(length, 2);
    await(pair[1]);
    length = sizeof text;
    CU_ASSERT_EQUAL(apr_socket_recv(pair[1], text, &length), APR_EOF);
    length = 1;
    ZM_ASSERT_OK(apr_socket_send(pair[1], "c", &length));
    await(pair[0]);
    length = sizeof text;
    ZM_ASSERT_OK(apr_socket_recv(pair[0], text, &length));
}

ZM_TESTS("localsock", ZM_TEST(datagram_makes_the_round_trip),
         ZM_TEST(long_datagram_is_cut_and_said_to_be), ZM_TEST(sending_to_nobody_is_an_error),
         ZM_TEST(full_queue_does_not_block), ZM_TEST(endpoint_left_by_a_dead_process_is_replaced),
         ZM_TEST(unusable_path_is_an_error_that_names_it), ZM_TEST(stream_carries_bytes_both_ways),
         ZM_TEST(connecting_to_nobody_fails), ZM_TEST(pair_is_connected_and_half_closes))
