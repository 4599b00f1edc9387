/**
 * A spool for session tests: it takes submissions in memory, and commits them
 * when and with the outcome that the test says.  Linked in place of the spool.
 */
#ifndef ZM_TESTS_FAKE_SUBMIT_H
#define ZM_TESTS_FAKE_SUBMIT_H

#include "platform/loop.h"
#include "spool/submit.h"

#define FAKE_MESSAGES 64

typedef struct fake_spool_t {
    zm_loop_t *loop;
    apr_status_t begin, write, commit; /* what these calls come to */
    bool hold;                         /* commits wait for fake_spool_release */
    uint64_t free;                     /* bytes */
    int begun, aborted, committed;
    int frozen;                          /* of those committed: set aside */
    const char *suffix;                  /* of the last that was set aside */
    const char *path;                    /* of submissions; null: they have none */
    int priority;                        /* of the last that had another than 0 */
    const char *messages[FAKE_MESSAGES]; /* those committed with success, in the pool of the test */
} fake_spool_t;

extern fake_spool_t fake_spool;

void fake_spool_reset(zm_loop_t *loop);
/** Commits those held back, in their order. */
void fake_spool_release(void);

#endif
