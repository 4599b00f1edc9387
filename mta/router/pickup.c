/*
 * pickup: opens submitted messages and users' files for the router's workers,
 * which have no rights of their own (see pickup.h).  Started by the router's
 * master; ends with it, when its standard input ends.
 */
#include <apr_general.h>
#include <stdio.h>
#include <stdlib.h>

#include "mta/conf/options.h"
#include "mta/conf/site.h"
#include "mta/router/pickup.h"
#include "platform/child.h"
#include "platform/control.h"

/* Without a master: started by hand. */
static void on_control(zm_control_t event, void *baton)
{
    if (event == ZM_CONTROL_STOP || event == ZM_CONTROL_SLOW_STOP)
        zm_loop_stop(baton);
}

/* The master says nothing on the channel: what can be read is its end.  Until then we serve, also
 * when the whole group is told to stop: workers finish what they have. */
static void on_master(zm_watch_t *watch, int events, void *baton)
{
    (void)watch;
    (void)events;
    zm_loop_stop(baton);
}

int main(int argc, char **argv)
{
    zm_zenv_options_t site = {0};
    zm_error_t error = {0};
    int64_t client = -1;
    const zm_option_t table[] = {
        {'u', "client", ZM_OPTION_NUMBER, &client, NULL, "UID", "serve processes of this account"},
    };
    const zm_command_line_t line = {
        "pickup", "SOCKET", "open messages and files for the router's workers", table, 1, &site, 0};
    apr_pool_t *pool;
    zm_zenv_t *zenv;
    zm_spool_t *spool;
    zm_loop_t *loop;
    zm_watch_t *watch;
    apr_socket_t *channel;
    int code;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    if (!zm_options_parse(&line, &argc, argv, &code))
        return code;
    if (argc != 2) {
        fputs("pickup: say which socket to serve; the router's master does\n", stderr);
        return ZM_EXIT_USAGE;
    }
    if (zm_zenv_load(&zenv, &site, pool, &error) != APR_SUCCESS ||
        zm_loop_create(&loop, pool) != APR_SUCCESS ||
        zm_site_spool(&spool, zenv, NULL, pool, &error) != APR_SUCCESS ||
        router_pickup_serve(loop, spool, zenv, argv[1], client, pool, &error) != APR_SUCCESS) {
        fprintf(stderr, "pickup: %s\n", error.text);
        return ZM_EXIT_CONFIG;
    }
    if (zm_child_own_channel(&channel, pool) != APR_SUCCESS) {
        (void)zm_control_listen(loop, on_control, loop);
    } else {
        (void)zm_control_decline();
        (void)zm_watch_open(&watch, loop, channel, ZM_READ, on_master, loop);
        fputs("#ready\n", stdout);
        fflush(stdout);
    }
    return zm_loop_run(loop) == APR_SUCCESS ? 0 : 70;
}
