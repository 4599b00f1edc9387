/**
 * The parameters of a clause: their keywords, values and defaults.
 */
#ifndef ZM_SCHEDULER_PARAMS_H
#define ZM_SCHEDULER_PARAMS_H

#include <apr_pools.h>

#include "mta/scheduler/rate.h"
#include "platform/identity.h"
#include "platform/str.h"

#define ZM_RETRIES_MAX 100
#define ZM_REPORTTIMES_MAX 4
#define ZM_UNLIMITED 10000 /**< what a limit of 0 or less means */

/** Whom a rate is about, and of what. */
typedef enum zm_shaped_t { ZM_SHAPED_THREAD, ZM_SHAPED_RING, ZM_SHAPED_CHANNEL } zm_shaped_t;
typedef enum zm_paced_t { ZM_PACED_MESSAGES, ZM_PACED_CONNECTIONS } zm_paced_t;

/** Values.  Times are seconds. */
typedef struct zm_params_t {
    int64_t interval;        /**< unit of the retry sequence, > 0 */
    const uint16_t *retries; /**< factors of interval, each >= 1 */
    int retry_count;         /**< 0: never tried again by itself */
    int64_t skew;            /**< tries until retry times stand on multiples of interval */
    int64_t expiry;          /**< age at which an attempted recipient is returned; -1: never */
    int64_t expiry2;         /**< further age at which any is; -1: one day */
    const char *expiryform;
    const char *deliveryform; /**< form of the reports */
    int64_t idlemax;          /**< how long an idle agent is kept; -1: 3 intervals */
    int64_t maxta;            /**< limits, see ZM_UNLIMITED */
    int64_t maxchannel;
    int64_t maxring;
    int64_t maxthr;   /**< agents working on one thread, >= 1 */
    int64_t overfeed; /**< jobs given ahead of the first, >= 0 */
    bool ageorder;
    bool queueonly;
    bool wakeuprestartonly;
    const char *command; /**< null: none */
    const char *user;    /**< name or number; null: unset */
    const char *group;
    zm_credentials_t as; /**< user and group resolved; ZM_UID_NONE where unset */
    int64_t nice;
    bool priority; /**< nice is an absolute priority */
    int64_t reporttimes[ZM_REPORTTIMES_MAX];
    int reporttime_count;
    zm_rate_t rates[3][2];       /**< by zm_shaped_t and zm_paced_t */
    const zm_suspend_t *suspend; /**< replies that suspend a destination */
    int suspend_count;
    const char *source; /**< addresses to connect from, in turn: ${source} in the command; null */
    int64_t watchdog;   /**< longest silence of an agent at work; 0: no limit */
} zm_params_t;

/** What zm_param_find knows about a keyword. */
typedef struct zm_keyword_t zm_keyword_t;

/** A set of keywords that a clause sets itself. */
typedef uint64_t zm_param_set_t;

void zm_params_defaults(zm_params_t *params, int most_children);

/** The keyword, ignoring case, or null. */
const zm_keyword_t *zm_param_find(zm_str_t name);
bool zm_param_is_flag(const zm_keyword_t *keyword);
/** Understood for old configurations and without effect. */
bool zm_param_is_obsolete(const zm_keyword_t *keyword);
/** Applies to the scheduler itself, not to a clause: sysnice, syspriority. */
bool zm_param_is_own(const zm_keyword_t *keyword);

/**
 * Sets one parameter.  Strings are copied into pool.  ZM_E_SYNTAX with what was
 * expected in *error.  *set gets the keyword's bit.
 */
apr_status_t zm_param_set(zm_params_t *params, zm_param_set_t *set, const zm_keyword_t *keyword,
                          zm_str_t value, apr_pool_t *pool, zm_error_t *error);

/** Copies those values of `from` whose bit is in set. */
void zm_params_apply(zm_params_t *params, const zm_params_t *from, zm_param_set_t set);

bool zm_params_has_command(zm_param_set_t set);

/** The values as scheduler.conf would write them, one "keyword=value" a line, each after the
 * indent. */
void zm_params_print(zm_buf_t *out, const zm_params_t *params, const char *indent);

#endif
