/** The service manager, for service.c. */
#ifndef ZM_WIN32_SCM_H
#define ZM_WIN32_SCM_H

#include <stdbool.h>

/** Where the service manager started this process: says that it runs, and later that it has
 * stopped.  Else nothing. */
void zm_scm_ready(void);
/** The service cannot start; code is its exit code, the reason goes into the event log. */
void zm_scm_failed(int code, const char *reason);

#endif
