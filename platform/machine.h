/**
 * The machine: what there is of it, and how busy it is.
 */
#ifndef ZM_PLATFORM_MACHINE_H
#define ZM_PLATFORM_MACHINE_H

#include "platform/status.h"

/** Processors that this process may use; at least 1. */
int zm_machine_processors(void);

/** The load average of the last minute; ZM_E_UNSUPPORTED where the system keeps none. */
apr_status_t zm_machine_load(double *load);
/** Those of the last minute and of the last five. */
apr_status_t zm_machine_loads(double *one, double *five);

#endif
