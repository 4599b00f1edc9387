/**
 * Looks a spool over for what a crash, a copy or a careless hand may have left
 * in it, and puts right what can be put right without loss.
 *
 * No message is ever removed: one whose place is wrong is moved, one that
 * nothing works on is parked in postman/.  What only a person can decide is told
 * and left alone.
 */
#ifndef ZM_SPOOL_CHECK_H
#define ZM_SPOOL_CHECK_H

#include "spool/spool.h"

typedef struct zm_finding_t {
    const char *kind;   /**< one of the words below, for programs */
    const char *name;   /**< of the object; of the engine's own file where it is none */
    const char *detail; /**< what is wrong, for people */
    const char *remedy; /**< what repair does about it; null: nothing, a person must decide */
    bool tried;         /**< repair has done it, with the result `status` */
    apr_status_t status;
} zm_finding_t;

#define ZM_FINDING_ORPHAN "orphan"             /**< a message in queue/ without a control file */
#define ZM_FINDING_HALF_WRITTEN "half-written" /**< a control file that is cut short */
#define ZM_FINDING_SPLIT "split-pair"          /**< message and control file in different hash directories */
#define ZM_FINDING_FINISHED "finished"         /**< a control file whose message is gone */
#define ZM_FINDING_WRONG_HASH "wrong-hash"     /**< a pair in hash directories that its number does not give */
#define ZM_FINDING_WRONG_NAME "wrong-name"     /**< a name that no program of ours looks at, or another object's number */
#define ZM_FINDING_TEMPORARY "temporary"       /**< a control file that was being written */
#define ZM_FINDING_LEFTOVER "leftover"         /**< in public/, and nobody is writing it any more */
#define ZM_FINDING_STALE_LOCK "stale-lock"     /**< a recipient claimed by a process that is dead */
#define ZM_FINDING_UNREADABLE "unreadable"     /**< the system or the engine cannot give its contents */
#define ZM_FINDING_FOREIGN "foreign"           /**< a file that is no object: a link, a directory, an impossible name */
#define ZM_FINDING_PLANTED "planted-link"      /**< another name of some file, in a directory where anybody may make names */
#define ZM_FINDING_DAMAGED "damaged"           /**< the engine's own records contradict themselves */
#define ZM_FINDING_LOST_BODY "lost-body"       /**< emulated: the file of a large body is gone or cut */
#define ZM_FINDING_STRAY_BODY "stray-body"     /**< emulated: a file that belongs to no object */
#define ZM_FINDING_UNSYNCED "unsynced"         /**< emulated: the disk refused what the engine wrote, and it is not written anew yet */

typedef void zm_finding_fn(const zm_finding_t *finding, void *baton);
/** Now and then during long work: how many names were examined so far; 0 while the engine looks at its own files. */
typedef void zm_progress_fn(uint64_t examined, void *baton);

typedef struct zm_check_options_t {
    bool repair;  /**< apply the remedies; nobody else may use the spool meanwhile */
    bool running; /**< daemons may be at work: what looks wrong is looked at once more after a while */
    apr_interval_time_t second_look; /**< microseconds until then; 0: 10 s */
    zm_finding_fn *fn;
    zm_progress_fn *progress; /**< may be null */
    void *baton;
} zm_check_options_t;

typedef struct zm_check_report_t {
    uint64_t examined, findings;
    uint64_t repairable; /**< findings with a remedy */
    uint64_t repaired, failed;
} zm_check_report_t;

/** Strings of a finding live during the call of fn.  Fails when the spool cannot be listed. */
apr_status_t zm_spool_check(zm_spool_t *spool, const zm_check_options_t *options, zm_check_report_t *report,
                            apr_pool_t *pool, zm_error_t *error);

#endif
