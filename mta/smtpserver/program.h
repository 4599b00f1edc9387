/**
 * One run of the program: its command line, the site, and what is made of them
 * for the server that a worker or an interactive session needs.
 */
#ifndef ZM_SMTPSERVER_PROGRAM_H
#define ZM_SMTPSERVER_PROGRAM_H

#include "mta/conf/zenv.h"
#include "mta/smtpserver/clerk.h"
#include "mta/smtpserver/server.h"
#include "platform/status.h"

/** The command line.  Options without effect are not kept. */
typedef struct arguments_t {
    zm_zenv_options_t site;
    bool ipv4, ipv6;
    bool batch, echo, gullible, helo_check;
    bool interactive, inetd, foreground, check;
    bool tls; /**< -t: TLS from the first byte on */
    const char *config, *pid_file, *postoffice;
    const char *router;      /**< -R */
    const char *session_log; /**< -l FILE */
    bool session_syslog;     /**< -l SYSLOG */
    const char *suffix;      /**< -S */
    const char *log;
    zm_endpoint_t pretend; /**< -T; family 0: not given */
    int64_t debug, max_load, max_size, port, workers;
    int64_t desk;      /**< this is the desk, with so many routers; 0: it is not */
    int64_t filters;   /**< this is the desk of the content filters */
    int64_t verifiers; /**< this is the desk of the verifiers */
    bool verify;       /**< this is a verifier */
    int strictness;
    int style;
    const char *worker; /**< "SLOT:GROUP,GROUP,...": this is a worker */
    char *const *argv;  /**< as given, for the workers */
    int argc;
} arguments_t;

typedef struct program_t {
    arguments_t arguments;
    zm_zenv_t *zenv;
    const char *config_file;
    apr_pool_t *pool;
} program_t;

/** Reads the command line.  False: the program ends with *code. */
bool arguments_read(arguments_t *arguments, int argc, char **argv, apr_pool_t *pool, int *code);

/** Root prepares what the account without rights writes to: the freezer is its.  Failure is logged.
 */
void program_give_freezer(const program_t *program);

/** Makes the directory of what content filters look at, where the spool has no files, and removes
 * what was left there.  Failure is logged. */
void program_make_inspection(const program_t *program);

/** Reads smtpserver.conf, into pool.  config->errors tells why when it fails. */
apr_status_t program_config(const program_t *program, config_t **config, apr_pool_t *pool);

/** Where the key=value log goes; null: standard error. */
const char *program_log_file(const program_t *program);
/** Where the session log goes; null: nowhere. */
const char *program_session_log(const program_t *program, apr_pool_t *pool);

/** Opens the key=value log. */
apr_status_t program_open_log(const program_t *program, zm_error_t *error);

/** The account of processes that have given up root. */
zm_credentials_t program_account(const program_t *program);
/** Gives up root for good; does nothing without it. */
apr_status_t program_drop_rights(const program_t *program, zm_error_t *error);
/**
 * Gives up root for good, and everything that a session does not need.  Before
 * threads start; after everything that only root can open has been opened.
 */
apr_status_t program_confine(const program_t *program, const config_t *config, zm_error_t *error);

/** Fills in a server: names, policy, spool.  The journal is the caller's. */
apr_status_t program_server(const program_t *program, server_t *server, const config_t *config,
                            zm_loop_t *loop, apr_pool_t *pool, zm_error_t *error);
void program_server_end(server_t *server);

/** Where workers find the desk of the routers, the content filters, or the verifiers. */
const char *program_desk_path(const program_t *program, clerk_kind_t kind);
/** The null-ended command line that this program was started with, and one or two words more. */
const char *const *program_command(const program_t *program, const char *word, const char *value,
                                   apr_pool_t *pool);

/** Why the policy database of a group cannot be asked, if it has one; null: it can.  While it
 * cannot nobody is let in. */
const char *program_database_problem(const program_t *program, const config_t *config, int group);

/* The ways to run; each gives the exit code. */
int worker_run(program_t *program);
int master_run(program_t *program);
int interactive_run(program_t *program);
int desk_run(program_t *program);
int verifier_run(program_t *program);

#endif
