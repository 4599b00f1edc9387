/**
 * The sockets that the master listens at and its workers accept from.  A reload
 * keeps those that are still wanted, so that no connection is refused meanwhile.
 */
#ifndef ZM_SMTPSERVER_DOORS_H
#define ZM_SMTPSERVER_DOORS_H

#include <apr_network_io.h>

#include "mta/smtpserver/config.h"

typedef struct doors_t {
    apr_pool_t *pool;
    apr_array_header_t *list; /**< private */
} doors_t;

void doors_init(doors_t *doors, apr_pool_t *pool);

/**
 * Opens what a configuration wants.  A place that cannot be had is logged and
 * passed over; ZM_E_CONFIG, with the reasons, when none can.  patience: how long to
 * wait for a port that a server on its way out still holds, in microseconds.
 */
apr_status_t doors_open(doors_t *doors, const config_t *config, apr_interval_time_t patience,
                        zm_error_t *error);

/** The open sockets that a configuration wants, null ended, and their groups ("0,0,1"), with an "s"
 * for submission and a "t" for TLS. */
apr_socket_t *const *doors_of(const doors_t *doors, const config_t *config, const char **groups,
                              apr_pool_t *pool);

/** Closes those that the configuration does not want. */
void doors_close_others(doors_t *doors, const config_t *config);
void doors_close(doors_t *doors);

#endif
