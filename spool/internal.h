/** The inside of a spool handle, shared by spool.c, object.c and recover.c. */
#ifndef ZM_SPOOL_INTERNAL_H
#define ZM_SPOOL_INTERNAL_H

#include "spool/engine.h"
#include "spool/publisher.h"

struct zm_spool_t {
    apr_pool_t *pool;
    const char *location; /**< without the engine's name */
    const zm_engine_ops_t *ops;
    zm_engine_t *engine;
    zm_publisher_t *publisher;
    bool unsynced;
    bool marked; /**< the spool says which engine it has: it is ours, not taken over from an original */
};

/** Gives an object that is being made a name and another's times, owner and identity; consumed. */
apr_status_t zm_object_import(zm_object_t *object, const char *name, const zm_object_info_t *info);

typedef enum zm_verdict_t {
    ZM_VERDICT_COMPLETE,
    ZM_VERDICT_INCOMPLETE,
    ZM_VERDICT_GONE,
    ZM_VERDICT_UNKNOWN /**< it cannot be read; *trouble says why */
} zm_verdict_t;

/** Whether the control file of that name is whole. */
zm_verdict_t zm_recover_judge(zm_spool_t *spool, const char *name, apr_status_t *trouble, apr_pool_t *pool);
/** Does for one message in queue/ what recovery does. */
apr_status_t zm_recover_message(zm_spool_t *spool, const char *name, apr_pool_t *pool);

/** Looks at pairs of message and control file; part of zm_spool_check. */
typedef struct zm_checking_t {
    zm_spool_t *spool;
    const zm_check_options_t *options;
    zm_check_report_t *report;
} zm_checking_t;
void zm_check_message(zm_checking_t *checking, const char *name, apr_pool_t *pool);
void zm_check_control(zm_checking_t *checking, const char *name, apr_pool_t *pool);

/** Counts and tells a finding, applying its remedy by do_it(baton) when repair is asked for and there is one. */
typedef apr_status_t zm_remedy_fn(void *baton);
void zm_check_tell(const zm_check_options_t *options, zm_check_report_t *report, zm_finding_t *finding,
                   zm_remedy_fn *do_it, void *baton);

/** Marks a spool that was taken over, once its leftovers have been judged. */
apr_status_t zm_spool_set_marked(zm_spool_t *spool, zm_error_t *error);

#endif
