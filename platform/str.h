/**
 * Counted strings and a growing buffer.
 *
 * Everything from wire or disk is a pointer and a length; a NUL is data.  A
 * zm_str_t owns nothing: it points into memory that its giver names.
 */
#ifndef ZM_PLATFORM_STR_H
#define ZM_PLATFORM_STR_H

#include <apr_pools.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "platform/status.h"

typedef struct zm_str_t {
    const char *data;
    apr_size_t length;
} zm_str_t;

/** A string literal as a counted string, also in initialisers. */
#define ZM_STR(literal) {(literal), sizeof(literal) - 1}
#define ZM_S(literal) ((zm_str_t){(literal), sizeof(literal) - 1})

/* The ones that every comparison needs are inline: of a literal the length is known when it is compiled. */

/** Of a C string; null gives the empty string. */
static inline zm_str_t zm_str(const char *text) { return (zm_str_t){text, text != NULL ? strlen(text) : 0}; }
static inline zm_str_t zm_str_of(const char *data, apr_size_t length) { return (zm_str_t){data, length}; }
/** What follows the first so many bytes, of which there are no fewer. */
static inline zm_str_t zm_str_from(zm_str_t string, apr_size_t count)
{
    return (zm_str_t){count > 0 ? string.data + count : string.data, string.length - count};
}
zm_str_t zm_str_copy(apr_pool_t *pool, zm_str_t string); /**< the copy is also NUL terminated */
char *zm_str_c(apr_pool_t *pool, zm_str_t string);       /**< NUL-terminated copy; embedded NULs stay */

/* The library's memory functions do not accept a null pointer even for no bytes. */
static inline bool zm_str_equal(zm_str_t a, zm_str_t b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}
static inline bool zm_str_equal_c(zm_str_t a, const char *b) { return zm_str_equal(a, zm_str(b)); }
bool zm_str_equal_nocase(zm_str_t a, zm_str_t b); /**< ASCII case only, whatever the locale */
bool zm_str_starts(zm_str_t string, zm_str_t prefix);
bool zm_str_starts_nocase(zm_str_t string, zm_str_t prefix);
bool zm_str_ends_nocase(zm_str_t string, zm_str_t suffix);
int zm_str_compare(zm_str_t a, zm_str_t b);                /**< by bytes, as memcmp */
zm_str_t zm_str_trim(zm_str_t string);                     /**< without blanks, TAB, CR and LF at both ends */
zm_str_t zm_str_lower(apr_pool_t *pool, zm_str_t string);  /**< ASCII lower case copy */
apr_ssize_t zm_str_find(zm_str_t string, char byte);       /**< index of the first, or -1 */

/** Splits at the first such byte: *head is what stands before it, *rest what follows.  False: no such byte, *head is all. */
bool zm_str_cut(zm_str_t string, char byte, zm_str_t *head, zm_str_t *rest);

/** Takes the next blank- or TAB-separated word off *rest.  False at the end. */
bool zm_str_word(zm_str_t *rest, zm_str_t *word);

/** Decimal digits only, the whole string, no overflow; else ZM_E_SYNTAX. */
apr_status_t zm_str_u64(zm_str_t string, uint64_t *value);
/** As zm_str_u64 with an optional sign. */
apr_status_t zm_str_i64(zm_str_t string, int64_t *value);

/* ASCII classes that no locale changes. */
static inline bool zm_is_digit(int c) { return c >= '0' && c <= '9'; }
static inline bool zm_is_upper(int c) { return c >= 'A' && c <= 'Z'; }
static inline bool zm_is_alpha(int c) { return (c >= 'a' && c <= 'z') || zm_is_upper(c); }
static inline bool zm_is_blank(int c) { return c == ' ' || c == '\t'; }
static inline bool zm_is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline int zm_to_lower(int c) { return zm_is_upper(c) ? c + 32 : c; }
static inline int zm_to_upper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

/**
 * A buffer that grows.  It lives in malloc memory, not in a pool, because a
 * pool cannot give back what a doubling buffer leaves behind; zm_buf_free ends
 * it.  data is not NUL terminated unless zm_buf_c was called last.
 */
typedef struct zm_buf_t {
    char *data;
    apr_size_t length;
    apr_size_t capacity;
} zm_buf_t;

#define ZM_BUF_INIT {NULL, 0, 0}

void zm_buf_free(zm_buf_t *buffer);
/** Makes room for at least extra more bytes.  Memory exhaustion aborts the program with a message. */
void zm_buf_reserve(zm_buf_t *buffer, apr_size_t extra);
void zm_buf_add(zm_buf_t *buffer, const void *data, apr_size_t length);
void zm_buf_add_str(zm_buf_t *buffer, zm_str_t string);
void zm_buf_add_c(zm_buf_t *buffer, const char *text);
void zm_buf_add_byte(zm_buf_t *buffer, char byte);
void zm_buf_printf(zm_buf_t *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void zm_buf_vprintf(zm_buf_t *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/** Drops the first count bytes. */
void zm_buf_consume(zm_buf_t *buffer, apr_size_t count);
void zm_buf_clear(zm_buf_t *buffer);     /**< length 0, memory kept */
zm_str_t zm_buf_str(const zm_buf_t *buffer);
const char *zm_buf_c(zm_buf_t *buffer);  /**< NUL-terminated view, valid until the next change */

/** A decent hash of bytes for in-memory tables (seeded per process against flooding). */
uint32_t zm_hash(const void *data, apr_size_t length);

/** CRC-32C (Castagnoli) of the bytes, continuing from crc (0 at the start). */
uint32_t zm_crc32c(uint32_t crc, const void *data, apr_size_t length);

#endif
