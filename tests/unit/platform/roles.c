#include "tests/unit/platform/roles.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdlib.h>

#include "platform/service.h"
#include "tests/unit/harness.h"

#define PATIENCE apr_time_from_sec(20)

bool zm_role_play(const zm_role_t *roles, int count, int argc, char **argv, int *code)
{
    apr_pool_t *pool;
    int i;
    if (argc != 4 || strcmp(argv[1], "role") != 0)
        return false;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    *code = 99;
    for (i = 0; i < count; i++)
        if (strcmp(argv[2], roles[i].name) == 0)
            *code = roles[i].play(argv[3], pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return true;
}

/* -- the parent's side ------------------------------------------------------------- */

static void on_end(zm_child_t *child, const zm_child_end_t *end, void *baton)
{
    zm_actor_t *actor = baton;
    (void)child;
    actor->end = *end;
    actor->ended++;
}

void zm_actor_start(zm_actor_t *actor, zm_loop_t *loop, const char *role, const char *argument,
                    zm_child_spec_t *spec)
{
    zm_child_spec_t plain = {0};
    const char *argv[5] = {NULL, "role", role, argument, NULL};
    zm_error_t error = {0};
    if (spec == NULL)
        spec = &plain;
    ZM_ASSERT_OK(zm_service_program(&argv[0], zm_test_pool()));
    spec->argv = argv;
    *actor = (zm_actor_t){.loop = loop};
    ZM_ASSERT_OK(zm_child_start(&actor->child, spec, loop, on_end, actor, &error));
    ZM_ASSERT_STR(error.text, "");
}

void zm_actor_say(zm_actor_t *actor, const char *text)
{
    apr_size_t length = strlen(text);
    ZM_ASSERT_OK(apr_socket_send(zm_child_channel(actor->child), text, &length));
}

const char *zm_actor_hear(zm_actor_t *actor)
{
    apr_socket_t *channel = zm_child_channel(actor->child);
    char *heard = apr_pcalloc(zm_test_pool(), 1000);
    apr_size_t used = 0;
    apr_socket_timeout_set(channel, PATIENCE);
    while (used < 999 && (used == 0 || heard[used - 1] != '\n')) {
        apr_size_t length = 1;
        if (apr_socket_recv(channel, heard + used, &length) != APR_SUCCESS)
            break;
        used += length;
    }
    heard[used] = '\0';
    apr_socket_timeout_set(channel, 0);
    return heard;
}

void zm_actor_await_end(zm_actor_t *actor)
{
    while (actor->ended == 0)
        ZM_ASSERT_OK(zm_loop_once(actor->loop, PATIENCE));
}

/* -- the child's side ---------------------------------------------------------------- */

apr_socket_t *zm_role_channel(apr_pool_t *pool)
{
    apr_socket_t *channel;
    if (zm_child_own_channel(&channel, pool) != APR_SUCCESS)
        exit(98);
    apr_socket_timeout_set(channel, -1);
    return channel;
}

void zm_role_say(apr_socket_t *channel, const char *text)
{
    apr_size_t length = strlen(text);
    apr_socket_send(channel, text, &length);
}

void zm_role_await_eof(apr_socket_t *channel)
{
    char byte;
    apr_size_t length = 1;
    while (apr_socket_recv(channel, &byte, &length) == APR_SUCCESS)
        length = 1;
}
