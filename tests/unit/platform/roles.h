/**
 * Test programs that start themselves again as a child: "PROGRAM role NAME
 * ARGUMENT" plays a role instead of running tests.
 */
#ifndef ZM_TESTS_UNIT_PLATFORM_ROLES_H
#define ZM_TESTS_UNIT_PLATFORM_ROLES_H

#include "platform/child.h"

typedef struct zm_role_t {
    const char *name;
    int (*play)(const char *argument, apr_pool_t *pool); /* returns the exit code */
} zm_role_t;

/** Plays the role that the command line names; false when it names none. */
bool zm_role_play(const zm_role_t *roles, int count, int argc, char **argv, int *code);

/** A started role and what it has done so far. */
typedef struct zm_actor_t {
    zm_loop_t *loop;
    zm_child_t *child;
    zm_child_end_t end;
    int ended; /* times reported */
} zm_actor_t;

/** Starts this program in a role; spec may be null, else its argv is filled in. */
void zm_actor_start(zm_actor_t *actor, zm_loop_t *loop, const char *role, const char *argument,
                    zm_child_spec_t *spec);
void zm_actor_say(zm_actor_t *actor, const char *text);
/** What the child says until its end of file, or until size - 1 octets, or until a LF. */
const char *zm_actor_hear(zm_actor_t *actor);
void zm_actor_await_end(zm_actor_t *actor);

/* In a role: */
void zm_role_say(apr_socket_t *channel, const char *text);
apr_socket_t *zm_role_channel(apr_pool_t *pool); /**< blocking */
void zm_role_await_eof(apr_socket_t *channel);

#endif
