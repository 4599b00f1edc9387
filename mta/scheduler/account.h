/**
 * Accounts of MAILQ-V2: the file that PARAMauthfile names.
 *
 *     USER:PASSWORD:TOKENS:ADDRESSES
 *
 * TOKENS are what the user may do; ADDRESSES from where, "[192.0.2.0]/24",
 * "[ipv6:::1]/128" or "[unix]" (this machine's local socket), with "!" before
 * one that is not admitted; the first that matches decides, and none at all
 * admits any.  The same user may stand on several lines.
 */
#ifndef ZM_SCHEDULER_ACCOUNT_H
#define ZM_SCHEDULER_ACCOUNT_H

#include "mta/net/ip.h"

#define ZM_MAY_SNMP 1
#define ZM_MAY_QUEUE 2   /**< QQ */
#define ZM_MAY_THREADS 4 /**< TT */
#define ZM_MAY_ETRN 8
#define ZM_MAY_KILL 16
#define ZM_MAY_ALL 31

/** Whether any line of the file's text admits a peer. peer.family 0: the local socket. */
bool zm_accounts_admit(zm_str_t file, const zm_ip_t *peer);

/**
 * What a user with this answer to the challenge may do from there; 0: not known.
 * The answer is that of challenge.h.
 */
int zm_accounts_login(zm_str_t file, const zm_ip_t *peer, zm_str_t challenge, zm_str_t user,
                      zm_str_t answer);

#endif
