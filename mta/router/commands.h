/**
 * The commands that the router adds to the script language.
 */
#ifndef ZM_MTA_ROUTER_COMMANDS_H
#define ZM_MTA_ROUTER_COMMANDS_H

#include "mta/router/worker.h"

/** homedirectory login2uid uid2login groupmembers */
void router_commands_users(router_worker_t *worker);
/** cat filepriv runas: files, opened with the rights of the account in force */
void router_commands_files(router_worker_t *worker);
/** listexpand */
void router_commands_lists(router_worker_t *worker);
/** hostname iserrormsg isinteractive sender recipient squirrel erraddron stability rfc822 process
 * ... */
void router_commands_message(router_worker_t *worker);

#endif
