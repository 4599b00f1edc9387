/**
 * Paths and domains in SMTP commands (RFC 821/5321), checked more strictly than
 * addresses in headers, with a position for every complaint.
 *
 *     path      = "<>" / "<" [ adl ":" ] mailbox *blank ">"
 *     adl       = "@" domain *( "," "@" domain )
 *     mailbox   = local [ "@" domain ]
 *     local     = dotstring / quoted
 *     dotstring = [string] *( "." [string] )
 *     domain    = "[" dotnum "]" / "[IPv6:" v6 "]" / name *( "." name )
 *     name      = alphanumeric *( alphanumeric / "-" )
 *
 * Only ASCII is accepted, unless ZM_PATH_BEYOND allows more (RFC 6531), and never a NUL, CR or LF,
 * also not behind a backslash.
 * '%' and '!' are ordinary here; what they mean is a matter of policy.
 *
 *     if (!zm_smtp_path(text, flags, &path, &problem))
 *         reply(501, problem.text, problem.at);      // caret under text[problem.at]
 *     rest = text from path.end on: the parameters
 */
#ifndef ZM_MTA_MAIL_SMTP_PATH_H
#define ZM_MTA_MAIL_SMTP_PATH_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/str.h"

#define ZM_PATH_FULL 1 /**< strict: "@domain" must be there, no empty element in a dotstring */
#define ZM_PATH_POSTMASTER 2 /**< with FULL: <postmaster>, in any case, needs no domain */
#define ZM_PATH_SLOPPY 4     /**< blanks after "<", several "<", a path without brackets */
#define ZM_PATH_BEYOND 8     /**< UTF-8 beyond ASCII, in local parts and domains */

typedef struct zm_smtp_path_t {
    zm_str_t route;  /**< "@a,@b", without the colon; "" when there is none */
    zm_str_t local;  /**< as written, quotes included; "" for the null path */
    zm_str_t domain; /**< as written; "" when there is none */
    apr_size_t end;  /**< offset of the byte behind the path */
} zm_smtp_path_t;

typedef struct zm_smtp_problem_t {
    const char *text; /**< constant, one line, without code */
    apr_size_t
        at; /**< offset of the offending byte; the length of the text when something is missing */
} zm_smtp_problem_t;

/** Reads a path at the start of text; more may follow it. */
bool zm_smtp_path(zm_str_t text, int flags, zm_smtp_path_t *path, zm_smtp_problem_t *problem);

/** Reads a domain at the start of text; *end is the offset behind it. */
bool zm_smtp_domain(zm_str_t text, apr_size_t *end, zm_smtp_problem_t *problem);

/** The same, with flags: ZM_PATH_BEYOND.  Whether such a domain can exist is not judged. */
bool zm_smtp_domain_with(zm_str_t text, int flags, apr_size_t *end, zm_smtp_problem_t *problem);

/** The parameter of HELO: one domain and nothing else, blanks at the end aside. */
bool zm_smtp_helo(zm_str_t text, zm_smtp_problem_t *problem);

/** An ORCPT value: atom ";" xtext, all of text. */
bool zm_smtp_orcpt(zm_str_t text, zm_smtp_problem_t *problem);

/** Whether text is an IPv6 address as in RFC 4291 section 2.2, a dotted quad at its end included.
 */
bool zm_smtp_is_ipv6(zm_str_t text);

/**
 * The address in RFC 822 form: "local@domain", or with its route in front
 * ("@a,@b:local@domain"); "" for the null path.  An unquoted local part with a
 * backslash or an empty word ("a..b", "!a") is put in quotes, so that every
 * address that is accepted is one for the router too.
 */
zm_str_t zm_smtp_path_address(const zm_smtp_path_t *path, bool with_route, apr_pool_t *pool);

#endif
