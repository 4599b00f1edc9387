/**
 * Command lines: one table a program.
 *
 *     bool foreground = false;
 *     zm_zenv_options_t site = {0};
 *     const zm_option_t table[] = {
 *         {'d', "foreground", ZM_OPTION_FLAG, &foreground, NULL, NULL, "stay in the foreground"},
 *         {'L', "log", ZM_OPTION_TEXT, &log, NULL, "FILE", "append the log to FILE"},
 *     };
 *     const zm_command_line_t line = {"router", "[FILE ...]", "route submitted messages",
 *                                     table, 2, &site, 0};
 *     int code;
 *     if (!zm_options_parse(&line, &argc, argv, &code))
 *         return code;
 *
 * Grammar (POSIX with the GNU additions that people rely on): letters may be
 * clustered; an argument is attached or is the next word; long options are
 * --name, --name=value or --name value; "--" ends options; a lone "-" is an
 * operand; options may follow operands unless ZM_OPTIONS_STOP is set.
 *
 * Every program also understands --help and --version, -V unless its table
 * uses that letter, and, when `site` is given, -Z FILE, --zconfig FILE and
 * --root DIR for finding zmailer.conf.
 */
#ifndef ZM_MTA_CONF_OPTIONS_H
#define ZM_MTA_CONF_OPTIONS_H

#include <stdbool.h>

#include "mta/conf/zenv.h"
#include "platform/status.h"
#include "platform/str.h"

#define ZM_EXIT_USAGE 64  /**< EX_USAGE */
#define ZM_EXIT_CONFIG 78 /**< EX_CONFIG */

typedef enum zm_option_kind_t {
    ZM_OPTION_FLAG,     /**< bool *: set to true */
    ZM_OPTION_COUNT,    /**< int *: one more each time */
    ZM_OPTION_TEXT,     /**< const char **: the argument, as it stands in argv */
    ZM_OPTION_NUMBER,   /**< int64_t *: a decimal number with optional sign */
    ZM_OPTION_INTERVAL, /**< int64_t *: seconds, written as 90, 5m, 1h30m, 2d */
    ZM_OPTION_CALL,     /**< call(target, NULL): takes no argument */
    ZM_OPTION_CALL_ARG, /**< call(target, argument) */
    ZM_OPTION_CALL_OPT  /**< call(target, argument or NULL): the argument must be attached */
} zm_option_kind_t;

/** Handles one occurrence.  A failure with a text in *error is a usage error. */
typedef apr_status_t (*zm_option_call_t)(void *target, const char *argument, zm_error_t *error);

typedef struct zm_option_t {
    char letter;      /**< 0: has none */
    const char *name; /**< long name without "--"; null: has none */
    zm_option_kind_t kind;
    void *target;
    zm_option_call_t call; /**< for the CALL kinds */
    const char *argument;  /**< what the help calls the argument */
    const char *help;      /**< null: understood, but not shown (compatibility) */
} zm_option_t;

#define ZM_OPTIONS_STOP 1 /**< the first operand ends the options */

typedef struct zm_command_line_t {
    const char *program;  /**< name in messages */
    const char *operands; /**< what follows the options, as in "[FILE ...]"; null: nothing may */
    const char *purpose;  /**< one line for the help */
    const zm_option_t *table;
    int count;
    zm_zenv_options_t *site; /**< takes -Z, --zconfig and --root; null: not understood */
    int flags;
} zm_command_line_t;

/**
 * Reads argv.  On success argv[1] ... argv[*argc - 1] are the operands (argv is
 * reordered) and the result is true.  False: the program ends with *code; help
 * and version have been printed on stdout (0), a usage error on stderr (64).
 */
bool zm_options_parse(const zm_command_line_t *line, int *argc, char **argv, int *code);

/**
 * All that a small program does first: APR until the program ends, a pool, the
 * command line, and the site's variables.  False: the program ends with *code,
 * and has said why.  `line` has a site.
 */
bool zm_options_start(const zm_command_line_t *line, int *argc, char **argv, apr_pool_t **pool,
                      zm_zenv_t **zenv, int *code);

typedef enum zm_options_outcome_t {
    ZM_OPTIONS_RUN,
    ZM_OPTIONS_HELP,
    ZM_OPTIONS_VERSION,
    ZM_OPTIONS_WRONG /**< a usage error, told in *error, which names the option */
} zm_options_outcome_t;

/** The same without printing, for callers that report in another way. */
zm_options_outcome_t zm_options_read(const zm_command_line_t *line, int *argc, char **argv,
                                     zm_error_t *error);

/** Appends what --help prints. */
void zm_options_help(const zm_command_line_t *line, zm_buf_t *text);

#endif
