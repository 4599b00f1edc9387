/**
 * "zmailer dkim COMMAND ...": keys that mail is signed with.
 *
 *     key DOMAIN SELECTOR FILE [ed25519 | rsa]   makes a key, and prints the record for DNS
 *     record DOMAIN SELECTOR FILE                prints the record of a key that is there
 *     check FILE                                 holds the keys of a list against DNS
 */
#ifndef ZM_MTA_ADMIN_DKIM_H
#define ZM_MTA_ADMIN_DKIM_H

#include "mta/admin/lookup.h"
#include "mta/dkim/sign.h"

/** words[0] is the command.  Returns the exit code: 1 when a key is not as DNS has it, 64 for wrong
 * words, 66 for a file that cannot be read, 73 for one that cannot be written. */
int dkim_command(const char *const *words, int count, apr_pool_t *pool);

/** "SELECTOR._domainkey.DOMAIN" of a line. */
const char *dkim_name(const zm_signer_t *signer, apr_pool_t *pool);
/** What is wrong with the key of a line, or with what DNS has of it; null: nothing. */
const char *dkim_fault(const zm_signers_t *signers, zm_signer_t *signer, lookup_t *lookup,
                       apr_pool_t *pool);

#endif
