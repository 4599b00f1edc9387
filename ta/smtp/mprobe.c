/*
 * mprobe: tries whether a host answers as an SMTP server.
 */
#include <apr_general.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/conf/options.h"

#define PORT 25
#define LIMIT apr_time_from_sec(60)

/* What scripts know it by. */
enum {
    EXIT_ANSWERS = 0,
    EXIT_NO_ADDRESS = 2,
    EXIT_NO_SOCKET = 3,
    EXIT_NO_CONNECTION = 4,
    EXIT_CLOSED = 17,
    EXIT_OTHER_REPLY = 18,
    EXIT_BROKEN = 19,
    EXIT_TOO_SLOW = 20,
    EXIT_NO_ARGUMENT = 99
};

/* Reads the first line of the greeting. */
static int read_greeting(apr_socket_t *socket, char *line, apr_size_t size)
{
    apr_time_t end = apr_time_now() + LIMIT;
    apr_size_t have = 0;
    while (have + 1 < size && memchr(line, '\n', have) == NULL) {
        apr_size_t length = size - 1 - have;
        apr_interval_time_t left = end - apr_time_now();
        apr_status_t status;
        if (left <= 0)
            return EXIT_TOO_SLOW;
        apr_socket_timeout_set(socket, left);
        status = apr_socket_recv(socket, line + have, &length);
        have += length;
        if (APR_STATUS_IS_TIMEUP(status))
            return EXIT_TOO_SLOW;
        if (length == 0)
            return APR_STATUS_IS_EOF(status) ? EXIT_CLOSED : EXIT_BROKEN;
    }
    line[have] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return strncmp(line, "220", 3) == 0 ? EXIT_ANSWERS : EXIT_OTHER_REPLY;
}

static int probe(apr_sockaddr_t *address, apr_pool_t *pool)
{
    char line[1024], reason[120], *at;
    apr_size_t length = 6;
    apr_socket_t *socket;
    apr_status_t status;
    int code;
    if (apr_socket_create(&socket, address->family, SOCK_STREAM, APR_PROTO_TCP, pool) !=
        APR_SUCCESS)
        return EXIT_NO_SOCKET;
    apr_socket_timeout_set(socket, LIMIT);
    status = apr_socket_connect(socket, address);
    if (status == APR_SUCCESS) {
        code = read_greeting(socket, line, sizeof line);
        for (at = line; code == EXIT_ANSWERS || code == EXIT_OTHER_REPLY ? *at != '\0' : false;
             at++)
            if ((unsigned char)*at < ' ' || *at == 127)
                *at = '?';
        if (code == EXIT_ANSWERS || code == EXIT_OTHER_REPLY)
            printf("%s\n", line);
        apr_socket_send(socket, "QUIT\r\n", &length);
    } else {
        code = APR_STATUS_IS_TIMEUP(status) ? EXIT_TOO_SLOW : EXIT_NO_CONNECTION;
        fprintf(stderr, "mprobe: %s\n", apr_strerror(status, reason, sizeof reason));
    }
    apr_socket_close(socket);
    return code;
}

int main(int argc, char **argv)
{
    int64_t port = PORT;
    const zm_option_t table[] = {
        {'p', "port", ZM_OPTION_NUMBER, &port, NULL, "PORT", "try this port instead of 25"}};
    const zm_command_line_t line = {
        "mprobe", "HOST", "try whether a host answers as an SMTP server", table, 1, NULL, 0};
    apr_sockaddr_t *address;
    apr_pool_t *pool;
    int code;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return EXIT_NO_SOCKET;
    atexit(apr_terminate);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc != 2) {
        fprintf(stderr, "mprobe: which host?\n");
        return EXIT_NO_ARGUMENT;
    }
    if (port < 1 || port > 65535 ||
        apr_sockaddr_info_get(&address, argv[1], APR_UNSPEC, (apr_port_t)port, 0, pool) !=
            APR_SUCCESS) {
        fprintf(stderr, "mprobe: %s has no address\n", argv[1]);
        return EXIT_NO_ADDRESS;
    }
    for (code = EXIT_NO_CONNECTION;
         address != NULL && code != EXIT_ANSWERS && code != EXIT_OTHER_REPLY;
         address = address->next)
        code = probe(address, pool);
    return code;
}
