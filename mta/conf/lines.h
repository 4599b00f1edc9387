/**
 * Lines of a configuration file, with the place of each for messages.
 *
 * The file is read whole.  Line ends are LF or CR LF; the last line may lack
 * one.  A UTF-8 byte order mark at the start is skipped.  A NUL byte, a file of
 * more than ZM_CONF_FILE_LIMIT bytes and a line of more than
 * ZM_CONF_LINE_LIMIT bytes are refused, since no configuration needs them and
 * they are how a wrong file (a database, a log) looks.
 *
 *     zm_conf_lines_open(&lines, path, pool, error);
 *     while (zm_conf_lines_next(lines, &line))
 *         if (bad) return zm_conf_lines_fail(lines, error, "expected NAME=value");
 */
#ifndef ZM_MTA_CONF_LINES_H
#define ZM_MTA_CONF_LINES_H

#include <apr_pools.h>
#include <stdbool.h>

#include "platform/status.h"
#include "platform/str.h"

#define ZM_CONF_FILE_LIMIT (16u * 1024 * 1024)
#define ZM_CONF_LINE_LIMIT (64u * 1024)

typedef struct zm_conf_lines_t {
    const char *file; /**< name for messages */
    unsigned number;  /**< of the line returned last, 1 for the first; 0 before */
    zm_str_t text;    /**< the whole file */
    apr_size_t next;  /**< offset of the line that comes next */
} zm_conf_lines_t;

/**
 * Reads a file.  Symbolic links are followed: what a configuration file may be
 * is the administrator's choice.  Errors: those of opening and reading, with
 * the path in the text; ZM_E_LIMIT; ZM_E_SYNTAX for a NUL byte.
 */
apr_status_t zm_conf_lines_open(zm_conf_lines_t **lines, const char *path, apr_pool_t *pool,
                                zm_error_t *error);

/** The same over text in memory, which must outlive the reader. */
apr_status_t zm_conf_lines_of(zm_conf_lines_t **lines, zm_str_t text, const char *file,
                              apr_pool_t *pool, zm_error_t *error);

/** The next line without its end.  It points into lines->text.  False at the end of the file. */
bool zm_conf_lines_next(zm_conf_lines_t *lines, zm_str_t *line);

/** Sets "FILE:LINE: " and the text, with status ZM_E_CONFIG, which it returns. */
apr_status_t zm_conf_lines_fail(const zm_conf_lines_t *lines, zm_error_t *error, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));

#endif
