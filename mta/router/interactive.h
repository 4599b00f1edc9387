/**
 * A worker at the service of a person, or of the SMTP server.
 */
#ifndef ZM_MTA_ROUTER_INTERACTIVE_H
#define ZM_MTA_ROUTER_INTERACTIVE_H

#include "mta/router/worker.h"

/**
 * Reads commands of the configuration language from standard input and runs
 * them, with prompts at a terminal, until it ends or a command says exit.
 * Returns the exit code.
 */
int router_interactive(router_worker_t *worker);

/**
 * Runs a script that wants the router's commands, without any configuration: one that begins with
 * "#!.../router -f".  Returns its exit status; 7 for a syntax error.
 */
int router_script(router_worker_t *worker, const char *path, const char *const *arguments,
                  int count);

/**
 * Answers questions on standard input, "KEY TAB ARGUMENT", with the function
 * `server` of the configuration:
 *
 *     server init                 once, at the start
 *     server KEY ARGUMENT         its lines are the answer; after it a line #hungry
 *     server purge                after every thousand questions
 *
 * Returns the exit code.
 */
int router_assist(router_worker_t *worker);

#endif
