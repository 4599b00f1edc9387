/**
 * Spools of the emulated engine in the test's directory, and what stands in their files.
 */
#ifndef ZM_TESTS_UNIT_SPOOL_EMULATED_SPOOL_H
#define ZM_TESTS_UNIT_SPOOL_EMULATED_SPOOL_H

#include "spool/spool.h"

/** Of a file of the spool in that directory. */
const char *emulated_path(const char *directory, const char *name);
apr_status_t emulated_open(zm_spool_t **spool, const char *directory, bool create, zm_error_t *error);
/** A new one in "spool". */
zm_spool_t *emulated_make(void);
/** An object of so many "x"; returns its name. */
const char *emulated_publish(zm_spool_t *spool, const char *directory, apr_size_t size);
/** How many files of large bodies there are. */
int emulated_bodies(const char *directory);
void emulated_recover(zm_spool_t *spool);
/** What a check finds, "kind=name " each. */
const char *emulated_check(zm_spool_t *spool, bool repair);

void emulated_write_file(const char *at, const char *text, apr_size_t length);
/** On the database of that path. */
void emulated_run_sql(const char *at, const char *statement);

#endif
