/** The inside of SPF: spf.c goes through records, spf_record.c reads them and their macros. */
#ifndef ZM_SMTPSERVER_SPF_PARTS_H
#define ZM_SMTPSERVER_SPF_PARTS_H

#include "mta/smtpserver/spf.h"

typedef enum spf_kind_t {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXP,
    SPF_OTHER /* unknown modifiers, which decide nothing */
} spf_kind_t;

typedef struct spf_term_t {
    spf_kind_t kind;
    spf_result_t result; /* when it matches */
    zm_str_t domain;     /* with macros; "" for none */
    zm_network_t network;
    int width4, width6;
} spf_term_t;

typedef struct spf_values_t { /* of macros */
    zm_str_t local, domain, helo;
    zm_ip_t ip;
    zm_str_t current;  /* the domain whose record is read */
    zm_str_t receiver; /* our name; of explanations only, like the time */
} spf_values_t;

/** Takes the next term off *record.  False: there is none, or *good is false and it is malformed.
 */
bool spf_next(zm_str_t *record, spf_term_t *term, bool *good);
/** The terms behind "v=spf1"; false: this is no record of SPF. */
bool spf_terms(zm_str_t text, zm_str_t *terms);
/** A domain with its macros filled in; null: it is malformed. */
const char *spf_expand(zm_str_t text, const spf_values_t *values, apr_pool_t *pool);
/** An explanation likewise; what is too long is cut.  "": it is malformed. */
zm_str_t spf_explain(zm_str_t text, const spf_values_t *values, apr_pool_t *pool);

#endif
