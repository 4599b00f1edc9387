/**
 * The envelope that the server writes at the head of a message file.
 *
 *     external                          the client came over the network
 *     comment smtp-auth: "user"         he has said who he is
 *     rcvdfrom [192.0.2.9] ([192.0.2.9]:40112 "EHLO mail.example.org" rhost-flags-...)
 *     comment [192.0.2.9] [192.0.2.9]:40112 "EHLO mail.example.org" ...
 *     bodytype 8BITMIME                 what BODY= said
 *     with ESMTP
 *     comment authres:                  and blanks, which are filled in at the end (authres.h)
 *     from sender@example.org           or: channel error
 *     envid xtext
 *     notaryret FULL
 *     todsn NOTIFY=FAILURE,DELAY ORCPT=rfc822;x INRCPT=rfc822;x INFROM=rfc822;x
 *     to recipient@example.org          these two for each recipient
 *     env-end
 */
#ifndef ZM_SMTPSERVER_ENVELOPE_H
#define ZM_SMTPSERVER_ENVELOPE_H

#include "mta/net/ip.h"
#include "mta/smtpserver/parameters.h"
#include "mta/smtpserver/peer.h"
#include "spool/submit.h"

typedef struct envelope_head_t {
    const zm_endpoint_t *client; /**< null: a program on standard input */
    zm_str_t helo;               /**< the greeting as it was sent, with its verb; "" for none */
    bool helo_good;              /**< its parameter is a well-formed domain */
    const char *with;            /**< "ESMTP", "SMTP", "ESMTPSA", "BSMTP", "LMTP" ... (RFC 3848) */
    zm_str_t user;               /**< who has said who he is; "": nobody */
    bool tell_auth, tell_tls, tell_tls_peer; /**< what Received tells besides */
    zm_str_t tls_cipher;                     /**< of the session; "": it has no TLS */
    zm_str_t tls_peer;                       /**< of the client's certificate; "": none */
    peer_facts_t facts;                      /**< zero when nobody was asked */
    uint64_t *
        authres; /**< set to the offset of the blanks for what authres.h says; null: no such line */
    zm_str_t sender; /**< "" for the null sender */
    mail_parameters_t mail;
} envelope_head_t;

/** Everything up to the first recipient.  Fails as zm_submit_line does. */
apr_status_t envelope_head(zm_submission_t *submission, const envelope_head_t *head);

/** When a message is to be delivered at the latest (RFC 2852). */
typedef struct envelope_deadline_t {
    char mode; /**< 'R' or 'N'; NUL: there is none */
    bool trace;
    int64_t at; /**< Unix seconds */
} envelope_deadline_t;

/**
 * The value of "todsn" for a recipient: what was asked for, with what is implied
 * when nothing was.  never: NOTIFY=NEVER whatever was asked.
 */
void envelope_todsn(zm_buf_t *todsn, const rcpt_parameters_t *rcpt, bool never,
                    const envelope_deadline_t *deadline, zm_str_t recipient, zm_str_t sender);

/** Appends text in quotes, with '"', '\', '(' and ')' behind a backslash, and other bytes than
 * printable ASCII as \ooo: safe in a comment. */
void envelope_quote(zm_buf_t *buffer, zm_str_t text);

#endif
