/**
 * The service manager of the system, where programs install themselves as services: the Windows
 * one. What zm_service_ready and zm_service_fail do inside of a service is in service.h.
 *
 * Elsewhere services are files that a package brings (posix/deploy); there zm_manager_ask finds
 * none and everything else is ZM_E_UNSUPPORTED.
 */
#ifndef ZM_PLATFORM_MANAGER_H
#define ZM_PLATFORM_MANAGER_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/control.h"
#include "platform/status.h"

typedef struct zm_manager_service_t {
    const char *name;        /**< "ZMailer" */
    const char *display;     /**< for lists */
    const char *description; /**< a sentence */
    const char *const *argv; /**< null ended; argv[0] is the absolute path of the program */
    const char *account; /**< null: one of its own, "NT SERVICE\NAME", which has no other rights */
} zm_manager_service_t;

/**
 * Installs a service that starts with the system, delayed, and again when it crashes (twice a day);
 * one of that name gets the new settings.  Also makes the program known as what explains our events
 * in the event log.
 */
apr_status_t zm_manager_install(const zm_manager_service_t *service, apr_pool_t *pool,
                                zm_error_t *error);
/** Removes a service that does not run.  APR_ENOENT when there is none. */
apr_status_t zm_manager_remove(const char *name, apr_pool_t *pool, zm_error_t *error);

typedef enum zm_manager_phase_t {
    ZM_MANAGER_STOPPED,
    ZM_MANAGER_STARTING,
    ZM_MANAGER_RUNNING,
    ZM_MANAGER_STOPPING
} zm_manager_phase_t;

typedef struct zm_manager_state_t {
    zm_manager_phase_t phase;
    apr_int64_t pid;     /**< 0: none */
    int code;            /**< how it ended last; 0: in good order, or never started */
    const char *command; /**< its command line */
} zm_manager_state_t;

/** APR_ENOENT when there is no such service. */
apr_status_t zm_manager_ask(zm_manager_state_t *state, const char *name, apr_pool_t *pool);
/** The command line that a service with these words has, to compare. */
apr_status_t zm_manager_command(const char **command, const char *const *argv, apr_pool_t *pool);

/** Starts or stops it, and waits until it runs or has stopped, at most so many seconds
 * (APR_TIMEUP).  ZM_E_STOPPED: it ended while it started, and why, as far as its code tells. */
apr_status_t zm_manager_start(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error);
apr_status_t zm_manager_stop(const char *name, int seconds, apr_pool_t *pool, zm_error_t *error);

/** Tells a running service to reload or to reopen its logs; others: ZM_E_UNSUPPORTED. */
apr_status_t zm_manager_control(const char *name, zm_control_t event, apr_pool_t *pool,
                                zm_error_t *error);

/**
 * Lets only administrators, the system and the account of a service (null: nobody else) at a
 * directory and all that is below it, or at a file; users may read it where that is said.
 */
apr_status_t zm_manager_protect(const char *path, const char *account, bool users_read,
                                apr_pool_t *pool, zm_error_t *error);

/** The account that zm_manager_install gives a service of that name when none is wanted. */
const char *zm_manager_account(const char *name, apr_pool_t *pool);

/**
 * In a program that the manager has started, as its first act: says that it is starting.  Nothing
 * elsewhere.  Without it zm_service_ready does the same, later.
 */
void zm_manager_enter(void);

/** Where programs that are told nothing find the configuration; usual is the place on Unix.  On
 * Windows: "ZConfig" below HKEY_LOCAL_MACHINE\SOFTWARE\ZMailer, else
 * %ProgramData%\ZMailer\zmailer.conf. */
const char *zm_manager_configuration(const char *usual, apr_pool_t *pool);
/** Writes that value; null removes it if it names `was`. */
apr_status_t zm_manager_remember(const char *file, const char *was, apr_pool_t *pool,
                                 zm_error_t *error);

#endif
