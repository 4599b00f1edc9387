/**
 * The command of a clause: how an agent's program, arguments and environment
 * are made for a channel and host.
 *
 * The text is split at blanks; leading words with '=' go to the environment;
 * $host and $channel as whole words, and ${host}, ${channel} and ${NAME} of the
 * site variables anywhere are replaced, and ${source} by the source address; an
 * unknown name gives nothing.
 */
#ifndef ZM_SCHEDULER_COMMAND_H
#define ZM_SCHEDULER_COMMAND_H

#include "mta/conf/zenv.h"

#define ZM_COMMAND_ARGUMENTS 40

typedef struct zm_command_t {
    const char *const *argv;        /**< null ended; argv[0] is a path */
    const char *const *environment; /**< null ended: the words of the command, TZ, PATH, ZCONFIG */
} zm_command_t;

/** What a command is for. */
typedef struct zm_command_for_t {
    zm_str_t channel, host;
    const char *sources; /**< addresses with blanks between, or null */
    uint32_t turn;       /**< which of them: the first for 0 */
} zm_command_for_t;

/** ZM_E_CONFIG: no program word, or too many. */
apr_status_t zm_command_build(zm_command_t *command, const char *text, const zm_command_for_t *what,
                              const zm_zenv_t *zenv, apr_pool_t *pool, zm_error_t *error);

/** Whether the command names the host, so that its agent can serve no other. */
bool zm_command_names_host(const char *text);

#endif
