/**
 * Who sends a message: the parts of the decision that need only the header.
 *
 * What they leave to the caller is what only the router knows: whether the
 * file's owner is trusted, and whether an address is that owner's.
 */
#ifndef ZM_MTA_MAIL_SENDER_H
#define ZM_MTA_MAIL_SENDER_H

#include "mta/mail/header.h"

/**
 * The field that gives the envelope sender of a trusted file without `from` and
 * `channel`: the first that is there and not bad of Sender, From, Reply-To,
 * Errors-To; in a resent message of Resent-Sender, Resent-From, Resent-Reply-To.
 * Null: none.
 */
zm_header_t *zm_sender_field(const zm_headers_t *headers, bool resent);

/** The field that gives the error return address: Sender, else Errors-To, not bad; null: none.
 * Resent-Sender when resent. */
zm_header_t *zm_error_field(const zm_headers_t *headers, bool resent);

/**
 * The sender we write for an account: FULLNAME <ADDRESS>, or the bare address
 * without a full name.
 */
zm_address_list_t *zm_sender_generate(zm_str_t full_name, zm_str_t address, apr_pool_t *pool);

/** The text of an envelope `fullname` value (ZM_RULE_PHRASE): its words without quotes. */
zm_str_t zm_phrase_text(const zm_address_list_t *phrase, apr_pool_t *pool);

/** Whether an address belongs to the owner of the message file. */
typedef bool (*zm_is_owner_t)(void *baton, const zm_address_t *address);

/**
 * Polices the sender fields of an untrusted file.  Sender without From becomes
 * From.  A Sender that is not the owner's becomes Fake-Sender, and a right one
 * is put before it; with From alone, a From that is not the owner's gets a
 * right Sender before it.  In a resent message the Resent- fields are meant.
 */
void zm_sender_police(zm_headers_t *headers, bool resent, const zm_address_list_t *generated,
                      zm_is_owner_t is_owner, void *baton);

#endif
