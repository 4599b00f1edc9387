/**
 * What the user part of a local recipient means: a program, a file or a user.
 * Pure functions.
 */
#ifndef ZM_TA_MAILBOX_DESTINATION_H
#define ZM_TA_MAILBOX_DESTINATION_H

#include <stdint.h>

#include "platform/identity.h"
#include "platform/str.h"

typedef enum zm_destination_kind_t { ZM_TO_USER, ZM_TO_FILE, ZM_TO_PROGRAM } zm_destination_kind_t;

typedef struct zm_destination_t {
    zm_destination_kind_t kind;
    const char *text;   /**< the command, the path, or the local part with its detail */
    const char *name;   /**< user: without the detail */
    const char *detail; /**< user: after the first '+'; "" when there is none */
    const char *domain; /**< after the last '@'; "" when there is none */
} zm_destination_t;

/**
 * raw: the field of the control file; plain: without its outer quotes.  ZM_E_SYNTAX when it is
 * empty or holds a NUL, which no path or name can.  domain_aware: the domain stays part of the
 * name.
 */
apr_status_t zm_destination_parse(zm_destination_t *destination, zm_str_t raw, zm_str_t plain,
                                  bool domain_aware, apr_pool_t *pool);

/** Whether a privilege means "nobody in particular": that account's number in any width, or a
 * negative one. */
bool zm_privilege_is_nobody(int64_t privilege, zm_uid_t nobody);

/** "/c=us/admd=x/...": an X.400 address that looks like a path. */
bool zm_looks_like_x400(const char *text);

#endif
