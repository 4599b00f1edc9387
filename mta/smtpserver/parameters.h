/**
 * The parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), RET, ENVID,
 * NOTIFY and ORCPT (RFC 3461), BY (RFC 2852), AUTH (RFC 4954, 5), REQUIRETLS (RFC 8689), SMTPUTF8
 * (RFC 6531).
 */
#ifndef ZM_SMTPSERVER_PARAMETERS_H
#define ZM_SMTPSERVER_PARAMETERS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <stdint.h>

#include "platform/str.h"

/* Which extensions are on, and how strict blanks are. */
#define PARAMETERS_DSN 1
#define PARAMETERS_8BITMIME 2
#define PARAMETERS_STRICT 4 /**< one blank between parameters */
#define PARAMETERS_SLOPPY 8 /**< TABs too */
#define PARAMETERS_DELIVERBY 16
#define PARAMETERS_REQUIRETLS 32
#define PARAMETERS_SMTPUTF8 64 /**< for RCPT: MAIL has said so */
#define PARAMETERS_AUTH 128

typedef struct mail_parameters_t {
    bool has_size;
    uint64_t size;  /**< octets */
    zm_str_t body;  /**< "7BIT" or "8BITMIME" as written; "" when absent */
    zm_str_t ret;   /**< "FULL" or "HDRS" as written */
    zm_str_t envid; /**< xtext as written */
    char by_mode;   /**< 'R' return, 'N' notify; NUL: no BY */
    bool by_trace;
    int64_t by;       /**< seconds from now */
    bool require_tls; /**< REQUIRETLS */
    bool smtputf8;    /**< SMTPUTF8: addresses and header fields may go beyond ASCII */
    bool has_auth;    /**< AUTH= said whose the message is, which nobody asks for */
} mail_parameters_t;

typedef struct rcpt_parameters_t {
    zm_str_t notify; /**< as written */
    zm_str_t
        orcpt; /**< "type;xtext" as written; UTF-8 beyond ASCII only with PARAMETERS_SMTPUTF8 */
} rcpt_parameters_t;

/** What is wrong, for the reply. */
typedef struct parameter_problem_t {
    int code;
    const char *enhanced;
    const char *text; /**< constant */
    apr_size_t at;    /**< offset of the offending byte in the text that was read */
} parameter_problem_t;

/** Read text, which starts behind the path.  The results point into it. */
bool parameters_of_mail(mail_parameters_t *parameters, zm_str_t text, int flags,
                        parameter_problem_t *problem);
bool parameters_of_rcpt(rcpt_parameters_t *parameters, zm_str_t text, int flags,
                        parameter_problem_t *problem);

#endif
