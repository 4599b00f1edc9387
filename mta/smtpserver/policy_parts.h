/**
 * The inside of the policy: policy.c is asked and answers, policy_rules.c applies the rules of a
 * database, policy_domain.c and policy_lists.c ask the domain name service about a domain and about
 * the address of a client.
 */
#ifndef ZM_SMTPSERVER_POLICY_PARTS_H
#define ZM_SMTPSERVER_POLICY_PARTS_H

#include "mta/map/policy.h"
#include "mta/smtpserver/policy.h"

/* Results of tests: 0 accepts, more sets aside, less refuses; from -100 on down for now only. */
enum {
    RESULT_FREEZE = 1,
    RESULT_REJECT = -1,
    RESULT_NO_DOMAIN = -2,
    RESULT_NO_EXCHANGER = -3, /* we are none for that domain */
    RESULT_NO_MAIL = -4,      /* the domain says that it takes none (RFC 7505) */
    RESULT_SPF = -6,
    RESULT_NEVER_SO_MUCH = -5, /* within the hour */
    RESULT_NOT_SO_FAST = -100,
    RESULT_TOO_MANY = -101, /* sessions of this address */
    RESULT_BROKEN = -102,   /* the database cannot be read */
    RESULT_TEMPORARY = -104 /* the domain name service has no answer now */
};

/* -- policy.c ------------------------------------------------------------------------------ */

/** The address that a local part stands for when it holds another.  False: it is a plain user. */
bool policy_inner_address(zm_str_t local, zm_str_t *user, zm_str_t *domain);
#define POLICY_DEPTH 20 /**< inner addresses looked through in one local part */
/** Whether a domain is an address of this host, loopback ones aside, in brackets. */
bool policy_is_own_literal(const policy_t *policy, const policy_question_t *question,
                           zm_str_t domain);
/** Whether that is an address of this host. */
bool policy_is_own(const policy_t *policy, const zm_ip_t *server, const zm_ip_t *ip);

/* -- policy_rules.c ------------------------------------------------------------------------- */

typedef enum rules_check_t {
    CHECK_NOTHING,
    CHECK_EXISTS,    /**< the domain must take mail */
    CHECK_EXCHANGER, /**< we must be an exchanger of it */
    CHECK_LISTS      /**< the client must not be on a list */
} rules_check_t;

/** One application of the rules. */
typedef struct rules_t {
    const policy_t *policy;
    zm_map_t *map;
    const policy_question_t *question;
    bool percent_hack, accept_unknown;
    apr_pool_t *pool;
    /* what comes of it */
    zm_str_t message;                      /**< of the rule that decided; "" for none */
    rules_check_t check;                   /**< the result is 0 if this says so */
    zm_str_t domain;                       /**< to be checked */
    zm_str_t reject_zones, remember_zones; /**< of lists, with colons between them */
} rules_t;

int rules_of_client(rules_t *rules);
int rules_of_greeting(rules_t *rules);
int rules_of_sender(rules_t *rules);
int rules_of_recipient(rules_t *rules);
/** Whether a refused recipient is the postmaster, who is heard all the same. */
bool rules_spare_postmaster(rules_t *rules, int result);

/* -- policy_domain.c ------------------------------------------------------------------------ */

typedef void policy_domain_fn(int result, void *baton);
typedef struct policy_domain_t {
    zm_dns_t *dns;
    const policy_t *policy;
    const zm_ip_t *server;
    rules_check_t check;
    policy_domain_fn *fn; /**< called once, never before policy_domain_ask returns */
    void *baton;
    apr_pool_t *pool; /**< ends the questions when it is destroyed */
    /* private */
    int waiting;
    bool own, usable, illegal, temporary, told;
} policy_domain_t;
void policy_domain_ask(policy_domain_t *domain, zm_str_t name);

/* -- policy_lists.c ------------------------------------------------------------------------- */

typedef struct policy_lists_t policy_lists_t;
typedef struct policy_zone_t policy_zone_t;
typedef void policy_lists_fn(policy_lists_t *lists, void *baton);
struct policy_lists_t {
    zm_dns_t *dns;
    zm_loop_t *loop;
    const zm_ip_t *ip;
    zm_str_t reject_zones, remember_zones; /**< with colons between them */
    zm_str_t message;                      /**< for zones that say nothing themselves */
    policy_lists_fn *fn; /**< called once, never before policy_lists_ask returns */
    void *baton;
    apr_pool_t *pool; /**< ends the questions when it is destroyed */
    /* what comes of it */
    bool refused;
    char reason[POLICY_REASON];     /**< of that; "": message tells it */
    char remembered[POLICY_REASON]; /**< "" for nothing */
    /* private */
    bool remembering, late;
    int waiting; /* zones that have not said whether the address is on them */
    policy_zone_t *first, **end, *chosen;
    apr_pool_t *asking; /* of questions under way */
    zm_timer_t timer;
};
/** Whether there is a zone to be asked in that value. */
bool policy_lists_has_zone(zm_str_t zones);
/** One of the rows must have a zone. */
void policy_lists_ask(policy_lists_t *lists);

#endif
