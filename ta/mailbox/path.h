/**
 * Where the mailbox of a user stands.
 *
 * An entry of the search list is a directory, below which hash directories and
 * the name follow, or a format:
 *
 *     %u name   %a address   %D domain, %d its first label   %h home   %U full name
 *     %x %X next letter of the PJW or CRC hash   %% percent
 *
 * A path that ends in '/' is a Maildir.  The list is option -d, else MAILBOX,
 * else /var/mail, /usr/mail, /var/spool/mail, /usr/spool/mail.  The first entry
 * where the mailbox exists is taken, else the first that can be used.
 */
#ifndef ZM_TA_MAILBOX_PATH_H
#define ZM_TA_MAILBOX_PATH_H

#include "platform/fs.h"
#include "ta/mailbox/options.h"

typedef struct zm_mbox_user_t {
    const char *name;             /**< local part without "+detail" */
    const char *address;          /**< the whole recipient */
    const char *domain;           /**< "" when it has none */
    const char *full_name, *home; /**< null: no account */
} zm_mbox_user_t;

typedef struct zm_mbox_path_t {
    const char *path;
    const char *directory; /**< that holds the mailbox file */
    bool maildir;
    bool exists;
} zm_mbox_path_t;

/**
 * Finds the path.  ZM_E_SYNTAX: the name cannot be part of a path; ZM_E_CONFIG:
 * no usable directory, or a bad format; ZM_E_LIMIT: longer than 2047 bytes;
 * others: the file system cannot tell now.
 */
apr_status_t zm_mbox_path(zm_mbox_path_t *path, const zm_mailbox_options_t *options,
                          const zm_mbox_user_t *user, apr_pool_t *pool);

/**
 * Whether only root can have chosen what stands at a directory: every directory on the way, and
 * this one, belongs to root and is not for others to write, unless it is sticky; so do the links
 * on the way, and all that they lead through.  The last may be for its group to write.  *info: of the directory.
 */
bool zm_mbox_roots_alone(zm_file_info_t *info, const char *directory, apr_pool_t *pool);

/** The two hashes of names, and their letters: least significant first, letters 'A' to 'Z'. */
uint32_t zm_hash_pjw(const char *name);
uint32_t zm_hash_crc(const char *name);

#endif
