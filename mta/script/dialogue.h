/**
 * Commands of a person, or of a pipe, read from standard input line by line and
 * run as soon as they are whole: zmsh without a script, and router -i.
 *
 * Prompts are the variables PS1 and PS2, or what functions of these names
 * print.  Before PS1 it is told when mail has come: MAIL names one file,
 * MAILPATH several ("file%message:file"), MAILCHECK the seconds between looks
 * (600; 0: every time).  A file counts as new mail when it has changed since
 * the last look and is not empty.
 */
#ifndef ZM_SCRIPT_DIALOGUE_H
#define ZM_SCRIPT_DIALOGUE_H

#include "mta/script/script.h"

typedef struct zm_dialogue_t {
    const char *program; /**< in complaints */
    bool prompts;        /**< somebody is there: prompt, and go on after errors */
    bool once;           /**< end after one command */
    bool forgiving;      /**< go on after errors, though there are no prompts */
    /** Called after each command, or null.  False: end. */
    bool (*after)(void *baton);
    void *baton;
} zm_dialogue_t;

/** Gives PS1 ("$ ", for root "# "), PS2 and MAILCHECK their values where they have none. */
void zm_dialogue_defaults(zm_script_t *script);

/** Until the end of input, exit, or an error that is not forgiven; *status is that of the last
 * command.  Errors as of zm_script_run, those of the last text. */
apr_status_t zm_dialogue_run(zm_script_t *script, const zm_dialogue_t *dialogue, int *status);

#endif
