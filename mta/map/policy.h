/**
 * Policy databases: attributes of networks, domains, users and tags.
 *
 * A source line is "KEY ATTRIBUTE VALUE [ATTRIBUTE VALUE ...]"; smtp-policy.src(5)
 * is its manual.  In a compiled database a key is
 *
 *     1 octet length of the whole, 1 octet class, then: 4 or 16 octets of an
 *     address and 1 of its width; or the text of a tag, domain or user and a NUL
 *
 * and its value a row of entries of 1 octet length, 1 octet attribute, text, NUL.
 * Nothing that is read from a database is believed: a record that does not hold
 * together ends where it breaks.
 */
#ifndef ZM_MAP_POLICY_H
#define ZM_MAP_POLICY_H

#include "mta/map/map.h"
#include "mta/net/ip.h"

/** Their numbers stand in compiled databases. */
typedef enum zm_policy_attribute_t {
    ZM_POLICY_ALIAS = 1, /**< "=": what the tag says, in this place */
    ZM_POLICY_REJECTNET,
    ZM_POLICY_FREEZENET,
    ZM_POLICY_REJECTSOURCE,
    ZM_POLICY_FREEZESOURCE,
    ZM_POLICY_RELAYCUSTOMER,
    ZM_POLICY_RELAYCUSTNET,
    ZM_POLICY_RELAYTARGET,
    ZM_POLICY_ACCEPTIFMX,
    ZM_POLICY_ACCEPTIFDNS,
    ZM_POLICY_SENDEROKWITHDNS,
    ZM_POLICY_FREEZE,
    ZM_POLICY_SENDERNORELAY,
    ZM_POLICY_TESTDNSRBL,
    ZM_POLICY_MESSAGE, /**< text for the attribute behind it */
    ZM_POLICY_LOCALDOMAIN,
    ZM_POLICY_MAXINSIZE,
    ZM_POLICY_MAXOUTSIZE,
    ZM_POLICY_FULLTRUSTNET,
    ZM_POLICY_TRUSTRECIPIENTS,
    ZM_POLICY_TRUSTWHOSON,
    ZM_POLICY_RCPTDNSRBL,
    ZM_POLICY_TESTRCPTDNSRBL,
    ZM_POLICY_WARNRCPTDNSRBL, /**< reserved: no source can set it */
    ZM_POLICY_FILTERING,
    ZM_POLICY_MAXSAMEIPSOURCE,
    ZM_POLICY_SPF,
    ZM_POLICY_RATELIMITMSGS,
    ZM_POLICY_ATTRIBUTES
} zm_policy_attribute_t;

typedef enum zm_policy_class_t {
    ZM_POLICY_IPV4 = 1,
    ZM_POLICY_IPV6,
    ZM_POLICY_TAG,
    ZM_POLICY_DOMAIN,
    ZM_POLICY_USER
} zm_policy_class_t;

#define ZM_POLICY_KEY_TEXT 252   /**< octets of a tag, domain or user */
#define ZM_POLICY_VALUE_TEXT 250 /**< octets of a value */
#define ZM_POLICY_HOPS 5         /**< tags that may name a tag */

/* -- compiling --------------------------------------------------------------------------------- */

/** "relaytarget"; "" for none. */
const char *zm_policy_name(unsigned attribute);
/** Its number; 0 for a name that sources cannot use. */
unsigned zm_policy_by_name(zm_str_t name);
/** Whether its value is one of "+" and "-". */
bool zm_policy_is_switch(unsigned attribute);

/** Appends the compiled form of a key as sources write it.  False: *problem says what is wrong. */
bool zm_policy_add_key(zm_buf_t *out, zm_str_t word, const char **problem);
/** Appends an entry; the value has no NUL and is not longer than ZM_POLICY_VALUE_TEXT. */
void zm_policy_add_entry(zm_buf_t *out, unsigned attribute, zm_str_t value);
/** The class of a compiled key; 0: it is none. */
unsigned zm_policy_key_class(zm_str_t key);

/** Takes the first entry from a record.  False: there is none that holds together. */
bool zm_policy_next(zm_str_t *record, unsigned *attribute, zm_str_t *value);

/** Appends a compiled entry as a line of a source, LF included.  False: the key or a part of the
 * value is none of ours; what is left out is left out. */
bool zm_policy_print(zm_buf_t *out, zm_str_t key, zm_str_t record);

/* -- looking up -------------------------------------------------------------------------------- */

/** A set of attributes. */
typedef uint32_t zm_policy_set_t;
#define ZM_POLICY_SET(attribute) ((zm_policy_set_t)1 << (attribute))

typedef struct zm_policy_found_t {
    zm_str_t value;   /**< data is null: not given */
    zm_str_t message; /**< data is null: none */
} zm_policy_found_t;

typedef struct zm_policy_answer_t {
    zm_policy_found_t of[ZM_POLICY_ATTRIBUTES]; /**< only what was wanted */
    zm_str_t key;                               /**< the key that was there, compiled; "" none */
    const char *reason;                         /**< ZM_MAP_FAILED: why */
} zm_policy_answer_t;

/**
 * Each empties the answer, and looks for the wanted attributes: of the first key
 * that is there, also when that lacks them, the first occurrence of each, with the
 * message right before it.  The answer lives in the pool.
 *
 * Domains: itself, .itself, .its.parents, "."; an address literal is looked up as
 * that address.  Users: user@domain, then user@.  Addresses: the longest prefix;
 * IPv6 without any as 0.0.0.0/0.
 *
 * ZM_MAP_ABSENT: no key covers it; a user without '@', a literal that is none and
 * too long a name are absent.
 */
zm_map_outcome_t zm_policy_domain(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                                  zm_str_t domain, apr_pool_t *pool);
zm_map_outcome_t zm_policy_user(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                                zm_str_t address, apr_pool_t *pool);
zm_map_outcome_t zm_policy_ip(zm_policy_answer_t *answer, zm_map_t *map, zm_policy_set_t wanted,
                              const zm_ip_t *ip, apr_pool_t *pool);

#endif
