/**
 * Policy: who may send what to whom.
 *
 * A session asks at four stages and goes on when it is answered, which may be
 * at once (before policy_ask returns) or later, on the loop, when rules ask the
 * domain name service.
 *
 * Without a policy database:
 *
 *   recipients in local domains are accepted from everybody;
 *   recipients elsewhere only from this host (the loopback, or standard input), and from
 *   those who have said who they are;
 *   everything else is refused.
 *
 * Local domains are those in localnames.h and the address literals of this host.
 *
 * With one (smtp-policy.src(5)) its rules decide about all clients on the network.
 * One that cannot be read accepts nobody; what it says nothing about is refused,
 * unless the configuration wants it accepted.
 *
 * In both cases a local part such as user%far.test or far.test!user in a domain of
 * ours counts as what it would be routed to.
 */
#ifndef ZM_SMTPSERVER_POLICY_H
#define ZM_SMTPSERVER_POLICY_H

#include "mta/mail/smtp_path.h"
#include "mta/net/dns.h"
#include "mta/net/ip.h"
#include "mta/smtpserver/localnames.h"
#include "mta/smtpserver/spf.h"

typedef struct policy_t policy_t;

typedef enum policy_stage_t {
    POLICY_CONNECT,  /**< a client has connected */
    POLICY_HELO,     /**< it has said its name */
    POLICY_SENDER,   /**< MAIL FROM */
    POLICY_RECIPIENT /**< RCPT TO */
} policy_stage_t;

#define POLICY_REASON 256

/** What results of SPF are worth: those that are no judgement as much as pass. */
enum {
    POLICY_SPF_FAIL = 1,
    POLICY_SPF_SOFTFAIL,
    POLICY_SPF_NONE,
    POLICY_SPF_NEUTRAL,
    POLICY_SPF_PASS
};

/** What the rules know of a client by now.  The session keeps it, zero at first. */
typedef struct policy_state_t {
    bool always_reject;            /**< nothing is taken from this client */
    bool always_freeze;            /**< all of it is set aside */
    bool always_accept;            /**< it may send anywhere */
    bool full_trust;               /**< nothing is checked */
    bool trust_recipients;         /**< recipients are not */
    bool authenticated;            /**< it has said who it is: the session sets this */
    bool has_filtering, filtering; /**< the rules say whether its messages are looked at */
    bool name_known;               /**< the name of its address has been looked at */
    bool has_rates;                /**< what it may send within the hour has limits: */
    int64_t messages_an_hour, recipients_an_hour; /**< negative: over it for good, not for now; the
                                                     latter 0: any */
    bool has_max_size;
    int64_t max_size; /**< of its messages, octets; 0: no limit */
    /* of the message under way; POLICY_SENDER begins anew */
    bool sender_freeze, sender_norelay;
    bool spf;       /**< the rules want SPF for this client */
    bool spf_known; /**< and it is known for the message under way */
    spf_result_t spf_result;
    int freeze; /**< the message is to be set aside: 1 for its client's sake, 2 its own; else 0 */
    char reason[POLICY_REASON]; /**< of always_reject; "" for none */
    char listed[POLICY_REASON]; /**< what a list says of it, for those recipients who care */
} policy_state_t;

/** What is known when the question is put.  Strings, paths and the state must stay until the answer
 * or policy_cancel. */
typedef struct policy_question_t {
    policy_stage_t stage;
    int database;                    /**< number of the listener's group */
    zm_endpoint_t client, server;    /**< family 0 with standard input */
    bool local;                      /**< the client is a program on standard input (if it has no
                                        address) */
    int64_t same;                    /**< sessions from this address, this one included */
    uint64_t messages, recipients;   /**< that this address has sent within the hour, with those of
                                        the message under way */
    zm_str_t helo;                   /**< the name in the greeting; "" before */
    const char *name;                /**< of its address; null: unknown */
    int64_t spf_threshold;           /**< results worth less are refused: POLICY_SPF_ */
    bool name_verified;              /**< and the name leads to the address */
    const zm_smtp_path_t *sender;    /**< null before MAIL */
    const zm_smtp_path_t *recipient; /**< at POLICY_RECIPIENT */
    policy_state_t *state;
} policy_question_t;

typedef enum policy_result_t { POLICY_ACCEPT, POLICY_REFUSE, POLICY_DEFER } policy_result_t;

typedef struct policy_verdict_t {
    policy_result_t result;
    int code;             /**< reply code, when not accepted */
    const char *enhanced; /**< "5.7.1" */
    const char *text;     /**< why; valid during the call */
} policy_verdict_t;

typedef void policy_fn(const policy_verdict_t *verdict, void *baton);

/** A question under way. */
typedef struct policy_ask_t policy_ask_t;

/** A policy database; type null: none. */
typedef struct policy_database_t {
    const char *type, *file;
} policy_database_t;

typedef struct policy_options_t {
    localnames_t *names;
    bool percent_hack;                  /**< % and ! in local parts are looked through */
    bool accept_unknown;                /**< what the rules say nothing about */
    const char *hostname;               /**< for explanations of SPF; null: unknown */
    const policy_database_t *databases; /**< one for each group */
    int database_count;
    zm_dns_t *dns;          /**< null: rules that ask it put clients off */
    zm_loop_t *loop;        /**< that of the resolver */
    const char *const *own; /**< addresses and names of this host; null ended; null: none */
} policy_options_t;

/** The strings of the options stay the caller's. */
apr_status_t policy_create(policy_t **policy, const policy_options_t *options, apr_pool_t *pool);

/** Whether a client may send to anywhere without saying who he is: one on this host.  local: as in
 * the question. */
bool policy_trusts(const zm_endpoint_t *client, bool local);

/** Forgets what the state has of the message before; POLICY_SENDER begins with that too. */
void policy_begin_message(policy_state_t *state);
/** Puts a question; fn is called once.  *ask is null when it was answered before this returns. */
void policy_ask(policy_ask_t **ask, policy_t *policy, const policy_question_t *question,
                policy_fn *fn, void *baton);
/** The answer is not wanted any more.  Null allowed. */
void policy_cancel(policy_ask_t *ask);

#endif
