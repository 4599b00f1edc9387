/**
 * The master's part of a desk (desk.h): starts its process, starts another when
 * it has ended, and replaces it on reload.
 */
#ifndef ZM_SMTPSERVER_DESK_KEEPER_H
#define ZM_SMTPSERVER_DESK_KEEPER_H

#include "mta/conf/counters.h"
#include "mta/smtpserver/program.h"

typedef struct desk_keeper_t desk_keeper_t;

desk_keeper_t *desk_keeper_create(program_t *program, clerk_kind_t kind, zm_loop_t *loop,
                                  zm_counters_t *counters);

/**
 * A configuration has come into force, which wants so many clerks at most.  A new desk takes the
 * place of the old one, which goes on for the workers that are connected to it; with 0
 * there is none any more.
 */
void desk_keeper_set(desk_keeper_t *keeper, int clerks);
/** The master ends: the desk stays for the workers that still have sessions. */
void desk_keeper_close(desk_keeper_t *keeper);

#endif
