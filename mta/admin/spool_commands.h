/**
 * "zmailer spool COMMAND ...": looking into a spool and after it, whichever
 * engine it has.
 *
 *   spool_commands.c  the table, options, opening, exit codes
 *   spool_upkeep.c    probe, init, check, repair, convert
 *   spool_objects.c   stat, ls, cat
 *   spool_names.c     mkdir, put, mv, rm
 *   spool_tell.c      what is printed
 */
#ifndef ZM_MTA_ADMIN_SPOOL_COMMANDS_H
#define ZM_MTA_ADMIN_SPOOL_COMMANDS_H

#include "mta/conf/zenv.h"
#include "spool/spool.h"

/** What the commands have in common. */
typedef struct spool_command_t {
    apr_pool_t *pool;
    zm_zenv_options_t *where; /**< which installation, when no --spool is given */
    zm_zenv_t *zenv;          /**< of it, once it was needed */
    const char *location;     /**< --spool */
    const char *engine;       /**< init: --engine */
    bool json, quiet, details, dry_run, force;
    int argc; /**< operands */
    char **argv;
} spool_command_t;

/** Exit codes; others of <sysexits.h>. */
enum {
    SPOOL_FINDINGS = 1, /**< check: something is wrong; repair: something stays wrong */
    SPOOL_DATAERR = 65,
    SPOOL_NOINPUT = 66,
    SPOOL_UNAVAILABLE = 69,
    SPOOL_IOERR = 74,
    SPOOL_TEMPFAIL = 75,
    SPOOL_NOPERM = 77
};

/** Runs argv[1] ...; argv[0] is "spool". Returns the exit code. */
int spool_command(int argc, char **argv, zm_zenv_options_t *where, bool quiet, bool json,
                  apr_pool_t *pool);

/** Tells an error on standard error and returns its exit code. */
int spool_fail(const zm_error_t *error);
int spool_fail_status(apr_status_t status, const char *what, const char *name);
/** The location: the operand if there is one, --spool, or the installation's. Null: told, *code set. */
const char *spool_location(spool_command_t *command, const char *operand, int *code);
/** Opens it. */
zm_spool_t *spool_open(spool_command_t *command, const char *operand, int *code);
/** Which daemon runs on the installation's spool, if this is it; null: none. */
const char *spool_user(spool_command_t *command, const char *location);

/** "text" as JSON; what is no UTF-8 becomes the replacement character. */
void spool_json_string(const char *text);
/** ,"name":"value" */
void spool_json_text(const char *name, const char *value);
void spool_json_number(const char *name, uint64_t value);
/** Prints a name that somebody else may have chosen: what would not be text on a terminal as \ooo. */
void spool_print_shown(const char *text);
/** "examined 2000 names ..." on standard error, unless that was told less than two seconds before; names 0: none yet. */
void spool_tell_progress(const spool_command_t *command, const char *doing, uint64_t names, apr_time_t *last);

int spool_probe(spool_command_t *command);
int spool_init(spool_command_t *command);
int spool_check(spool_command_t *command);
int spool_repair(spool_command_t *command);
int spool_convert(spool_command_t *command);
int spool_stat(spool_command_t *command);
int spool_ls(spool_command_t *command);
int spool_cat(spool_command_t *command);
int spool_mkdir(spool_command_t *command);
int spool_put(spool_command_t *command);
int spool_mv(spool_command_t *command);
int spool_rm(spool_command_t *command);

#endif
