/**
 * scheduler.conf: clauses, PARAM lines, and which clauses a destination gets.
 *
 * A clause is CHANNEL/HOST (patterns) in column 0 and parameters after it.  The
 * clause star/star is the default: clauses after it start as a copy of it.  A
 * clause without parameters shares those of the next clause that has some.
 *
 * For a destination the matching clauses are walked in file order; what each
 * sets itself is applied; the first that has a command ends the walk.  The
 * result is a selection: one set of parameters, and the identity of the rings
 * that use it.
 */
#ifndef ZM_SCHEDULER_CONFIG_H
#define ZM_SCHEDULER_CONFIG_H

#include "mta/conf/zenv.h"
#include "mta/scheduler/params.h"

typedef struct zm_clause_t {
    const char *channel; /**< patterns */
    const char *host;
    unsigned line;
    int ordinal;          /**< 1 for the first clause of these patterns, 2 for the second ... */
    zm_param_set_t own;   /**< what it sets itself */
    zm_params_t params;   /**< what it sets over what it inherits */
    zm_param_set_t given; /**< own, and what the default clause had set */
    const struct zm_selection_t *alone; /**< private: the selection of just this clause */
} zm_clause_t;

typedef struct zm_selection_t {
    zm_params_t params;
    const char *label;    /**< "smtp/star": the last clause's patterns, as mailq shows them */
    const char *identity; /**< the same for the same clauses in another reading of the file */
    const zm_clause_t *const *clauses; /**< that contributed, in order */
    int clause_count;                  /**< 0: no clause matches */
    bool with_host;                    /**< the command names the host: one ring a host */
    const struct zm_selection_t *next; /**< private */
} zm_selection_t;

typedef struct zm_config_t {
    apr_pool_t *pool;
    const char *file;
    const zm_zenv_t *zenv;
    zm_clause_t **clauses; /**< without default clauses */
    int clause_count;
    zm_params_t defaults; /**< after the last default clause */

    const char *authfile;    /**< null: none.  ${NAME} is expanded in these three */
    const char *mailqsock;   /**< null: not set */
    const char *notifysock;  /**< path, null: not set */
    int64_t report_interval; /**< seconds between interim reports on one message */

    bool store_error_on_error; /**< keep suppressed double bounces in postman/ */
    int64_t own_nice;          /**< sysnice, syspriority; 0: none */
    bool own_priority;

    zm_selection_t none;              /**< of a destination that no clause matches */
    const zm_selection_t *selections; /**< private: those of more than one clause */
    const zm_selection_t *reroute;    /**< private; null: not made yet */
} zm_config_t;

typedef struct zm_config_options_t {
    const char *file;
    const zm_zenv_t *zenv;
    bool privileged; /**< agents can be given other users: then every clause needs user and group */
    int most_children; /**< how many agents the process can have at all */
} zm_config_options_t;

/**
 * Reads a file whole.  Every error and warning is appended to problems, one
 * "FILE:LINE: text" a line.  With any error the status is ZM_E_CONFIG and
 * *config is not set.
 */
apr_status_t zm_config_load(zm_config_t **config, const zm_config_options_t *options,
                            zm_buf_t *problems, apr_pool_t *pool);

/** The same from text in memory. */
apr_status_t zm_config_parse(zm_config_t **config, zm_str_t text,
                             const zm_config_options_t *options, zm_buf_t *problems,
                             apr_pool_t *pool);

/** Never null; lives as long as the configuration. */
const zm_selection_t *zm_config_select(zm_config_t *config, zm_str_t channel, zm_str_t host);

/** Of threads that go back to the router: the defaults, with the agent reroute as the command. */
const zm_selection_t *zm_config_reroute(zm_config_t *config);

#endif
