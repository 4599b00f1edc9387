/** What the master and its workers must agree on. */
#ifndef ZM_SMTPSERVER_WORKER_H
#define ZM_SMTPSERVER_WORKER_H

#include "mta/smtpserver/program.h"

/** The file where sessions are counted (tally.h). */
const char *worker_tally_path(const program_t *program);

#endif
