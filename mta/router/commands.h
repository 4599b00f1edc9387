/**
 * The commands that the router adds to the script language.
 */
#ifndef ZM_MTA_ROUTER_COMMANDS_H
#define ZM_MTA_ROUTER_COMMANDS_H

#include "mta/router/worker.h"

/** The type of map of the relation headers, on this worker's header table. */
void router_commands_headers(router_worker_t *worker);
/** homedirectory login2uid uid2login groupmembers */
void router_commands_users(router_worker_t *worker);
/** cat filepriv runas: files, opened with the rights of the account in force */
void router_commands_files(router_worker_t *worker);
/** Closes what filepriv has kept open; at the end of a message, before its memory goes. */
void router_commands_forget(router_worker_t *worker);
/** listexpand */
void router_commands_lists(router_worker_t *worker);
/** hostname iserrormsg isinteractive sender recipient squirrel erraddron stability rfc822 process
 * ... */
void router_commands_message(router_worker_t *worker);

/** srs_forward srs_reverse, set up by the variables srs_... */
void router_commands_srs(router_worker_t *worker);

#endif
