/**
 * The machine: what there is of it, and how busy it is.
 */
#ifndef ZM_PLATFORM_MACHINE_H
#define ZM_PLATFORM_MACHINE_H

#include <apr_pools.h>

#include "platform/status.h"

/** Processors that this process may use; at least 1. */
int zm_machine_processors(void);

/** The load average of the last minute; ZM_E_UNSUPPORTED where the system keeps none. */
apr_status_t zm_machine_load(double *load);
/** Those of the last minute and of the last five. */
apr_status_t zm_machine_loads(double *one, double *five);

/**
 * Asks for large pages under that memory, of which only the aligned inner part can have them: for
 * hundreds of megabytes read in no order, where most misses would be of addresses and not of data.
 * Advice: the contents stay, and nothing happens where the system has none to give.
 */
void zm_machine_large_pages(void *memory, apr_size_t size);

/** The addresses of its interfaces, "192.0.2.1" and "2001:db8::1", link-local ones left out; null
 * ended. */
apr_status_t zm_machine_addresses(const char *const **addresses, apr_pool_t *pool);

/** Those of the interface of that name; null ended, and empty when there is none. */
apr_status_t zm_machine_interface(const char *const **addresses, const char *name,
                                  apr_pool_t *pool);

/** The canonical name of a host, as the system's resolver knows it; without one, `host` itself. */
const char *zm_machine_canonical_name(const char *host, apr_pool_t *pool);

/** The file of hosts that the system's resolver reads. */
const char *zm_machine_hosts_file(apr_pool_t *pool);

#endif
