/**
 * zmailer(8): what the files of that program share.
 */
#ifndef ZM_MTA_ADMIN_ZMAILER_H
#define ZM_MTA_ADMIN_ZMAILER_H

#include <apr_tables.h>

#include "mta/admin/check.h"
#include "mta/admin/daemons.h"
#include "mta/admin/instance.h"

/** What a daemon's name means at the moment. */
typedef enum zmailer_manner_t { ZMAILER_START, ZMAILER_STOP, ZMAILER_NUKE } zmailer_manner_t;

typedef struct zmailer_t {
    zm_zenv_t *zenv;
    zm_zenv_options_t where;
    instance_options_t instance;
    apr_pool_t *pool;
    check_options_t check;
    const char *postmaster;
    apr_array_header_t *variables; /**< of setup: "NAME=VALUE" */
    bool quiet, json, foreground, dry_run, yes;
    zmailer_manner_t manner;
    int code; /**< the first failure's exit code */
} zmailer_t;

/** "WHAT WORD" on standard output, unless it is to be quiet. */
void zmailer_say(const zmailer_t *zmailer, const char *word, const char *what);
/** Tells a failure; the first one's code is the exit code. */
void zmailer_fail(zmailer_t *zmailer, int code, const char *text);

/** What speaks against starting anything: said, with the exit code; "WHAT not started: ...". */
bool zmailer_may_start(zmailer_t *zmailer, const char *what);

/** "zmailer service WORD ...".  Returns the exit code. */
int zmailer_service(zmailer_t *zmailer, const char *const *words, int count);
/**
 * Where a service of the system's owns the daemons of this configuration: does with it what is to
 * be done with the daemons, all of them or (one: its name) one.  False: none does.
 */
bool zmailer_service_does(zmailer_t *zmailer, const char *one);
/** The same with an event. */
bool zmailer_service_hears(zmailer_t *zmailer, zm_control_t event);
/** The line of that service in "zmailer status". */
void zmailer_service_status(zmailer_t *zmailer);

/** Starts or stops the daemons that a word means, as the manner is.  False: none. */
bool zmailer_daemon(zmailer_t *zmailer, const char *word);
void zmailer_all_daemons(zmailer_t *zmailer);
/** Tells which daemons run, and sets the exit code. */
void zmailer_status(zmailer_t *zmailer);
/** Sends an event to all that run. */
void zmailer_control(zmailer_t *zmailer, zm_control_t event);

#endif
