/**
 * Sources that are made from several files: read, joined, and written beside
 * them for makedb.
 */
#ifndef ZM_MTA_DB_JOINED_H
#define ZM_MTA_DB_JOINED_H

#include "platform/fs.h"
#include "platform/str.h"

/** A file's text (links followed) and what is known of the file. */
apr_status_t zm_joined_read(char **text, apr_size_t *length, zm_file_info_t *info, const char *path,
                            apr_pool_t *pool);

/** Puts the text at path in one step, with that mode, as the owner's.  A file with that very text
 * stays as it is. */
apr_status_t zm_joined_write(const char *path, zm_str_t text, const zm_file_info_t *owner,
                             uint32_t mode, apr_pool_t *pool);

#endif
