/**
 * The transport control file: what the router decided about one message.
 *
 * Lines of tag byte, status byte, value; doc/architecture.md has a picture.
 * The writer makes one in memory; the reader takes one apart with the offset
 * of every line; the updater changes tag and PID columns in place and appends
 * diagnostics.  Nothing else ever changes.
 */
#ifndef ZM_SPOOL_CONTROL_H
#define ZM_SPOOL_CONTROL_H

#include "spool/spool.h"

#define ZM_CONTROL_FORMAT 0x00000007u /**< PID slot, delay slot, M blocks */

typedef struct zm_quad_t {
    zm_str_t channel, host, user; /**< read: as it stands, quotes kept, "-" when empty; to be written: plain */
    int64_t privilege;
} zm_quad_t;

/* -- writing ----------------------------------------------------------------- */

typedef struct zm_control_writer_t zm_control_writer_t;

/**
 * Calls may come in any order, except that a recipient needs its sender before
 * it and its header block after it.  A value with LF or NUL, a header with an
 * empty line or NUL, and a wrong order make zm_control_finish fail (ZM_E_SYNTAX).
 */
zm_control_writer_t *zm_control_writer(apr_pool_t *pool);
void zm_control_verbose(zm_control_writer_t *writer, zm_str_t path);
void zm_control_message(zm_control_writer_t *writer, uint64_t id, uint64_t body_offset);
void zm_control_log_id(zm_control_writer_t *writer, zm_str_t message_id);
/**
 * Before the first sender: the error address of the preamble (leave it out for a
 * null path).  After a sender: that group's, needed where it is not the sender's user.
 */
void zm_control_error_address(zm_control_writer_t *writer, zm_str_t address);
void zm_control_obsoletes(zm_control_writer_t *writer, zm_str_t id);
void zm_control_turn(zm_control_writer_t *writer, zm_str_t domain);
void zm_control_sender(zm_control_writer_t *writer, const zm_quad_t *sender);
/** dsn (N), ret (R) and envid (n) may be empty; R and n are written only with N. */
void zm_control_recipient(zm_control_writer_t *writer, const zm_quad_t *recipient, zm_str_t dsn, zm_str_t ret,
                          zm_str_t envid);
/** The header block of the recipients since the previous one: header text with LF ends, without the empty line; a last LF may be missing. */
void zm_control_header(zm_control_writer_t *writer, zm_str_t header);
/** The whole file with its z line; lives until the pool is cleared.  At least one recipient, a message and a log id are required. */
apr_status_t zm_control_finish(zm_control_writer_t *writer, zm_str_t *file);

/** A value as one quad field: quoted when the plain form would not be read back as one field; "-" when empty. */
void zm_quad_quote(zm_buf_t *out, zm_str_t value);
/** The plain value of a field read from a control file; "-" gives the empty string.  Points into field or is in pool. */
zm_str_t zm_quad_unquote(apr_pool_t *pool, zm_str_t field);
/** Takes channel, host, user and privilege out of a line's rest; ZM_E_SYNTAX.  Strings point into text. */
apr_status_t zm_quad_parse(zm_quad_t *quad, zm_str_t text);

/* -- reading ------------------------------------------------------------------ */

typedef struct zm_control_recipient_t {
    uint64_t offset;  /**< of its r line: the recipient's name in the agent protocol */
    char tag;         /**< ' ', '~', '+', '-' */
    int64_t pid_slot; /**< number in the PID columns, -1 when blank */
    zm_quad_t quad;
    int sender;         /**< index into senders */
    int header;         /**< index into headers, -1 when its block is missing */
    int64_t dsn_offset; /**< of the N line, -1: none */
    zm_str_t dsn;       /**< N value */
} zm_control_recipient_t;

typedef struct zm_control_sender_t {
    uint64_t offset;
    zm_quad_t quad;
    zm_str_t error_address; /**< of this group: the e line after its s, else the sender user; empty: no reports */
} zm_control_sender_t;

typedef struct zm_control_header_t {
    uint64_t offset; /**< first byte after "m" LF */
    zm_str_t text;   /**< header with LF ends, without the empty line */
} zm_control_header_t;

typedef struct zm_control_diagnostic_t {
    uint64_t offset;
    char tag; /**< ' ' not reported yet, '+' reported */
    uint64_t recipient_offset;
    int64_t header_offset; /**< -1 unknown */
    int64_t dsn_offset;    /**< -1 none */
    int64_t time;
    zm_str_t notary; /**< fields joined by byte 1 */
    zm_str_t text;   /**< CR stands for a line break */
} zm_control_diagnostic_t;

typedef struct zm_control_file_t {
    uint32_t format;
    zm_str_t verbose, message, log_id, envid, ret;
    uint64_t body_offset;
    zm_str_t *obsoletes, *turns;
    int obsolete_count, turn_count;
    zm_control_sender_t *senders;
    int sender_count;
    zm_control_recipient_t *recipients;
    int recipient_count;
    int alternative_count; /**< X lines, recipients in place of others: nobody serves them */
    zm_control_header_t *headers;
    int header_count;
    zm_control_diagnostic_t *diagnostics;
    int diagnostic_count;
    int unit_count; /**< lines, a block counting as one */
    bool complete;  /**< z line agrees; or, without one, it names its message and the last unit
                   * before d lines is a whole header block */
} zm_control_file_t;

/**
 * Parses a control file held in memory; strings point into data.  ZM_E_UNSUPPORTED
 * for an unknown format bit, ZM_E_CORRUPT (with the line's offset in error) for
 * what cannot be read.  A file that was cut short parses as far as it goes with
 * complete false.
 */
apr_status_t zm_control_parse(zm_control_file_t **file, const char *data, apr_size_t length, apr_pool_t *pool,
                              zm_error_t *error);

/** DSN parameters of an N value. */
typedef struct zm_dsn_t {
    bool never, success, failure, delay, trace; /**< no NOTIFY= at all: failure */
    zm_str_t orcpt, inrcpt, infrom, ezmlm;      /**< xtext, as written */
    bool has_by;
    int64_t by;   /**< deadline, Unix seconds */
    char by_mode; /**< 'R' or 'N' */
    bool by_trace;
    bool require_tls; /**< REQUIRETLS=: over TLS that proves itself, or not at all (RFC 8689) */
} zm_dsn_t;
void zm_dsn_parse(zm_dsn_t *dsn, zm_str_t text);

/* -- updating in place ---------------------------------------------------------- */

/**
 * Marks a pending recipient as being worked on by this process, and holds its byte-range lock.  ZM_E_BUSY when it is not
 * pending.  In a spool where locks suffice the lock is all: the recipient stays as it was, and a crash leaves nothing.
 */
apr_status_t zm_control_claim(zm_object_t *control, uint64_t offset);
/** Ends a claim: tag ' ' (again to do), '+' or '-'.  Releases the lock after the tag is written. */
apr_status_t zm_control_release(zm_object_t *control, uint64_t offset, char tag);
/** Whether somebody else has claimed any recipient without marking it. */
apr_status_t zm_control_claimed(bool *claimed, zm_object_t *control);
/** Writes a tag on a recipient that nobody has claimed (expiry; clearing a stale lock). */
apr_status_t zm_control_mark(zm_object_t *control, uint64_t offset, char expected, char tag);
/** Whether a '~' is stale: its bytes are unlocked and no process that the slot may name is alive. */
apr_status_t zm_control_lock_stale(bool *stale, zm_object_t *control, uint64_t offset, int64_t pid_slot);
/** Appends a d record, synced.  LF in notary or text becomes CR. header and dsn: -1 when unknown. */
apr_status_t zm_control_diagnose(zm_object_t *control, uint64_t recipient, int64_t header, int64_t dsn,
                                 apr_time_t when, zm_str_t notary, zm_str_t text);
/** Marks a d record as reported. */
apr_status_t zm_control_reported(zm_object_t *control, uint64_t diagnostic_offset);

#endif
