#include "tests/unit/mta/net/net_help.h"

#include "platform/localsock.h"

zm_loop_t *net_loop(void)
{
    zm_loop_t *loop = NULL;
    ZM_ASSERT_OK(zm_loop_create(&loop, zm_test_pool()));
    return loop;
}

void net_run_until(zm_loop_t *loop, const int *done)
{
    apr_time_t give_up = apr_time_now() + apr_time_from_sec(20);
    while (!*done && apr_time_now() < give_up)
        ZM_ASSERT_OK(zm_loop_once(loop, apr_time_from_msec(50)));
    CU_ASSERT_TRUE(*done);
}

void net_run_idle(zm_loop_t *loop)
{
    int i;
    for (i = 0; i < 20; i++)
        ZM_ASSERT_OK(zm_loop_once(loop, 0));
}

void net_pair(apr_socket_t *pair[2])
{
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
}

void net_put(apr_socket_t *socket, const char *text)
{
    apr_size_t length = strlen(text), sent = length;
    ZM_ASSERT_OK(apr_socket_send(socket, text, &sent));
    CU_ASSERT_EQUAL(sent, length);
}

const char *net_get(apr_socket_t *socket)
{
    zm_buf_t got = ZM_BUF_INIT;
    apr_status_t status;
    const char *text;
    do {
        char piece[4096];
        apr_size_t length = sizeof piece;
        status = apr_socket_recv(socket, piece, &length);
        if (status == APR_SUCCESS)
            zm_buf_add(&got, piece, length);
    } while (status == APR_SUCCESS);
    if (APR_STATUS_IS_EOF(status))
        zm_buf_add_c(&got, "<eof>");
    text = zm_str_c(zm_test_pool(), zm_buf_str(&got));
    zm_buf_free(&got);
    return text;
}
