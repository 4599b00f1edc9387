/**
 * Tests of what every engine must do are compiled once for each engine, whose
 * name is ZM_TEST_ENGINE.
 */
#ifndef ZM_TESTS_UNIT_SPOOL_ENGINES_H
#define ZM_TESTS_UNIT_SPOOL_ENGINES_H

#include "spool/spool.h"

/** The engine under test. */
extern const char *const zm_test_engine;

/** A new spool of that engine with a loop; closed by zm_test_spool_end. */
typedef struct zm_test_spool_t {
    zm_spool_t *spool;
    zm_loop_t *loop;
    const char *location;
} zm_test_spool_t;

zm_test_spool_t zm_test_spool_begin(void);
void zm_test_spool_end(zm_test_spool_t *spool);

/** Another handle of the same spool, as another process would have. */
zm_spool_t *zm_test_spool_again(const zm_test_spool_t *spool);

/** An object being made; scratch: its name meanwhile, null: any. */
zm_object_t *zm_test_create(zm_spool_t *spool, const char *directory, const char *scratch);

/** How many names a directory has; hidden: with those that begin with a dot. */
int zm_test_count(zm_spool_t *spool, const char *directory, bool hidden);

/** Publishes text and returns the final name (in the test's pool). */
const char *zm_test_publish(zm_spool_t *spool, const char *directory, int levels, const char *text);

/** The whole of an object as a C string; null when it is not there. */
const char *zm_test_contents(zm_spool_t *spool, const char *name);

#endif
